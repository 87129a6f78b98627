"""Trying a step out: whether it keeps the examples of a batch apart, and reads all its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.functions import Array
from nanolstm.language.stepping import check_result, read_only

if TYPE_CHECKING:
    from nanolstm.language.cell import Cell


def refuse_mixed_examples(cell: Cell) -> None:
    """Take one step of a batch and of some of its examples alone, from random states, and compare.

    The batch is as long as the hidden size, for that is where `W @ h` and `np.outer` have valid shapes and wrong
    results; a step that fails there and nowhere else is wrong as well.

    Raises:
        CellError: the two differ, or the step cannot take a batch; the text says what to write instead.
    """
    size = max(2, cell.hidden)
    x, arguments = _random_step(cell, size)
    name, twin = type(cell).__name__, cell._reading()
    with np.errstate(all="ignore"):
        try:
            together = _step(twin, x, arguments)
        except Exception as error:
            raise CellError(f"{name}.step takes one example and fails for a batch: {error}. {_HINT}") from error
        for b in (0, size - 1):
            alone = _step(twin, x[b], [value[b] for value in arguments])
            for what, value in alone.items():
                tolerance = 1e-3 if cell.dtype == np.float32 else 1e-8
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
    """The keys of the parameters that have no influence on a step: nothing changes when they become NaN."""
    x, arguments = _random_step(cell, 2)
    values = {**cell.parameters, **cell.frozen}
    with np.errstate(all="ignore"):
        usual = _step(cell._reading(), x, arguments)
        unread = []
        for key, value in values.items():
            other = _step(cell._reading({**values, key: np.full_like(value, np.nan)}), x, arguments)
            if all(np.array_equal(other[what], usual[what], equal_nan=True) for what in usual):
                unread.append(key)
    return unread


def _random_step(cell: Cell, size: int) -> tuple[Array, list[Array]]:
    """An x (size, M) and the arguments of `step` after it, drawn at random, the same each time."""
    rng, part = np.random.default_rng(0), cell.anatomy
    x = rng.uniform(-1, 1, (size, cell.inputs))
    given: dict[str, Array] = {n: rng.uniform(-1, 1, (size, *s.shape)) for n, s in part.states.items()}
    # Feeds are times and such: positive. Masks are at their mean, as they are outside of training.
    given |= {n: rng.uniform(0.5, 1.5, (size, f.size)) for n, f in part.feeds.items()}
    given |= {n: np.full((size, m.size), m.p) for n, m in part.noises.items()}
    return x.astype(cell.dtype), [given[n].astype(cell.dtype) for n in part.arguments]


def _step(cell: Cell, x: Array, arguments: list[Any]) -> dict[str, Array]:
    y, states = check_result(cell, x, cell.step(read_only(x), *map(read_only, arguments)))
    return {"the output": y, **{f"state {name!r}": value for name, value in states.items()}}
