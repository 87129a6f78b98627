"""Scores from all predictions at once: an average over batches would be another number for most losses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs
import numpy as np

from nanolstm.errors import InputError
from nanolstm.gradient.model import Scored
from nanolstm.language.functions import Array
from nanolstm.losses import Loss
from nanolstm.train.batching import Ordered
from nanolstm.train.examples import Examples, Piece

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence


@attrs.define(eq=False)
class Predictions:
    """The predictions of several calls, and their targets: (n, N) and (n, ...), whatever was padded left out."""

    steps: Scored
    predicted: list[Array] = attrs.field(factory=list)
    targets: list[Array] = attrs.field(factory=list)

    def add(self, y: Array, target: Array, lengths: Array | None) -> None:
        """Add y (B, T, N) and its target, with a target for each step or, of the last steps, for each sequence."""
        if self.steps == "last":
            ends = y.shape[1] if lengths is None else lengths
            predicted = y[np.arange(len(y)), ends - 1]
        elif lengths is None:
            predicted, target = y.reshape(-1, y.shape[-1]), target.reshape(-1, *target.shape[2:])
        else:
            valid = np.arange(y.shape[1]) < lengths[:, None]
            predicted, target = y[valid], target[valid]
        self.predicted.append(predicted)
        self.targets.append(target)

    def joined(self) -> tuple[Array, Array]:
        """All of them."""
        return np.concatenate(self.predicted), np.concatenate(self.targets)

    def scores(self, loss: Loss | None, metrics: Iterable[Loss], prefix: str = "") -> dict[str, float]:
        """The loss of all predictions, as "loss", and each metric by its name."""
        predicted, targets = self.joined()
        measures = {"loss": loss} if loss is not None else {}
        measures |= {str(metric): metric for metric in metrics}
        # Once numbers have run away, what is measured of them overflows: that is told by the number, not by a warning.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return {f"{prefix}{name}": measure(predicted, targets) for name, measure in measures.items()}


@attrs.frozen(eq=False)
class Held:
    """What a model is validated on: `pieces` of examples, their steps from `begin` on."""

    examples: Examples
    pieces: list[Piece]
    begin: int = 0

    def predictions(self, model: Sequence, steps: Scored) -> Predictions:
        """What the model says."""
        found = Predictions(steps)
        for piece in self.pieces:
            x, target, more = self.examples.take(piece, last=steps == "last")
            with np.errstate(over="ignore", invalid="ignore"):  # told by the scores
                y = model(x, **more)
            if self.begin:
                y, target = y[:, self.begin :], target[:, self.begin :]
            found.add(y, target, more.get("lengths"))
        return found


def split(examples: Examples, share: float, batching: Ordered, size: int) -> tuple[Examples, Held]:
    """What is trained on, and the `share` at the end that is held back for validation.

    That is of the sequences; where the time steps are cut, or there is one sequence, it is of the time steps, and the
    model runs through those before, to be in the state in which it will be used. (Windows begin from the first state in
    training, and so they do here.) Scores are taken of `size` sequences or windows at a time.

    Raises:
        InputError: `share` is none, or nothing is left on one side.
    """
    if isinstance(share, bool) or not isinstance(share, float) or not 0 < share < 1:
        raise InputError(
            f"validation={share!r}: expected a share between 0 and 1, such as 0.2 for the last fifth, or data in one "
            "of the forms that data has"
        )
    in_time = batching.over_time or (examples.count == 1 and not examples.whole)
    if in_time and examples.lengths is not None:
        raise InputError(
            f"validation={share}: series of unequal length have no common end to split off; give validation data"
        )
    count = examples.time if in_time else examples.count
    border = count - max(1, round(share * count))
    if border < 1:
        raise InputError(f"validation={share}: of {count} {'time steps' if in_time else 'sequences'} nothing is left")
    if not in_time:
        return examples.chosen(slice(border)), held(examples.chosen(slice(border, None)), batching, size)
    train = examples.cut(slice(border))
    if batching.over_time and not batching.carries:
        return train, held(examples.cut(slice(border, None)), batching, size)
    return train, Held(examples, list(Ordered().in_order(examples, size)), border)


def held(examples: Examples, batching: Ordered, size: int) -> Held:
    """Validation data that was given as such."""
    return Held(examples, list(batching.in_order(examples, size)))
