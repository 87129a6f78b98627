"""A run over separate sequences: trained on the first of them, scored on the rest."""

from __future__ import annotations

from typing import Any

import attrs

from nanolstm.cli.forward import target_width
from nanolstm.cli.trial import Plan
from nanolstm.data.request import DataRequest, SequenceData
from nanolstm.errors import InputError
from nanolstm.losses import loss as find_loss
from nanolstm.protocols import evaluate_sequences, has_steps
from nanolstm.report import Report


def train_on_sequences(
    plan: Plan, request: DataRequest, data: SequenceData, instead_of: str | None, *, progress: bool, **keeping: Any
) -> Report:
    """Train, a share of the training sequences being held back to say when to stop, and score those held out.

    `keeping` says where the training is kept meanwhile: `checkpoint` and `resume` of `fit`.

    Raises:
        InputError: there are too few sequences, or the loss does not go with the targets.
    """
    options = plan.options
    if options.loss is None and data.y.dtype.kind in "iu":
        plan = attrs.evolve(plan, loss=find_loss("cross_entropy"))
    loss = plan.loss
    share = 1 - options.held_out
    known = int(len(data.x) * share)
    if not 2 <= known < len(data.x):
        raise InputError(
            f"--held-out {options.held_out:g} of {len(data.x)} sequences leaves {known} to train on and "
            f"{len(data.x) - known} to score; there have to be two and one"
        )
    ends = None if data.lengths is None else data.lengths[:known]
    train = SequenceData(x=data.x[:known], y=data.y[:known], lengths=ends)
    model = plan.make(
        data.x.shape[-1],
        target_width(data, loss.classes) * loss.columns,
        steps=known * data.x.shape[1] * options.epochs,
    )
    # What the loss cannot score, the evaluation says best.
    evaluate_sequences(model, data, loss=loss, protocol="honest", training_share=share)
    steps = "all" if has_steps(data) else "last"
    run = plan.fit(model, train, options.validation, steps=steps, progress=progress, **keeping)
    return Report(
        request=request,
        data=data,
        instead_of=instead_of,
        features=(),
        target=options.target,
        model=model,
        loss=loss,
        evaluation=evaluate_sequences(model, data, loss=loss, protocol="honest", trained=True, training_share=share),
        rng=options.seed,
        training=run,
    )
