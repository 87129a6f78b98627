"""Every error that nanolstm raises on purpose, and how a misspelt name is answered.

All derive from [`NanolstmError`][nanolstm.NanolstmError], so one `except` catches them; each also derives from the
built-in exception that Python programmers expect in its place.
"""

from collections.abc import Iterable
from typing import Any


class NanolstmError(Exception):
    """The base of all errors below. Its text says what came, what was expected, and what to write instead."""


class CellError(NanolstmError, TypeError):
    """A cell or gate class is declared wrongly, or its `step` does something that a step may not do."""


class TraceError(NanolstmError, TypeError):
    """A step or a loss does something of which no derivative can be taken; it names the line and what to write.

    Attributes:
        file: of the author's code that was being run; "" where that is not known.
        line: the number of its line.
    """

    file: str = ""
    line: int = 0


class BranchError(TraceError):
    """`if`, `while`, `and`, `or`, `not` or `assert` on a traced value: one branch would be taken for all inputs."""


class NumberError(TraceError):
    """A traced value is made a Python number: float(), int(), `math.tanh`, `.item()`, a format."""


class LoopError(TraceError):
    """A loop whose length depends on a traced value: over it, or over range() of it."""


class ArrayError(TraceError):
    """Traced values are put into a NumPy array: np.array([...]), np.asarray(...)."""


class InPlaceError(TraceError):
    """A traced value is written to: `+=`, an assignment to some of its elements."""


class OutError(TraceError):
    """A NumPy function is given `out=` or `where=`."""


class BatchError(TraceError, CellError):
    """An axis or an index that touches the batch: counted from the front, without `...`, or a reduction of all.

    Also a step that is run, and gives another result for a sequence in a batch than for the same sequence alone.
    """


class UnsupportedError(TraceError):
    """A function, or a way to call it, that is not in the table of operations."""


class UndeclaredArrayError(TraceError):
    """An array with two axes or more that is no parameter: it would get no gradient."""


class ShapeError(TraceError):
    """Shapes of features that do not go together."""


class StateShapeError(TraceError, CellError):
    """A state is returned with another shape than it came with."""


class ReturnError(TraceError, CellError):
    """What is returned is not the output and each state, or not what a loss returns, one number of its prediction."""


class RandomError(TraceError):
    """A step that computes something else each time that it is run."""


class InputError(NanolstmError, ValueError):
    """An argument has a wrong shape, type or value."""


class UnknownNameError(NanolstmError, KeyError):
    """A name that is not there: a parameter, a recording, a source, a loss, a cell, a column."""

    __str__ = Exception.__str__  # KeyError would show the text in quotes


class PluginError(NanolstmError):
    """A plugin could not be loaded, or two plugins claim one name."""


class PluginWarning(UserWarning):
    """A plugin is broken and was left out; the rest goes on."""


class KernelError(NanolstmError):
    """A step that cannot be compiled, or nothing to compile it with."""


class WorkspaceError(NanolstmError):
    """Compiled code wrote outside of a work buffer: a fault of nanolstm. Only raised with `NANOLSTM_POISON=1`."""


class KernelWarning(UserWarning):
    """A step that is not compiled, or not kept compiled: it runs all the same, but more slowly."""


class SweepWarning(UserWarning):
    """Some members of a sweep failed, and the others went on."""


class DivergedError(NanolstmError, ArithmeticError):
    """A training met a loss or a gradient that is no finite number; the model has its last good parameters.

    Attributes:
        run: what there was until then, a `Run`; None where training had not begun.
    """

    run: Any = None


class LossError(NanolstmError):
    """A loss fails itself, on arrays that it should be able to take."""


class DataError(NanolstmError):
    """A source could not answer, or answered with data that cannot be used."""


class BadDataError(DataError, ValueError):
    """The data came, but fails a check: order, duplicates, gaps, text where numbers are needed, too few rows."""


class UnknownSymbolError(DataError, LookupError):
    """The source does not know what was asked for: a ticker, a file, a task."""


class NoDataError(DataError):
    """The source knows the symbol and has nothing in the window that was asked for."""


class SourceUnavailableError(DataError):
    """The source itself fails; the same request may succeed later. Base of the three below."""


class RateLimitedError(SourceUnavailableError):
    """The source refuses for now because it was asked too often."""


class UnreachableError(SourceUnavailableError):
    """No connection, no answer in time, or the server reports a fault of its own."""


class MalformedAnswerError(SourceUnavailableError):
    """The source answered with something that is not in its own format."""


class ExchangeError(NanolstmError, TypeError):
    """A module of another library that no model here is equal to, or a model that no module there is equal to."""


class MissingPackageError(NanolstmError, ImportError):
    """Something needs a package that nanolstm can do without, and it is not installed."""


class StoreError(NanolstmError):
    """A file of a model, or of a training run, cannot be written, read or used; the text begins with its path."""


class FileAccessError(StoreError, OSError):
    """The operating system refuses: no folder, no permission, a full disk."""


class MissingFileError(FileAccessError, FileNotFoundError):
    """There is no such file."""


class DamagedFileError(StoreError, ValueError):
    """A file is not as it was written: cut off, changed, or made up."""


class ForeignFileError(DamagedFileError):
    """A file is none of nanolstm's, or one for another purpose."""


class NewerFileError(StoreError, ValueError):
    """A file is sound, and written by a later version of nanolstm in a form that this one does not know."""


class DescriptionError(StoreError, TypeError):
    """Something that a file cannot hold: a setting of a cell that is no plain value, an array of no numbers."""


class CellMismatchError(StoreError, ValueError):
    """A cell class is not that of the file: its settings, its parameters or what it computes differ."""


class CheckpointMismatchError(StoreError, ValueError):
    """A checkpoint is that of another training: another model, other data, another optimizer or option."""


def located(kind: type[TraceError], what: str, place: tuple[str, int], instead: str) -> TraceError:
    """A `kind`: what happened, at which file and line, what to write instead, and where more is said."""
    import linecache

    file, line = place
    source = linecache.getline(file, line).strip()
    where = f" at {file}:{line}{f' (`{source}`)' if source else ''}" if file else ""
    error = kind(f"{what}{where}; {instead}. More under {kind.__name__} on the page 'What cannot be traced'")
    error.file, error.line = file, line
    return error


def nearest(name: str, known: Iterable[str], label: str = "known") -> str:
    """The end of an error text about an unknown `name`: the most similar known name, then all of them.

    >>> nearest("rsme", ["mae", "rmse"])
    "did you mean 'rmse'? known: mae, rmse"
    """
    import difflib

    names = sorted(known)
    folded = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    hint = f"did you mean {folded[close[0]]!r}? " if close else ""
    return f"{hint}{label}: {', '.join(names) or 'none'}"


def one_line(error: BaseException) -> str:
    """An error as one line: the text of ours, and of anybody else's the type before it."""
    text = " ".join(str(error).split())
    return text if isinstance(error, NanolstmError) else f"{type(error).__name__}: {text}"
