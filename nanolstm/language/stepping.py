"""One step of a cell: what it starts from, and whether what it returned can be gone on with."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import BranchError, CellError, ReturnError, StateShapeError, TraceError, located
from nanolstm.language.functions import Array
from nanolstm.language.observe import Locals, call_with_locals, definition

if TYPE_CHECKING:
    from nanolstm.language.cell import Cell


def start_states(cell: Cell, batch: tuple[int, ...] = ()) -> dict[str, Array]:
    """The states that `cell` starts from, by name, each `batch` + its own shape.

    Raises:
        CellError: a start that does not fit its state's shape, or is no number.
    """
    states = {}
    for name, part in cell.anatomy.states.items():
        start = np.asarray(getattr(cell, part.start) if isinstance(part.start, str) else part.start)
        if start.dtype.kind not in "iuf" or start.shape not in ((), part.shape) or np.isnan(start).any():
            raise CellError(
                f"{type(cell).__name__}: state {name!r} has shape {part.shape} and starts at {part.start!r}; give a "
                "number or an array of its shape, without NaN"
            )
        states[name] = np.array(np.broadcast_to(start.astype(cell.dtype), (*batch, *part.shape)))
    return states


def read_only(value: Array) -> Array:
    """A view that a step cannot write to: `h += a` would change what an earlier step returned.

    One example's state without axes is a scalar when it is taken from a batch; it becomes an array, which has flags.
    """
    view = np.asarray(value).view()
    view.flags.writeable = False
    return view


@contextlib.contextmanager
def told_where(cell: Cell, t: int | None = None) -> Iterator[None]:
    """Add to whatever `step` raises in which cell, and at which time step, it was.

    Raises:
        CellError: the step writes into an array that it was given.
        BranchError: it takes a branch on an array.
    """
    name = type(cell).__name__
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and "read-only" in str(error):
            line = traceback.extract_tb(error.__traceback__)[-1]
            raise CellError(
                f"{name}.step writes into an array that it was given ({line.filename}:{line.lineno}: {line.line}); "
                "make a new one: `h = h + a` for `h += a`, np.where for an assignment to some elements"
            ) from None
        if isinstance(error, ValueError) and "truth value of an array" in str(error):
            line = traceback.extract_tb(error.__traceback__)[-1]
            raise located(
                BranchError,
                f"{name}.step: a branch on an array",
                (line.filename, line.lineno or 0),
                "write np.where(condition, this, that), np.maximum(a, b) for max(a, b), `(a > 0) & (b > 0)` for `and`",
            ) from None
        when = "in the step from zeros that a cell takes when it is made" if t is None else f"at time step {t}"
        error.add_note(f"in {name}.step, {when}")
        raise


def misfit(kind: type[TraceError], cell: Cell, came: str, expected: str, place: tuple[str, int] | None) -> TraceError:
    """A `kind` about what the step of `cell` returned, at `place` or wherever in it."""
    wanted = f"`return {', '.join(('output', *cell.anatomy.states))}`"
    return located(
        kind,
        f"{type(cell).__name__}.step returned {came}; expected {expected}{wanted} in the step",
        place or definition(type(cell).step),
        "the output comes first, then each new state as it was taken: in this order, of the same shape",
    )


def check_result(
    cell: Cell, x: Array, result: Any, place: tuple[str, int] | None = None
) -> tuple[Array, dict[str, Array]]:
    """What `step` returned for `x`, as the output and the new states by name, in the cell's dtype.

    `place` is the line of its `return`, where that is known.

    Raises:
        ReturnError: another number of states than `step` takes, an output of another width, or no real numbers.
        StateShapeError: a state of another shape than it has.
    """
    states = cell.anatomy.states
    if not states and not isinstance(result, tuple):
        result = (result,)
    if not isinstance(result, tuple) or len(result) != 1 + len(states):
        came = f"{len(result)} values" if isinstance(result, tuple) else f"one {type(result).__name__}"
        raise misfit(ReturnError, cell, came, "", place)
    batch = x.shape[:-1]
    # In the trial step of a new cell the width of the output is not known yet.
    width = (cell.outputs,) if "outputs" in cell.__dict__ else np.shape(result[0])[-1:]
    y = _fitted(cell, result[0], (*batch, *width), bool(batch), "the output", place)
    return y, {
        name: _fitted(cell, value, (*batch, *part.shape), bool(batch), f"state {name!r}", place)
        for (name, part), value in zip(states.items(), result[1:], strict=True)
    }


def _fitted(
    cell: Cell, value: Any, shape: tuple[int, ...], batched: bool, what: str, place: tuple[str, int] | None
) -> Array:
    """`value` with exactly `shape`, in the cell's dtype, so that a stray float64 constant cannot widen a float32 run.

    What does not depend on the example may come without the batch axis.
    """
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal length
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        expected = "real numbers (a complex number is two of them, its real and its imaginary part) and "
        raise misfit(ReturnError, cell, f"{what} of dtype {array.dtype}", expected, place)
    if array.shape != shape:
        if not batched or array.shape != shape[1:]:
            kind = ReturnError if what == "the output" else StateShapeError
            raise misfit(kind, cell, f"{what} with shape {array.shape}", f"{shape} and ", place)
        array = np.broadcast_to(array, shape)
    return array.astype(cell.dtype, copy=False)


def try_step(cell: Cell) -> int:
    """Take one step from zeros: the width of the output, found together with whatever is wrong with the step.

    Raises:
        CellError: the step does not fit what the class declares.
        ReturnError: it returns something other than the output and the states, or an output that is no vector.
        StateShapeError: it returns a state of another shape than it has.
    """
    x, result, found, _ = _step_from_zeros(cell)
    y, _ = check_result(cell, x, result, found.returned)
    name, states = type(cell).__name__, cell.anatomy.states
    if states:
        _refuse_permuted(name, dict(zip(states, result[1:], strict=True)), found)
    if y.ndim != 1:
        came = f"an output of shape {y.shape} for one example"
        raise misfit(ReturnError, cell, came, "features, (N,), and ", found.returned)
    return y.size


def shapes_of_one(cell: Cell) -> tuple[list[tuple[int, ...]], dict[str, tuple[int, ...]]]:
    """The shapes for one example: of the gates' values in the order of their calls, of local variables by name."""
    _, _, found, gates = _step_from_zeros(cell)
    return gates, {name: v.shape for name, v in found.items() if isinstance(v, np.ndarray | np.generic)}


