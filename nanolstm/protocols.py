"""How a run is scored: as the notebook did, or honestly; always beside what costs nothing.

`notebook`: every column is scaled over all rows, the score is over the whole run, in scaled units. The scaler has then
seen the future, which is why there is the other one.

`honest`: the scaler sees the training part only, and the score is on the held-out end, in scaled units and in the
data's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
import numpy as np

from nanolstm.data.request import SequenceData
from nanolstm.data.scaling import Scaling
from nanolstm.errors import InputError, nearest
from nanolstm.language.functions import Array
from nanolstm.losses import Loss
from nanolstm.recording import Recording
from nanolstm.sequence import Sequence

if TYPE_CHECKING:
    import pandas as pd

Protocol: TypeAlias = Literal["notebook", "honest"]
PROTOCOLS = ("notebook", "honest")
TRAINING_SHARE = 0.8


@attrs.frozen
class Score:
    """One loss in scaled units and, where it was scored so, in the data's own."""

    scaled: float
    own: float | None = None


@attrs.frozen(eq=False, kw_only=True)
class Evaluation:
    """A run and its scores.

    Attributes:
        protocol: `"notebook"` or `"honest"`.
        scores: by name, `"model"` first, then `"persistence"` (tomorrow equals today) and `"mean"` (of the targets that
            may be known); a baseline is left out where the loss cannot score it.
        scored: how many steps the scores are over.
        held_out: the first scored step; 0 where all are.
        predictions: a frame over the target's times with columns `target` and `prediction` (`prediction 0`, ... where
            there are several), in scaled units; None for sequences without a time index.
        recording: every gate and state of the run.
        times: the index of its inputs, one row before the targets'; None for sequences without a time index.
        trained: whether the model was.
    """

    protocol: Protocol
    scores: Mapping[str, Score]
    scored: int
    held_out: int
    predictions: pd.DataFrame | None
    recording: Recording
    times: Any = None
    trained: bool = False

    def verdict(self) -> str:
        """What the scores mean, in a sentence."""
        model = self.scores["model"].scaled
        others = {name: score.scaled for name, score in self.scores.items() if name != "model"}
        if not others:
            return "This loss has no baseline to compare with."
        best = min(others, key=lambda name: others[name])
        if not np.isfinite([model, *others.values()]).all():
            return "The loss is no number here, so that nothing can be compared: the predictions are outside its range."
        positive = others[best] > 0
        if model < others[best]:
            return f"The model beats {best}" + (
                f" by {1 - model / others[best]:.1%}." if positive and model >= 0 else "."
            )
        if model == others[best]:
            return f"The model is as good as {best}, a forecast that needs no model."
        ratio = model / others[best] if positive else np.nan
        times = f"{ratio:.{1 if ratio >= 1.1 else 3}f} times" if positive else "above"
        who = "The model" if self.trained else "The model, which is untrained,"
        return f"{who} is worse than {best}: its loss is {times} that of a forecast that needs no model."


