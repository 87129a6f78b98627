"""What a model is trained on: sequences as one padded batch, however they were given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.data.request import SequenceData
from nanolstm.errors import InputError
from nanolstm.inputs import check_inputs, numbers
from nanolstm.language.functions import Array

if TYPE_CHECKING:
    from nanolstm.losses import Loss
    from nanolstm.sequence import Sequence

_FORMS = (
    "expected (x, target), a dict of x, target and whatever else value_and_grad takes of data (lengths, resets, "
    "feeds), or SequenceData"
)


@attrs.frozen
class Piece:
    """What one training step is on: some of the examples, and some of their time steps.

    `begin` is one step for all, or one for each row; `fresh` says that states start anew, and do not go on from those
    at which the piece before ended.
    """

    rows: Array | slice
    begin: int | Array
    length: int
    fresh: bool = True


@attrs.frozen(eq=False, kw_only=True)
class Examples:
    """Sequences that have passed every check, batch first.

    Attributes:
        x: (B, T, M).
        target: (B, T, ...), or with one for each sequence (B, ...).
        lengths: (B,); None where all have T steps.
        resets: (B, T) bool or None.
        feeds: by name, (B, T) or (B, T, size).
        whole: whether there is one target for each sequence.
    """

    x: Array
    target: Array
    lengths: Array | None = None
    resets: Array | None = None
    feeds: Mapping[str, Array] = attrs.field(factory=dict)
    whole: bool = False

    @property
    def count(self) -> int:
        """How many sequences there are, B."""
        return len(self.x)

    @property
    def time(self) -> int:
        """The steps T of the longest."""
        return int(self.x.shape[1])

    @property
    def ends(self) -> Array:
        """How long each is."""
        return np.full(self.count, self.time) if self.lengths is None else self.lengths

    def longest(self, rows: Array | slice) -> int:
        """How many steps the longest of some sequences has."""
        return self.time if self.lengths is None else int(self.lengths[rows].max())

    def chosen(self, rows: slice) -> Examples:
        """Some of the sequences."""
        return self._map(lambda array: array[rows], lambda array: array[rows])

    def cut(self, steps: slice) -> Examples:
        """Some of the time steps, of sequences that are all equally long."""
        return self._map(lambda array: array[:, steps], lambda array: array)

    def take(self, piece: Piece, *, last: bool = False) -> tuple[Array, Array, dict[str, Any]]:
        """x, target and whatever else a call takes, of one piece: views where they can be.

        With `last` the target is that of each piece's last step.
        """
        begin, length = piece.begin, piece.length
        where: Any = (piece.rows, slice(begin, begin + length))
        if not isinstance(begin, int):
            where = (np.asarray(piece.rows)[:, None], begin[:, None] + np.arange(length))
        more: dict[str, Any] = {name: feed[where] for name, feed in self.feeds.items()}
        if self.resets is not None:
            more["resets"] = self.resets[where]
        if self.lengths is not None:
            ends = self.lengths[piece.rows]
            if (ends < length).any():
                more["lengths"] = ends
        target = self.target[piece.rows] if self.whole else self.target[where]
        return self.x[where], target[:, -1] if last and not self.whole else target, more

    def _map(self, of_steps: Any, of_sequences: Any) -> Examples:
        return attrs.evolve(
            self,
            x=of_steps(self.x),
            target=(of_sequences if self.whole else of_steps)(self.target),
            lengths=None if self.lengths is None else of_sequences(self.lengths),
            resets=None if self.resets is None else of_steps(self.resets),
            feeds={name: of_steps(feed) for name, feed in self.feeds.items()},
        )


def examples(model: Sequence, data: Any, loss: Loss, name: str = "data", *, whole: bool) -> Examples:
    """What `data` holds, as arrays of the model's dtype; lists of sequences of unequal length are padded.

    `whole` says that there is one target for each sequence, and not one for each step.

    Raises:
        InputError: another form, or something in it that the model or the loss cannot take.
    """
    given = by_name(data, name)
    x, target = given.pop("x"), given.pop("target")
    lengths, resets = given.pop("lengths", None), given.pop("resets", None)
    if isinstance(x, list | tuple) and len(x) and all(np.ndim(row) == 2 for row in x):
        if lengths is not None:
            raise InputError(f"{name}: a list of sequences has its lengths by itself; leave lengths= out")
        ends = np.array([len(row) for row in x])
        x = _padded(x, ends, "x")
        target = target if whole else _padded(target, ends, "target")
        resets = None if resets is None else _padded(resets, ends, "resets")
        given = {key: _padded(feed, ends, key) for key, feed in given.items()}
        lengths = None if (ends == ends[0]).all() else ends
    x, target = numbers(x, "x", model.dtype), numbers(target, "target", None)
    if x.ndim == 2:
        x, target = x[None], target[None]
        resets = None if resets is None else np.asarray(resets)[None]
        given = {key: np.asarray(feed)[None] if np.ndim(feed) else feed for key, feed in given.items()}
    checked = check_inputs(
        x, model.inputs, model.dtype, lengths=lengths, resets=resets, feeds=given, known_feeds=model.feeds()
    )
    if not loss.classes or target.dtype.kind == "f":
        target = target.astype(model.dtype, copy=False)
    _check_target(target, checked.valid, x.shape[:2], name, whole=whole)
    return Examples(
        x=x,
        target=target,
        lengths=None if checked.valid is None else checked.lengths,
        resets=None if checked.resets is None else np.swapaxes(checked.resets, 0, 1),
        feeds={key: np.swapaxes(feed, 0, 1) for key, feed in checked.feeds.items()},
        whole=whole,
    )


def by_name(data: Any, name: str = "data") -> dict[str, Any]:
    """The parts of `data`, as they were given, by the names that `value_and_grad` has for them.

    Raises:
        InputError: it has none of the forms.
    """
    if isinstance(data, SequenceData):
        return {"x": data.x, "target": data.y, "lengths": data.lengths}
    if isinstance(data, tuple) and len(data) == 2:
        return {"x": data[0], "target": data[1]}
    if isinstance(data, Mapping) and {"x", "target"} <= data.keys():
        return dict(data)
    what = f"a dict of {', '.join(map(str, data))}" if isinstance(data, Mapping) else f"a {type(data).__name__}"
    if isinstance(data, tuple | list):
        what += f" of {len(data)}"
    raise InputError(f"{name} is {what}; {_FORMS}")


def _padded(rows: Any, ends: Array, name: str) -> Array:
    """Sequences of the lengths `ends` as one array, (B, T, ...), with zeros beyond them."""
    if not isinstance(rows, list | tuple) or len(rows) != len(ends):
        raise InputError(
            f"{name}: expected a list of {len(ends)} arrays, one for each sequence of x"
            + ('; for one target for each sequence say steps="last"' if name == "target" else "")
        )
    arrays = [np.asarray(row) for row in rows]
    for i, (array, end) in enumerate(zip(arrays, ends, strict=True)):
        if array.ndim == 0 or len(array) != end or array.shape[1:] != arrays[0].shape[1:]:
            raise InputError(
                f"{name}[{i}] has shape {array.shape}; expected {(int(end), *arrays[0].shape[1:])}: {end} time steps, "
                f"as x[{i}] has, of the width of {name}[0]"
            )
    whole = np.zeros((len(ends), ends.max(), *arrays[0].shape[1:]), np.result_type(*arrays))
    for row, array in zip(whole, arrays, strict=True):
        row[: len(array)] = array
    return whole


def _check_target(target: Array, valid: Array | None, shape: tuple[int, ...], name: str, *, whole: bool) -> None:
    wanted = shape[:1] if whole else shape
    if target.shape[: len(wanted)] != wanted:
        raise InputError(
            f"{name}: the target has shape {target.shape}; expected {wanted} and the outputs, one for each "
            + ("sequence" if whole else 'time step (for one for each sequence say steps="last")')
        )
    if target.dtype.kind == "f":
        counted = target if whole or valid is None else target[valid.T]
        if not (finite := np.isfinite(counted)).all():
            raise InputError(
                f"{name}: the target has {(~finite).sum()} values of {counted.size} that are not finite; fill or drop "
                "them first"
            )
