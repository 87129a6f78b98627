"""One cell over time, step by step, in NumPy: the reference that every faster way of running must agree with."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from nanolstm.errors import NanolstmError
from nanolstm.language.cell import Cell
from nanolstm.language.dropout import step_of, watched_step
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource
from nanolstm.language.mixing import Comparing
from nanolstm.language.probing import refuse_mixed_examples
from nanolstm.language.stepping import check_result, read_only, shapes_of_one, start_states, told_where
from nanolstm.recording import Tape
from nanolstm.traced import programs_of, watch_of


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
    starts: Mapping[str, Array],
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
        starts: states that start elsewhere than declared, each of the shape of one example.
        initial: first states by name, each (*batch, ...); those that are left out begin where they start.
        feeds: every feed of the cell by name, (T, *batch, size).
        valid: (T, *batch) bool, False beyond a sequence's length: there the output is 0 and the state stands still.
        resets: (T, *batch) bool: the state is set back to its start before that step.
        rng: draws the noise masks; without it each is its mean.
        record: whether to take down gates, states and local variables.
    """
    steps, batch = len(x), x.shape[1:-1]
    x, feeds = read_only(x), {name: read_only(value) for name, value in feeds.items()}
    comparing = comparing_of(cell) if batch else None
    tape, step = Tape(type(cell).__name__), step_of(cell)
    reading = cell.reading(tell=tape.tell if record else None)
    untold = cell.reading() if record and comparing is not None else reading
    start = start_states(reading, batch)  # a start may be a parameter, read as the step reads it
    start |= {name: np.broadcast_to(value, start[name].shape) for name, value in starts.items()}
    state = start | dict(initial)
    noises = draw_noises(cell, steps, batch, rng)
    outputs = np.zeros((steps, *batch, cell.outputs), cell.dtype)
    for t in range(steps):
        if resets is not None and resets[t].any():
            state = {name: _where(resets[t], start[name], value) for name, value in state.items()}
        state = {name: read_only(value) for name, value in state.items()}
        given = {**state, **{n: f[t] for n, f in feeds.items()}, **{n: m[t] for n, m in noises.items()}}
        arguments = {name: given[name] for name in cell.anatomy.arguments}
        with told_where(cell, t):
            if record:
                tape.open()
                result, found = watched_step(reading, x[t], arguments)
                y, new = check_result(cell, x[t], result)
                tape.close(new, found)
            else:
                y, new = check_result(cell, x[t], step(reading, x[t], *arguments.values()))
            if comparing is not None:
                rows = None if valid is None else valid[t]
                comparing.compare(untold, x[t], list(arguments.values()), (y, new), steps, rows)
        if valid is not None and not valid[t].all():
            new = {name: _where(valid[t], value, state[name]) for name, value in new.items()}
            y = _where(valid[t], y, np.zeros_like(y))
        state = new
        outputs[t] = y
    if comparing is not None:
        comparing.known.add(*batch)
    recorded = tape.lay_out(batch, *shapes_of_one(cell)) if record else {}
    if valid is not None:
        recorded = {name: _where(valid, value, np.zeros_like(value)) for name, value in recorded.items()}
    # Copies, since a step may hand on what it was given, and nothing returned may be the caller's own array.
    return Run(outputs, {name: np.array(value) for name, value in state.items()}, recorded)


def comparing_of(cell: Cell) -> Comparing | None:
    """What compares the sequences of batches of `cell` while it runs; None of a step that was traced.

    A trace has no place for a batch: whatever looks at it or reduces over it is refused. So a step that can be traced
    keeps sequences apart, whatever their values are, and of all others that is to be seen.

    Raises:
        CellError: the step does not keep them apart, cannot take a batch, or gives other numbers each time.
    """
    comparing: Comparing | None = cell.__dict__.get("_comparing")
    if comparing is not None:
        return comparing
    tried = "_examples_are_separate" in cell.__dict__
    if tried and _is_as_it_was_traced(cell):
        return None
    traced = True
    try:
        programs_of(cell)
    except NanolstmError:
        traced = False
    if not tried:
        refuse_mixed_examples(cell, thoroughly=not traced)
        cell.__dict__["_examples_are_separate"] = True
    if not traced or watch_of(cell) is None:  # what cannot be watched may be another step the next time
        comparing = cell.__dict__["_comparing"] = Comparing()
    return comparing


def _is_as_it_was_traced(cell: Cell) -> bool:
    watch = watch_of(cell)
    return watch is not None and watch.unchanged()


def _where(condition: Array, this: Array, that: Array) -> Array:
    """Choose per example. Never by multiplying with a mask: 0 * -inf is NaN."""
    return np.where(condition.reshape(condition.shape + (1,) * (this.ndim - condition.ndim)), this, that)


def draw_noises(cell: Cell, steps: int, batch: tuple[int, ...], rng: RandomSource | None) -> dict[str, Array]:
    """The random masks of `cell` by name, (T, *batch, size): drawn from `rng`, or each its mean."""
    masks = {}
    for name, part in cell.anatomy.noises.items():
        shape = (steps, *batch, part.size)
        if rng is None:
            mask = np.broadcast_to(np.asarray(part.mean, cell.dtype), shape)
        else:
            drawn = rng.random(shape if part.per == "step" else shape[1:]) < part.p
            mask = np.broadcast_to(drawn.astype(cell.dtype) * cell.dtype.type(part.one), shape)
        masks[name] = mask
    return masks