def check_protocol(protocol: str) -> Protocol:
    """`protocol` itself, if it is one.

    Raises:
        InputError: it is none; the nearest is suggested.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"no protocol {protocol!r}; {nearest(protocol, PROTOCOLS, 'protocols')}")
    return protocol  # type: ignore[return-value]


def evaluate_series(
    model: Sequence,
    frame: pd.DataFrame,
    *,
    features: tuple[str, ...],
    target: str,
    loss: Loss,
    protocol: str = "notebook",
    scaler: Any = None,
) -> Evaluation:
    """Predict each row's target from the rows before it, and score the predictions.

    Args:
        model: M = len(features) inputs, `loss.columns` outputs.
        frame: one row per time step, checked.
        features: the columns that are x.
        target: the column whose next value is predicted.
        loss: what is scored.
        protocol: `"notebook"` or `"honest"`.
        scaler: a scikit-learn transformer; `MinMaxScaler()` where None.

    Raises:
        InputError: an unknown protocol, too few rows, a scaler that is none.
    """
    protocol = check_protocol(protocol)
    if loss.classes:
        raise InputError(f"loss {loss} scores classes, and {target!r} is a column of numbers; choose another loss")
    honest = protocol == "honest"
    rows = len(frame)
    known = int(rows * TRAINING_SHARE) if honest else rows
    if known < 2 or (honest and known >= rows):
        raise InputError(f"{rows} rows are too few for the {protocol} protocol; it needs at least {3 if honest else 2}")
    scaling = Scaling.fit(frame.iloc[:known], scaler)
    x, y = scaling.scale(frame[list(features)]), scaling.scale(frame[[target]])
    recording = model.record(x[:-1])
    # Step t predicts row t + 1: the first step whose target the scaler has not seen is known - 1.
    first = known - 1 if honest else 0
    true, predicted = y[1:], np.asarray(recording.y, dtype=float)
    candidates: dict[str, Array] = {"model": predicted}
    if loss.in_target_units:
        candidates["persistence"] = np.repeat(y[:-1], loss.columns, axis=1)
        candidates["mean"] = np.full((len(true), loss.columns), y[1:known].mean())
    scores = {
        name: Score(
            loss(guess[first:], true[first:]),
            loss(scaling.own_units(guess[first:], target), scaling.own_units(true[first:], target))
            if honest and loss.in_target_units
            else None,
        )
        for name, guess in candidates.items()
    }
    return Evaluation(
        protocol=protocol,
        scores=scores,
        scored=len(true) - first,
        held_out=first,
        predictions=_table(frame.index[1:], true, predicted),
        recording=recording,
        times=frame.index[:-1],
    )


def evaluate_sequences(
    model: Sequence,
    data: SequenceData,
    *,
    loss: Loss,
    protocol: str = "notebook",
    trained: bool = False,
    training_share: float = TRAINING_SHARE,
) -> Evaluation:
    """Score `model` on sequences: all of them, or under `honest` those after the training share; nothing is scaled.

    Raises:
        InputError: an unknown protocol, or targets that do not fit the model's outputs.
    """
    protocol = check_protocol(protocol)
    classes = data.y.dtype.kind in "iu"
    if loss.classes != classes:
        what = "integer classes" if classes else "numbers"
        raise InputError(
            f"loss {loss} scores {'classes' if loss.classes else 'numbers'}, and the targets are {what}; choose "
            f"{'a loss of classes, such as cross_entropy' if classes else 'a loss of numbers, such as mse'}"
        )
    if protocol == "honest" and len(data.x) < 2:
        raise InputError("the honest protocol needs a sequence to hold out and one to know; there is one sequence")
    first = int(len(data.x) * training_share) if protocol == "honest" else 0
    recording = model.record(data.x, lengths=data.lengths)
    per_step = has_steps(data)
    ends = np.full(len(data.x), data.x.shape[1]) if data.lengths is None else np.asarray(data.lengths)
    predicted = recording.y if per_step else recording.y[np.arange(len(ends)), ends - 1]
    lengths = ends[first:] if per_step else None
    scores = {"model": Score(loss(predicted[first:], data.y[first:], lengths=lengths))}
    if loss.in_target_units and not classes:
        known = slice(0, first or None)
        valid = np.arange(data.x.shape[1]) < ends[known, None]
        targets = data.y[known][valid] if per_step else data.y[known]
        mean = np.broadcast_to(np.repeat(targets.mean(axis=0), loss.columns), predicted.shape).astype(predicted.dtype)
        scores["mean"] = Score(loss(mean[first:], data.y[first:], lengths=lengths))
    return Evaluation(
        protocol=protocol,
        scores=scores,
        scored=len(data.x) - first,
        held_out=first,
        predictions=None,
        recording=recording,
        trained=trained,
    )


def has_steps(data: SequenceData) -> bool:
    """Whether there is a target for each step, and not one for each sequence."""
    return data.y.ndim > 1 and data.y.shape[1] == data.x.shape[1] and data.y.ndim + (data.y.dtype.kind in "iu") > 2


def _table(times: Any, true: Array, predicted: Array) -> pd.DataFrame:
    import pandas as pd

    several = predicted.shape[1] > 1
    columns = {f"prediction {i}" if several else "prediction": column for i, column in enumerate(predicted.T)}
    return pd.DataFrame({"target": true[:, 0], **columns}, index=times)
