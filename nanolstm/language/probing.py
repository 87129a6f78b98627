"""Whether a step keeps the examples of a batch apart."""

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
    rng, part = np.random.default_rng(0), cell.anatomy
    size = max(2, cell.hidden)
    x = rng.uniform(-1, 1, (size, cell.inputs)).astype(cell.dtype)
    given: dict[str, Array] = {n: rng.uniform(-1, 1, (size, *s.shape)) for n, s in part.states.items()}
    # Feeds are times and such: positive. Masks are at their mean, as they are outside of training.
    given |= {n: rng.uniform(0.5, 1.5, (size, f.size)) for n, f in part.feeds.items()}
    given |= {n: np.full((size, m.size), m.p) for n, m in part.noises.items()}
    arguments = {n: given[n].astype(cell.dtype) for n in part.arguments}
    name, twin = type(cell).__name__, cell._reading()
    with np.errstate(all="ignore"):
        try:
            together = _step(twin, x, list(arguments.values()))
        except Exception as error:
            raise CellError(f"{name}.step takes one example and fails for a batch: {error}. {_HINT}") from error
        for b in (0, size - 1):
            alone = _step(twin, x[b], [value[b] for value in arguments.values()])
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


def _step(cell: Cell, x: Array, arguments: list[Any]) -> dict[str, Array]:
    y, states = check_result(cell, x, cell.step(read_only(x), *map(read_only, arguments)))
    return {"the output": y, **{f"state {name!r}": value for name, value in states.items()}}
