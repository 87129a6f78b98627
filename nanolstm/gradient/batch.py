"""What a model is derived on: a batch that has passed every check, and the layout of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
import numpy as np

from nanolstm.compile.memory import Memory, memory_of
from nanolstm.errors import InputError
from nanolstm.gradient.rows import Rows, rows_of, slices_of
from nanolstm.inputs import Inputs, check_initial, check_inputs, numbers, x_and_feeds
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource, random_source

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence


@attrs.define(eq=False)
class Batch:
    """What a model is run on, checked, and the layout of its rows.

    `memory` is where work arrays come from, if others used them before. `bare` are the feeds of width 1 that came
    without an axis for it; `fed` says whether any feed came, or all are their defaults.
    """

    inputs: Inputs
    initial: Mapping[str, Array]
    layout: Rows
    bare: frozenset[str]
    fed: bool
    rng: RandomSource | None
    truncate: int | None
    memory: Memory | None = None

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


@attrs.frozen
class _Shape:
    """What calls have in common that bring nothing but an x of one shape."""

    feeds: Mapping[str, Array]
    layout: Rows
    bare: frozenset[str]


_SHAPES = 8
"""Of how many shapes that is kept."""

_shapes: WeakKeyDictionary[Sequence, dict[tuple[int, ...], _Shape]] = WeakKeyDictionary()


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
    *,
    look: bool = True,
) -> Batch:
    """Check everything that comes with a call; without `look` all but the values of x and the feeds.

    Raises:
        InputError: see [`Sequence`][nanolstm.Sequence]; or `truncate` or `checkpoint_every` is no number of steps.
    """
    x = numbers(x, "x", model.dtype)
    alone = lengths is None and resets is None and initial is None and rng is None and not feeds
    alone = alone and truncate is None and checkpoint_every is None
    known = _shapes.setdefault(model, {}) if alone else {}
    if (shape := known.get(x.shape)) is not None:
        inputs = x_and_feeds(x, {}, shape.feeds)
        if look:
            inputs.look()
        return Batch(inputs, {}, shape.layout, shape.bare, False, None, None)
    given = check_inputs(
        x, model.inputs, model.dtype, lengths=lengths, resets=resets, feeds=feeds, known_feeds=model.feeds(), look=look
    )
    for name, steps in (("truncate", truncate), ("checkpoint_every", checkpoint_every)):
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1):
            raise InputError(f"{name}={steps!r}: expected a number of time steps from 1 on, or None")
    time, batch = len(given.x), given.batch[0] if given.batch else 1
    slices = slices_of(batch, time * batch * model.work, model.size * model.dtype.itemsize)
    piece = None if checkpoint_every is None or checkpoint_every >= time else checkpoint_every
    layout = rows_of(time, batch, given.lengths if given.valid is not None else None, slices, piece)
    bare = frozenset(
        name for name, feed in model.feeds().items() if feed.size == 1 and _rank(feeds.get(name)) < given.x.ndim
    )
    if alone:
        if len(known) == _SHAPES:
            known.clear()
        known[x.shape] = _Shape(given.feeds, layout, bare)
    return Batch(
        given,
        check_initial(initial, model.states(), given.batch, model.dtype),
        layout,
        bare,
        bool(feeds),
        None if rng is None else random_source(rng),
        truncate,
    )


def _rank(value: Any) -> int:
    return np.ndim(value) if value is not None else 0
