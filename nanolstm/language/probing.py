"""Trying a step out: whether it keeps the examples of a batch apart, and reads all its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.dropout import step_of
from nanolstm.language.functions import Array
from nanolstm.language.stepping import check_result, read_only, start_states

if TYPE_CHECKING:
    from nanolstm.language.cell import Cell


def refuse_mixed_examples(cell: Cell) -> None:
    """Take one step of a batch and of some of its examples alone, from random states, and compare.

    The batch is as long as the hidden size, for that is where `W @ h` and `np.outer` have valid shapes and wrong
    results; a step that fails there and nowhere else is wrong as well.

    Raises:
        CellError: the two differ, or the step cannot take a batch; the text says what to write instead.
    """
    size = cell.hidden if 2 <= cell.hidden <= 16 else 2  # beyond, two examples: W @ h has no valid shape there
    name, rng = type(cell).__name__, np.random.default_rng(0)
    # Not the cell's own numbers: with zeros, the identity or anything symmetric `W @ h` would pass, until trained.
    own = {**cell.parameters, **cell.frozen}
    twin = cell.reading({key: v + rng.normal(0.0, 0.1, v.shape).astype(v.dtype) for key, v in own.items()})
    with np.errstate(all="ignore"):
        x, arguments = _random_step(twin, size)
        alone = [_step(twin, x[b], [value[b] for value in arguments]) for b in range(size)]
        again = _step(twin, x[0], [value[0] for value in arguments])
        if any(not np.array_equal(again[what], value, equal_nan=True) for what, value in alone[0].items()):
            raise CellError(
                f"{name}.step gives other numbers each time that it is run; what is random in a step is declared: "
                "`mask: Array = noise(p)`, an argument of step"
            )
        try:
            together = _step(twin, x, arguments)
        except Exception as error:
            raise CellError(f"{name}.step takes one example and fails for a batch: {error}. {_HINT}") from error
        tolerance = 1e-3 if cell.dtype == np.float32 else 1e-8
        for b, example in enumerate(alone):
            for what, value in example.items():
                if not np.allclose(together[what][b], value, rtol=tolerance, atol=tolerance, equal_nan=True):
                    raise CellError(
                        f"{name}.step mixes the examples of a batch: {what} of an example differs when it is run "
                        f"alone. {_HINT}"
                    )


_HINT = (
    "Features are on the last axis: write `h @ self.W.T` for `self.W @ h`, `a[..., :, None] * b[..., None, :]` for "
    "np.outer(a, b), and give every reduction axis=-1"
)


def unread_parameters(cell: Cell) -> list[str]:
    """The keys of the parameters without influence: nothing changes when they become NaN, and no state starts there."""
    x, arguments = _random_step(cell, 2)
    values = {**cell.parameters, **cell.frozen}
    starts = {part.start for part in cell.anatomy.states.values() if isinstance(part.start, str)}
    with np.errstate(all="ignore"):
        usual = _step(cell.reading(), x, arguments)
        unread = []
        for key, value in ((key, value) for key, value in values.items() if key not in starts):
            other = _step(cell.reading({**values, key: np.full_like(value, np.nan)}), x, arguments)
            if all(np.array_equal(other[what], usual[what], equal_nan=True) for what in usual):
                unread.append(key)
    return unread


def _random_step(cell: Cell, size: int) -> tuple[Array, list[Array]]:
    """An x (size, M), drawn at random and the same each time, and the arguments of `step` after it.

    The states are those that each example comes to alone after two steps, so that they are such as the step itself
    makes: a count is a count.
    """
    rng, part = np.random.default_rng(0), cell.anatomy
    x = rng.uniform(-1, 1, (3, size, cell.inputs)).astype(cell.dtype)
    # Feeds are times and such: positive. Masks are at their mean, as they are outside of training.
    others = {n: rng.uniform(0.5, 1.5, (size, f.size)).astype(cell.dtype) for n, f in part.feeds.items()}
    others |= {n: np.full((size, m.size), m.mean, cell.dtype) for n, m in part.noises.items()}
    examples = []
    for b in range(size):
        states = start_states(cell)
        for t in range(2):
            given = {**states, **{n: value[b] for n, value in others.items()}}
            y = _step(cell, x[t, b], [given[n] for n in part.arguments])
            states = {n: y[f"state {n!r}"] for n in states}
        examples.append(states)
    given = {n: np.stack([states[n] for states in examples]) for n in part.states} | others
    return x[2], [given[n] for n in part.arguments]


def _step(cell: Cell, x: Array, arguments: list[Any]) -> dict[str, Array]:
    y, states = check_result(cell, x, step_of(cell)(cell, read_only(x), *map(read_only, arguments)))
    return {"the output": y, **{f"state {name!r}": value for name, value in states.items()}}
