"""Sequences of a batch that a step mixes: found by running one of them alone, from the same state, and named.

Compared is one step at a time, never a whole run: a chaotic cell makes of one rounding error another run.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import attrs
import numpy as np

from nanolstm.errors import BatchError, located, one_line
from nanolstm.language.dropout import step_of
from nanolstm.language.functions import Array
from nanolstm.language.observe import definition
from nanolstm.language.stepping import check_result, read_only

if TYPE_CHECKING:
    from nanolstm.language.cell import Cell

Place: TypeAlias = tuple[str, int]
Results: TypeAlias = Mapping[str, Array]
"""What a step returns, by what it is: "the output", "state 'h'"."""

HINT = (
    "features are on the last axis: write `h @ self.W.T` for `self.W @ h`, `a[..., :, None] * b[..., None, :]` for "
    "np.outer(a, b), np.where(condition, this, that) for an `if` on values, and give every reduction axis=-1"
)

_ALL, _SIZES = 2048, 4
"""How many comparisons the first call with each of so many sizes of batch makes: all that there are, up to there."""

_EVERY = 4
"""Later calls compare one sequence at every fourth step, which makes them slower by about a quarter."""

_MARGIN, _MOST = 20.0, 50
"""How many times the effect of rounding errors a difference has to be, to be none itself; how often that is tried."""


def take_step(reading: Cell, x: Array, arguments: Sequence[Array]) -> dict[str, Array]:
    """The results of one step of `reading`, of a batch or of one example."""
    y, states = check_result(reading, x, step_of(reading)(reading, read_only(x), *map(read_only, arguments)))
    return {"the output": y, **{f"state {name!r}": value for name, value in states.items()}}


def refuse_mixing(reading: Cell, x: Array, arguments: Sequence[Array], together: Results, b: int) -> None:
    """Compare example `b` of a step of a batch with the same step of that example alone.

    Args:
        reading: the cell as a step sees it.
        x: (B, M).
        arguments: those of the step after x, each (B, ...).
        together: what the step returned for the batch.
        b: which example.

    Raises:
        BatchError: the two differ; it names the line where that begins.
    """
    own = [value[b] for value in arguments]
    with np.errstate(all="ignore"):
        try:
            alone = take_step(reading, x[b], own)
        except Exception as error:  # noqa: BLE001  (whatever it is, the batch did not raise it)
            why = f"example {b} fails when it is run alone, {one_line(error)},"
            _refuse(reading, why, _line_of_difference(reading, x, arguments, b), error)
        # Below what a step may well make of rounding errors, which are looked into where it is exceeded.
        tolerance = 1e-5 if reading.dtype == np.float32 else 1e-11
        for what, value in alone.items():
            row = together[what][b]
            if (np.abs(row - value) <= tolerance).all():  # np.isclose takes longer than most steps
                continue
            wrong, near = ~_close(row, value, tolerance), _with_rounding_errors(reading, x[b], own, what)
            while wrong.any() and (other := next(near, None)) is not None:
                same = (other == value) | (np.isnan(other) & np.isnan(value))
                wrong &= same | (np.abs(other - value) * _MARGIN <= np.abs(row - value))
            if wrong.any():
                gap = np.abs(row - value)[wrong].max()
                why = f"{what} of example {b} differs by {gap:.3g} from that of the example alone, first"
                _refuse(reading, why, _line_of_difference(reading, x, arguments, b))


def _close(one: Array, other: Array, tolerance: float) -> Array:
    return np.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)


def _with_rounding_errors(reading: Cell, x: Array, arguments: Sequence[Array], what: str) -> Iterator[Array]:
    """Results of one example where inputs and states are off by some rounding errors, as sums in another order are.

    What a threshold or a quotient of almost nothing makes of those says nothing about the batch.
    """
    rng = np.random.default_rng(0)
    size = (4 + np.sqrt(reading.inputs + reading.hidden)) * np.finfo(reading.dtype).eps  # the longer a sum, the more

    def moved(value: Array) -> Array:
        near: Array = value * (1.0 + size * rng.uniform(-1.0, 1.0, value.shape))
        return near.astype(reading.dtype)

    for _ in range(_MOST):
        with contextlib.suppress(Exception):  # such as a check of the author's own
            yield take_step(reading, moved(x), [moved(value) for value in arguments])[what]


def _refuse(reading: Cell, why: str, place: Place, error: Exception | None = None) -> NoReturn:
    name = type(reading).__name__
    raise located(BatchError, f"{name}.step mixes the examples of a batch: {why}", place, HINT) from error


@attrs.define(eq=False)
class Comparing:
    """Which sequences of the batches of a cell are compared with themselves alone while it runs.

    A step may mix them for some values alone, which a trial on other values need not meet. So the first call with a
    size of batch compares all sequences at all steps, up to a limit, and later calls some of them.

    Attributes:
        known: the sizes of batches that have been run.
        steps: how many steps have been run.
    """

    known: set[int] = attrs.field(factory=set)
    steps: int = 0

    def compare(
        self,
        reading: Cell,
        x: Array,
        arguments: Sequence[Array],
        returned: tuple[Array, Mapping[str, Array]],
        steps: int,
        valid: Array | None,
    ) -> None:
        """Compare some sequences at one of the `steps` of a call, of those that are `valid` there.

        Raises:
            BatchError: see `refuse_mixing`.
        """
        y, states = returned
        together = {"the output": y, **{f"state {name!r}": value for name, value in states.items()}}
        for place in self._chosen(steps, len(x)):
            b = place % len(x)
            if valid is None or valid[b]:
                refuse_mixing(reading, x, arguments, together, b)

    def _chosen(self, steps: int, batch: int) -> range:
        place = self.steps
        self.steps += 1
        if batch not in self.known:
            each = min(batch, -(-_ALL // steps)) if len(self.known) < _SIZES else 1
            return range(place * each, (place + 1) * each)
        return range(place // _EVERY, place // _EVERY + 1) if place % _EVERY == 0 else range(0)


# Which line it is: the author's code runs twice, of the batch and of the one, until the two part.


@attrs.frozen
class _Moment:
    """What a function had when it came to a line, or what it returned there."""

    place: Place
    before: Place
    values: Mapping[str, Any]


def _line_of_difference(reading: Cell, x: Array, arguments: Sequence[Array], b: int) -> Place:
    """The line of the step, or of what it calls, after which example `b` is another than alone."""
    together = _moments(reading, x, arguments)
    alone = _moments(reading, x[b], [value[b] for value in arguments])
    for one, other in zip(together, alone, strict=False):
        if one.place != other.place or not all(
            _same(value, other.values.get(name), b) for name, value in one.values.items()
        ):
            return one.before
    longer = together if len(together) > len(alone) else alone
    shorter = min(len(together), len(alone))
    return longer[shorter].before if shorter < len(longer) else definition(type(reading).step)


def _same(together: Any, alone: Any, b: int) -> bool:
    """Whether a value of the batch is, for example `b`, that of the example alone; True of what cannot be compared."""
    if isinstance(together, tuple | list) and isinstance(alone, tuple | list):
        return all(_same(one, other, b) for one, other in zip(together, alone, strict=False))
    if not isinstance(together, np.ndarray | np.generic | float) or not isinstance(
        alone, np.ndarray | np.generic | float
    ):
        return True
    one, other = np.asarray(together), np.asarray(alone)
    if one.dtype.kind not in "biuf" or other.dtype.kind not in "biuf":
        return True
    if one.ndim == other.ndim + 1 and len(one) > b:
        one = one[b]
    return one.shape == other.shape and bool(_close(one, other, 1e-6).all())


def _moments(reading: Cell, x: Array, arguments: Sequence[Array]) -> list[_Moment]:
    """Each line of the author's code that a step comes to, one after the other."""
    found: list[_Moment] = []
    last: dict[int, Place] = {}

    def enter(frame: FrameType, event: str, value: Any) -> Any:  # noqa: ARG001
        last.pop(id(frame), None)
        return look if is_authors(frame) else None

    def look(frame: FrameType, event: str, value: Any) -> Any:
        if event in ("line", "return"):
            place = frame.f_code.co_filename, frame.f_lineno
            values = {"return": value} if event == "return" else {n: _kept(v) for n, v in frame.f_locals.items()}
            found.append(_Moment(place, place if event == "return" else last.get(id(frame), place), values))
            last[id(frame)] = place
        return look

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        step_of(reading)(reading, read_only(x), *map(read_only, arguments))
    except Exception:  # noqa: BLE001  (whatever it is, the run has met it or will)
        pass
    finally:
        sys.settrace(before)
    return found


def _kept(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def is_authors(frame: FrameType) -> bool:
    """Whether the code that runs in `frame` is of no library."""
    module = str(frame.f_globals.get("__name__", ""))
    root = module.partition(".")[0]
    return module.startswith("nanolstm.cells.") or root not in sys.stdlib_module_names | {"numpy", "scipy", "nanolstm"}
