"""Standard output reserved for the answer of a command, where a program reads it.

Plugins, and whatever they call, print: at import, in a hook, through a stream they keep, at file descriptor 1, in a
child process. While standard output is reserved all of that goes to standard error.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

import typer

_answer: Callable[[str], None] | None = None


def write_answer(text: str) -> None:
    """Write `text` to standard output, to the real one where it is reserved.

    Raises:
        OSError: it cannot be written; BrokenPipeError where nobody reads any more.
    """
    if _answer is None:
        typer.echo(text, nl=False)
    else:
        _answer(text)


@contextlib.contextmanager
def reserved_output(*, for_good: bool) -> Iterator[None]:
    """Reserve standard output for `write_answer`, `for_good` also for what is left of the process.

    At the end of a process, plugins may still print: in functions of `atexit`, in threads, from the buffers of C.
    """
    global _answer
    out = sys.stdout
    if out is None:  # closed before the program began
        yield
        return
    out.flush()
    with contextlib.ExitStack() as stack:
        descriptors = _descriptors_of(out)
        answer = _to_stream(out)
        with contextlib.ExitStack() as changes:
            if descriptors:
                # First of all: where descriptor 2 is closed, the next one that is opened gets its number.
                error = _descriptor_of_errors(changes)
                real = os.dup(descriptors[0])
                stack.callback(os.close, real)
                answer = _to_descriptor(real, out)
            for descriptor in descriptors:
                saved = os.dup(descriptor)
                changes.callback(os.close, saved)
                changes.callback(os.dup2, saved, descriptor)
                os.dup2(error, descriptor)
            changes.callback(_flush, out)  # what was printed through a kept reference, before the descriptors return
            if sys.stderr is not None:
                changes.enter_context(contextlib.redirect_stdout(sys.stderr))
            before, _answer = _answer, answer
            try:
                yield
            finally:
                _answer = before
                if for_good:
                    _flush(out)
                    changes.pop_all()


def _descriptors_of(stream: TextIO) -> list[int]:
    """The file descriptors that lead where `stream` does; none of a stream in memory, such as a notebook's."""
    if not isinstance(stream, io.TextIOWrapper):  # a notebook's has a number, and shows what is written to itself
        return []
    try:
        own = stream.fileno()
    except (OSError, ValueError):
        return []
    with contextlib.suppress(OSError):  # there may be no descriptor 1
        if own != 1 and os.path.sameopenfile(own, 1):
            return [own, 1]
    return [own]


def _descriptor_of_errors(changes: contextlib.ExitStack) -> int:
    """Where standard error leads, or the null device where it is closed."""
    if sys.stderr is not None:
        for descriptor in (*_descriptors_of(sys.stderr), 2):
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                return descriptor
    null = os.open(os.devnull, os.O_WRONLY)
    changes.callback(os.close, null)
    return null


def _to_descriptor(descriptor: int, stream: TextIO) -> Callable[[str], None]:
    """Writes texts as `stream` does."""
    encoding, errors = stream.encoding, stream.errors

    def write(text: str) -> None:
        # Without a buffer that would outlive a reader who has gone.
        with open(descriptor, "w", encoding=encoding, errors=errors, closefd=False) as file:
            file.write(text)

    return write


def _to_stream(stream: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write


def _flush(stream: TextIO) -> None:
    with contextlib.suppress(OSError, ValueError):  # ValueError: somebody closed it
        stream.flush()