def _step_from_zeros(cell: Cell) -> tuple[Array, Any, Locals, list[tuple[int, ...]]]:
    part = cell.anatomy
    gates: list[tuple[int, ...]] = []
    reading = cell.reading(tell=lambda _, value: gates.append(np.shape(value)))
    given: dict[str, Array] = start_states(cell)
    given |= {feed: np.full(f.size, f.default or 0.0, cell.dtype) for feed, f in part.feeds.items()}
    given |= {noise: np.full(n.size, n.mean, cell.dtype) for noise, n in part.noises.items()}
    own = [argument for argument in part.arguments if argument not in part.masks]
    x, arguments = np.zeros(cell.inputs, cell.dtype), [read_only(given[argument]) for argument in own]
    with np.errstate(all="ignore"), told_where(cell):  # zeros may be outside of what a step is for: 1 / x, log(x)
        result, found = call_with_locals(type(cell).step, reading, read_only(x), *arguments)
    return x, result, found, gates


def _refuse_permuted(name: str, new: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse `return y, c, h` from `step(self, x, h, c)`: states that hold each other's local variables in a ring.

    A state that takes another's old value (a delay) closes no ring, for somewhere something new comes in.
    """
    holds = {s: t for s in new for t in new if t in found and new[s] is found[t] and new[s] is not found[s]}
    for first in holds:
        ring, state = [first], holds[first]
        while state in holds and state not in ring:
            ring.append(state)
            state = holds[state]
        if state == first:
            raise CellError(
                f"{name}.step returns its states in another order than it takes them: {holds[first]!r} stands in the "
                f"place of {first!r}; expected `return output, {', '.join(new)}`"
            )
