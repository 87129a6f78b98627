"""What a model is derived on: a batch that has passed every check, and the layout of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.compile.backend import chosen
from nanolstm.compile.memory import Memory, memory_of
from nanolstm.errors import InputError
from nanolstm.gradient.rows import Rows, rows_of, slices_of
from nanolstm.inputs import Inputs, check_initial, check_inputs
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource, random_source

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence


@attrs.frozen(eq=False)
class Batch:
    """What a model is run on, checked, and the layout of its rows.

    `memory` is where work arrays come from. `bare` are the feeds of width 1 that came without an axis for it.
    """

    inputs: Inputs
    initial: Mapping[str, Array]
    layout: Rows
    bare: frozenset[str]
    rng: RandomSource | None
    truncate: int | None
    memory: Memory = attrs.field(factory=Memory)

    def pack(self, array: Array) -> Array:
        """The rows of an array (T, *batch, ...)."""
        return self.layout.pack(np.swapaxes(array, 0, 1) if self.inputs.batch else array[None])

    def pack_batch_first(self, array: Array) -> Array:
        """The rows of an array, batch first."""
        return self.layout.pack(array if self.inputs.batch else array[None])

    def unpack(self, rows: Array) -> Array:
        """The array, batch first, of rows; the caller's own."""
        array = self.shown(rows)
        return np.array(array, order="C") if self.layout.in_order else array

    def shown(self, rows: Array) -> Array:
        """The array, batch first, of rows that nobody else writes to: perhaps another view of them."""
        array = self.layout.unpack(rows)
        return array if self.inputs.batch else array[0]

    def in_one_slice(self) -> Batch:
        """The same with rows as NumPy takes them."""
        layout = self.layout
        if layout.slices == 1:
            return self
        return attrs.evolve(self, layout=rows_of(layout.time, layout.batch, layout.lengths, 1, layout.piece))


@contextmanager
def in_memory(model: Sequence, batch: Batch) -> Iterator[Batch]:
    """`batch` with work arrays that the model has used before, which are free again at the end."""
    with memory_of(model) as memory:
        yield attrs.evolve(batch, memory=memory)


def check_batch(
    model: Sequence,
    x: Any,
    lengths: Any,
    resets: Any,
    initial: Mapping[str, Any] | None,
    rng: Any,
    truncate: int | None,
    checkpoint_every: int | None,
    feeds: Mapping[str, Any],
) -> Batch:
    """Check everything that comes with a call.

    Raises:
        InputError: see [`Sequence`][nanolstm.Sequence]; or `truncate` or `checkpoint_every` is no number of steps.
    """
    given = check_inputs(
        x, model.inputs, model.dtype, lengths=lengths, resets=resets, feeds=feeds, known_feeds=model.feeds()
    )
    for name, steps in (("truncate", truncate), ("checkpoint_every", checkpoint_every)):
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1):
            raise InputError(f"{name}={steps!r}: expected a number of time steps from 1 on, or None")
    time, batch = len(given.x), given.batch[0] if given.batch else 1
    slices = slices_of(batch, time * batch * model.work, model.size * model.dtype.itemsize)
    if slices > 1 and chosen(model.backend) == "numpy":
        slices = 1
    piece = None if checkpoint_every is None or checkpoint_every >= time else checkpoint_every
    return Batch(
        given,
        check_initial(initial, model.states(), given.batch, model.dtype),
        rows_of(time, batch, given.lengths if given.valid is not None else None, slices, piece),
        frozenset(
            name for name, feed in model.feeds().items() if feed.size == 1 and _rank(feeds.get(name)) < given.x.ndim
        ),
        None if rng is None else random_source(rng),
        truncate,
    )


def _rank(value: Any) -> int:
    return np.ndim(value) if value is not None else 0
