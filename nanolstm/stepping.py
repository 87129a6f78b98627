"""One step of a cell: what it starts from, and whether what it returned can be gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import CellError
from nanolstm.functions import Array
from nanolstm.observe import call_with_locals

if TYPE_CHECKING:
    from nanolstm.cell import Cell


def start_states(cell: Cell, batch: tuple[int, ...] = ()) -> dict[str, Array]:
    """The states that `cell` starts from, by name, each `batch` + its own shape.

    Raises:
        CellError: a start that does not fit its state's shape.
    """
    states = {}
    for name, part in cell.anatomy.states.items():
        start = np.asarray(part.start, cell.dtype)
        if start.shape not in ((), part.shape):
            raise CellError(
                f"{type(cell).__name__}: state {name!r} has shape {part.shape} and starts at an array of shape "
                f"{start.shape}; give a number or an array of its shape"
            )
        states[name] = np.array(np.broadcast_to(start, (*batch, *part.shape)))
    return states


def advance(cell: Cell, x: Array, arguments: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
    """One step: the output and the new states by name. `arguments` are those of `step` after `x`, in its order."""
    return check_result(cell, cell.step(x, *arguments.values()), arguments)


def check_result(cell: Cell, result: Any, arguments: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
    """What `step` returned for `arguments`, as the output and the new states by name.

    Raises:
        CellError: another number of states than `step` takes, or one of another shape.
    """
    name, states = type(cell).__name__, cell.anatomy.states
    wanted = ", ".join(("output", *states))
    if not states and not isinstance(result, tuple):
        result = (result,)
    if not isinstance(result, tuple) or len(result) != 1 + len(states):
        came = f"{len(result)} values" if isinstance(result, tuple) else f"one {type(result).__name__}"
        raise CellError(f"{name}.step returned {came}; expected `return {wanted}`")
    new = dict(zip(states, result[1:], strict=True))
    for state, value in new.items():
        if np.shape(value) != np.shape(arguments[state]):
            raise CellError(
                f"{name}.step was given state {state!r} of shape {np.shape(arguments[state])} and returned it with "
                f"shape {np.shape(value)}; expected `return {wanted}` with unchanged shapes"
            )
    # Values are cast at the boundary of the step, so that a stray float64 constant cannot widen a float32 run.
    return np.asarray(result[0], cell.dtype), {state: np.asarray(v, cell.dtype) for state, v in new.items()}


def try_step(cell: Cell) -> int:
    """Take one step from zeros: the width of the output, found together with whatever is wrong with the step.

    Raises:
        CellError: the step does not fit what the class declares.
    """
    part, name = cell.anatomy, type(cell).__name__
    given: dict[str, Array] = start_states(cell)
    given |= {feed: np.full(f.size, f.default or 0.0, cell.dtype) for feed, f in part.feeds.items()}
    given |= {noise: np.full(n.size, n.p, cell.dtype) for noise, n in part.noises.items()}
    arguments = {argument: given[argument] for argument in part.arguments}
    with np.errstate(all="ignore"):  # zeros may be outside of what a step is for: 1 / x, log(x)
        try:
            result, found = call_with_locals(
                type(cell).step, cell, np.zeros(cell.inputs, cell.dtype), *arguments.values()
            )
        except Exception as error:
            error.add_note(f"in the step from zeros that {name}(...) takes to find its outputs")
            raise
    y, new = check_result(cell, result, arguments)
    _refuse_permuted(name, dict(zip(part.states, result[1:], strict=True)) if new else {}, found)
    if y.ndim != 1:
        raise CellError(
            f"{name}.step returned an output of shape {y.shape} for one example; expected one axis of features, (N,)"
        )
    return y.size


def _refuse_permuted(name: str, new: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse `return y, c, h` from `step(self, x, h, c)`: two states that hold each other's local variables.

    A state that takes another's old value (a delay) is no such pair, for the other one then holds something new.
    """
    holds = {
        s: [t for t in new if t != s and t in found and new[s] is found[t] and new[s] is not found[s]] for s in new
    }
    for s, others in holds.items():
        for t in others:
            if s in holds[t]:
                raise CellError(
                    f"{name}.step returns its states in another order than it takes them: {t!r} stands in the place of "
                    f"{s!r}; expected `return output, {', '.join(new)}`"
                )
