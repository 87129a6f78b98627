"""A training step that a model did, done again: as long as only the numbers of x, feeds and target are others.

Everything that a call says is looked at once. After that it is only asked whether all of it is still the same objects,
which for a tiny model takes less time than its kernels do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import attrs
import numpy as np

from nanolstm.compile.backend import chosen
from nanolstm.gradient.batch import Batch
from nanolstm.gradient.bound import BoundModel
from nanolstm.graph.unchanged import Watch
from nanolstm.inputs import x_and_feeds
from nanolstm.kernels.threads import get_num_threads
from nanolstm.language.functions import Array
from nanolstm.language.parameters import Parameters
from nanolstm.losses import Loss
from nanolstm.losses import loss as find_loss
from nanolstm.traced import watch_of, watch_of_loss

if TYPE_CHECKING:
    from nanolstm.gradient.rows import Rows
    from nanolstm.sequence import Sequence


@attrs.frozen(eq=False)
class Again:
    """A training step on x, feeds and a target alone.

    Attributes:
        dtype: of x and the target, which is the model's.
        target: the shape of the target.
        asked: the loss as it was asked for, which is not kept alive.
        found: what that was, if it was a name.
        layout: of the rows.
        given: the shapes of the feeds that came, by name.
        feeds: those that did not come, as a run takes them.
        parameters: of each part, and where its numbers stood.
        watches: what the parts and the loss were traced from, as long as that is the last that they were traced from.
        threads: on how many it ran.
        free: bound models that nobody uses.
    """

    dtype: np.dtype[Any]
    target: tuple[int, ...]
    asked: str | ref[Callable[..., Any]]
    found: Loss | None
    layout: Rows
    given: Mapping[str, tuple[int, ...]]
    feeds: Mapping[str, Array]
    parameters: list[tuple[Parameters, Array]]
    watches: list[ref[Watch]]
    threads: int
    free: list[BoundModel]

    def is_asked_for(self, x: Any, target: Any, loss: Any, feeds: Mapping[str, Any]) -> bool:
        """Whether a call is like this one was."""
        return (
            type(target) is np.ndarray
            and target.shape == self.target
            and x.dtype is target.dtype is self.dtype
            and len(feeds) == len(self.given)
            and all(self._is_feed(name, value) for name, value in feeds.items())
            and self._is_loss(loss)
        )

    def _is_feed(self, name: str, value: Any) -> bool:
        return type(value) is np.ndarray and value.shape == self.given.get(name) and value.dtype is self.dtype

    def _is_loss(self, loss: Any) -> bool:
        if isinstance(loss, str):
            return find_loss(loss) is self.found
        if isinstance(loss, Loss) and loss.parameters:
            return False
        return not isinstance(self.asked, str) and self.asked() is loss

    def holds(self, backend: str) -> bool:
        """Whether it would be done in the same way now."""
        for parameters, flat in self.parameters:
            if parameters.flat is not flat:
                return False
        for reference in self.watches:
            watch = reference()
            if watch is None or not watch.unchanged():
                return False
        return get_num_threads() == self.threads and chosen(backend) != "numpy"


_SHAPES = 8
"""For how many shapes of x steps are remembered."""

_steps: WeakKeyDictionary[Sequence, dict[tuple[int, ...], Again]] = WeakKeyDictionary()


def again(
    model: Sequence, x: Any, target: Any, loss: Any, feeds: Mapping[str, Any]
) -> tuple[float, dict[str, Array]] | None:
    """The loss and the gradient by the parameters, if the model did such a training step before.

    Raises:
        InputError: a value of x or of a feed is not finite.
    """
    steps = _steps.get(model)
    known = steps.get(x.shape) if steps and type(x) is np.ndarray else None
    if known is None or not known.is_asked_for(x, target, loss, feeds):
        return None
    if not known.holds(model.backend):
        return None
    try:
        bound = known.free.pop()
    except IndexError:  # another thread uses it
        return None
    inputs = x_and_feeds(x, feeds, known.feeds)
    bound.run(model, Batch(inputs, {}, known.layout, frozenset(), bool(feeds), None, None), target)
    answer = bound.value(), bound.back()
    bound.give_back()
    return answer


def remember(
    model: Sequence, bound: BoundModel, batch: Batch, function: Loss, target: Any, loss: Any, feeds: Mapping[str, Any]
) -> None:
    """Remember such a training step that was just done, if everything that was found out for it can be watched."""
    if bound.loss is None or any(np.ndim(value) == 0 for value in feeds.values()):
        return
    shape = (*batch.inputs.batch, batch.layout.time, model.outputs)
    watches = [watch_of_loss(function, model.outputs, model.dtype), *(watch_of(part.cell) for part in model.parts())]
    if None in watches or not function.takes_as_it_is(shape, model.dtype, target):
        return
    try:
        asked = loss if isinstance(loss, str) else ref(loss)
    except TypeError:  # there is no weak reference to it
        return
    steps = _steps.setdefault(model, {})
    if len(steps) == _SHAPES:
        steps.clear()
    steps[*shape[:-1], model.inputs] = Again(
        dtype=target.dtype,
        target=shape,
        asked=asked,
        found=function if isinstance(loss, str) else None,
        layout=batch.layout,
        given={name: np.shape(value) for name, value in feeds.items()},
        feeds={name: value for name, value in batch.inputs.feeds.items() if name not in feeds},
        parameters=[(part.cell.parameters, part.cell.parameters.flat) for part in model.parts()],
        watches=[ref(watch) for watch in watches if watch is not None],
        threads=get_num_threads(),
        free=bound.home,
    )
