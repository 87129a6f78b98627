"""One cell over time, step by step, in NumPy: the reference that every faster way of running must agree with."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from nanolstm.cell import Cell
from nanolstm.errors import CellError
from nanolstm.functions import Array
from nanolstm.initialisers import RandomSource
from nanolstm.observe import call_with_locals
from nanolstm.recording import Tape
from nanolstm.stepping import advance, check_result, start_states


@attrs.frozen(eq=False)
class Run:
    """What running one cell gave: outputs (T, *batch, N), last states, recorded values (T, *batch, ...)."""

    y: Array
    state: dict[str, Array]
    values: dict[str, Array]


def run(
    cell: Cell,
    x: Array,
    *,
    initial: Mapping[str, Array],
    feeds: Mapping[str, Array],
    valid: Array | None = None,
    resets: Array | None = None,
    rng: RandomSource | None = None,
    record: bool = False,
) -> Run:
    """Run `cell` over `x`, time first.

    Args:
        cell: the cell.
        x: (T, *batch, M), where batch is () or (B,).
        initial: first states by name, each (*batch, ...); those that are left out start as declared.
        feeds: every feed of the cell by name, (T, *batch, size).
        valid: (T, *batch) bool, False beyond a sequence's length: there the output is 0 and the state stands still.
        resets: (T, *batch) bool: the state is set to its declared start before that step.
        rng: draws the noise masks; without it each is its mean.
        record: whether to take down gates, states and local variables.
    """
    steps, batch = len(x), x.shape[1:-1]
    start = start_states(cell, batch)
    state = start | dict(initial)
    if len(batch) and steps > 1 and batch[0] > 1 and not cell.__dict__.get("_examples_are_separate"):
        _refuse_mixed_examples(cell, x, state, feeds)
    noises = _draw_noises(cell, steps, batch, rng)
    tape = Tape(type(cell).__name__)
    watched = cell._reading(tell=tape.tell) if record else cell
    outputs = np.zeros((steps, *batch, cell.outputs), cell.dtype)
    for t in range(steps):
        if resets is not None and resets[t].any():
            state = {name: _where(resets[t], start[name], value) for name, value in state.items()}
        given = {**state, **{n: f[t] for n, f in feeds.items()}, **{n: m[t] for n, m in noises.items()}}
        arguments = {name: given[name] for name in cell.anatomy.arguments}
        if record:
            tape.open()
            result, found = call_with_locals(type(cell).step, watched, x[t], *arguments.values())
            y, new = check_result(cell, result, arguments)
            tape.close(new, found)
        else:
            y, new = advance(cell, x[t], arguments)
        if valid is not None and not valid[t].all():
            new = {name: _where(valid[t], value, state[name]) for name, value in new.items()}
            y = _where(valid[t], y, np.zeros_like(y))
        state = new
        outputs[t] = y
    values = tape.lay_out(batch) if record else {}
    if valid is not None:
        values = {name: _where(valid, value, np.zeros_like(value)) for name, value in values.items()}
    # Copies, since a step may hand on what it was given, and nothing returned may be the caller's own array.
    return Run(outputs, {name: np.array(value) for name, value in state.items()}, values)


def _where(condition: Array, this: Array, that: Array) -> Array:
    """Choose per example. Never by multiplying with a mask: 0 * -inf is NaN."""
    return np.where(condition.reshape(condition.shape + (1,) * (this.ndim - condition.ndim)), this, that)


def _draw_noises(cell: Cell, steps: int, batch: tuple[int, ...], rng: RandomSource | None) -> dict[str, Array]:
    masks = {}
    for name, part in cell.anatomy.noises.items():
        shape = (steps, *batch, part.size)
        if rng is None:
            mask = np.broadcast_to(np.asarray(part.p, cell.dtype), shape)
        else:
            drawn = rng.uniform(size=shape if part.per == "step" else shape[1:]) < part.p
            mask = np.broadcast_to(drawn.astype(cell.dtype), shape)
        masks[name] = mask
    return masks


def _refuse_mixed_examples(cell: Cell, x: Array, state: Mapping[str, Array], feeds: Mapping[str, Array]) -> None:
    """Compare a few steps of one example alone with the same in its batch, on a cell's first batch.

    Where the batch is as long as the hidden size, `W @ h` and `np.outer` have valid shapes and wrong results.
    """
    cell.__dict__["_examples_are_separate"] = True  # set first: the runs below come here too
    few, last = slice(0, 3), -1
    together = run(cell, x[few], initial=state, feeds={n: f[few] for n, f in feeds.items()})
    alone = run(
        cell,
        x[few, last],
        initial={name: value[last] for name, value in state.items()},
        feeds={n: f[few, last] for n, f in feeds.items()},
    )
    tolerance = 1e-3 if cell.dtype == np.float32 else 1e-8
    pairs = {"output": (together.y[:, last], alone.y)}
    pairs |= {f"state {name!r}": (together.state[name][last], value) for name, value in alone.state.items()}
    for name, (one, other) in pairs.items():
        if not np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True):
            cell.__dict__["_examples_are_separate"] = False
            raise CellError(
                f"{type(cell).__name__}.step mixes the examples of a batch: the {name} of an example differs when it "
                "is run alone. Features are on the last axis: write `h @ self.W.T` for `self.W @ h`, "
                "`a[..., :, None] * b[..., None, :]` for np.outer(a, b), and give every reduction axis=-1"
            )
