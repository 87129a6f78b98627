"""What the members of an ensemble are given: the same for all, or for each its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import InputError
from nanolstm.language.functions import Array
from nanolstm.train.examples import Examples, Piece, by_name, examples

if TYPE_CHECKING:
    from nanolstm.losses import Loss
    from nanolstm.sequence import Sequence


@attrs.frozen(eq=False)
class Given:
    """A batch of all members.

    Attributes:
        x: (B, T, M), or of each member its own, (members, B, T, M).
        target: what belongs to it; None where nothing is compared.
        more: what else a call takes: `lengths` and `resets`, the same for all, and feeds as x is.
        own: whether each member has its own.
    """

    x: Array
    target: Array | None
    more: Mapping[str, Any]
    own: bool

    @property
    def shared(self) -> bool:
        """Whether all that comes beside x is the same for all."""
        return not self.own or not self._feeds

    @property
    def _feeds(self) -> set[str]:
        return self.more.keys() - {"lengths", "resets"}

    def of(self, member: int) -> tuple[Array, Any, dict[str, Any]]:
        """What one member is given: x, target, and what else a call takes."""
        if not self.own:
            return self.x, self.target, dict(self.more)
        more = {name: value[member] if name in self._feeds else value for name, value in self.more.items()}
        return self.x[member], None if self.target is None else self.target[member], more

    def of_some(self, members: Any) -> Given:
        """What some members are given."""
        if not self.own:
            return self
        more = {name: value[members] if name in self._feeds else value for name, value in self.more.items()}
        return Given(self.x[members], None if self.target is None else self.target[members], more, own=True)


@attrs.frozen(eq=False, kw_only=True)
class OwnExamples(Examples):
    """Examples of which each member has its own: x (B, T, members, M), target and feeds alike."""


def taken(given: Examples, piece: Piece, *, last: bool) -> Given:
    """One piece of the examples."""
    x, target, more = given.take(piece, last=last)
    if not isinstance(given, OwnExamples):
        return Given(x, target, more, own=False)
    axis = 1 if last or given.whole else 2
    feeds = {name: np.moveaxis(more[name], 2, 0) for name in given.feeds}
    return Given(np.moveaxis(x, 2, 0), np.moveaxis(target, axis, 0), {**more, **feeds}, own=True)


def member_examples(
    models: tuple[Sequence, ...], data: Any, loss: Loss, name: str = "data", *, whole: bool
) -> Examples:
    """What `data` holds for members of one shape.

    Args:
        models: the members.
        data: in the forms of [`fit`][nanolstm.fit]; or of each member its own: a list with one of these for each, or
            arrays with an axis for the members before all others.
        loss: as for `examples`.
        name: of the data, in errors.
        whole: as for `examples`.

    Raises:
        InputError: as for `examples`; data of another number of members, or of other shapes or lengths.
    """
    each = _each(models, data, name)
    if each is None:
        return examples(models[0], data, loss, name, whole=whole)
    found = [examples(models[0], one, loss, f"{name} of member {i}", whole=whole) for i, one in enumerate(each)]
    first = found[0]
    for i, other in enumerate(found):
        if other.x.shape != first.x.shape or other.target.shape != first.target.shape:
            raise InputError(
                f"{name}: member {i} has x {other.x.shape} and target {other.target.shape}, and member 0 has "
                f"{first.x.shape} and {first.target.shape}; all have equally many sequences and steps"
            )
        for what in ("lengths", "resets"):
            if not np.array_equal(getattr(other, what), getattr(first, what)):
                raise InputError(
                    f"{name}: the {what} of member {i} differ from those of member 0; they must be the same"
                )
    axis = 1 if whole else 2
    return OwnExamples(
        x=np.stack([one.x for one in found], axis=2),
        target=np.stack([one.target for one in found], axis=axis),
        lengths=first.lengths,
        resets=first.resets,
        feeds={key: np.stack([one.feeds[key] for one in found], axis=2) for key in first.feeds},
        whole=whole,
    )


def _each(models: tuple[Sequence, ...], data: Any, name: str) -> list[Any] | None:
    """The data of each member; None where it is the same for all."""
    if isinstance(data, list):
        if len(data) != len(models):
            raise InputError(f"{name}: a list of {len(data)} for {len(models)} members; expected one for each")
        return data
    parts = by_name(data, name)
    if np.ndim(parts["x"]) != 4 if isinstance(parts["x"], np.ndarray) else True:
        return None
    own = {key: value for key, value in parts.items() if key not in ("lengths", "resets") and value is not None}
    for key, value in own.items():
        if np.ndim(value) and len(value) != len(models):
            raise InputError(
                f"{name}: {key} has shape {np.shape(value)}; x has an axis for the members before all others, so this "
                f"has one too, of {len(models)}"
            )
    same = {key: parts[key] for key in ("lengths", "resets") if parts.get(key) is not None}
    return [{key: v[i] if np.ndim(v) else v for key, v in own.items()} | same for i in range(len(models))]
