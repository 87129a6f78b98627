"""A run over separate sequences: trained on four fifths of them, scored on the last."""

from __future__ import annotations

import attrs

from nanolstm.cli.forward import target_width
from nanolstm.cli.trial import Plan
from nanolstm.data.request import DataRequest, SequenceData
from nanolstm.errors import InputError
from nanolstm.losses import loss as find_loss
from nanolstm.protocols import TRAINING_SHARE, evaluate_sequences, has_steps
from nanolstm.report import Report


def train_on_sequences(
    plan: Plan, request: DataRequest, data: SequenceData, instead_of: str | None, *, progress: bool
) -> Report:
    """Train, a share of the training sequences being held back to say when to stop, and score the held-out fifth.

    Raises:
        InputError: there are too few sequences, or the loss does not go with the targets.
    """
    options = plan.options
    if options.loss is None and data.y.dtype.kind in "iu":
        plan = attrs.evolve(plan, loss=find_loss("cross_entropy"))
    loss = plan.loss
    known = int(len(data.x) * TRAINING_SHARE)
    if known < 2:
        raise InputError(f"{len(data.x)} sequences are too few to train on four fifths and hold out the rest; use 3")
    ends = None if data.lengths is None else data.lengths[:known]
    train = SequenceData(x=data.x[:known], y=data.y[:known], lengths=ends)
    model = plan.make(
        data.x.shape[-1],
        target_width(data, loss.classes) * loss.columns,
        steps=known * data.x.shape[1] * options.epochs,
    )
    # What the loss cannot score, the evaluation says best.
    evaluate_sequences(model, data, loss=loss, protocol="honest")
    run = plan.fit(model, train, options.validation, steps="all" if has_steps(data) else "last", progress=progress)
    return Report(
        request=request,
        data=data,
        instead_of=instead_of,
        features=(),
        target=options.target,
        model=model,
        loss=loss,
        evaluation=evaluate_sequences(model, data, loss=loss, protocol="honest", trained=True),
        rng=options.seed,
        training=run,
    )
