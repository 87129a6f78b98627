"""A run without training: the forward run of the notebook, scored as it was there or on a held-out end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nanolstm.cells.find import find_cell
from nanolstm.cli.loading import load_options
from nanolstm.cli.options import Options
from nanolstm.cli.trial import columns_of
from nanolstm.data.request import SequenceData
from nanolstm.errors import InputError
from nanolstm.losses import loss as find_loss
from nanolstm.protocols import evaluate_sequences, evaluate_series
from nanolstm.report import Report
from nanolstm.sequence import Sequence

HIDDEN = 3
"""The notebook's."""


def run_forward(options: Options, protocol: str, *, refresh: bool, plot: Path | None) -> Report:
    """Run a freshly drawn cell over the data, and score what it says."""
    # Whatever can be wrong with the arguments is found before any data is asked for.
    kind, fields = find_cell(options.cell or "ToyLSTM")
    scorer = find_loss(options.loss or "rmse")
    columns = columns_of(options.features)
    request, data, instead_of = load_options(options, columns, refresh=refresh)

    sequences = isinstance(data, SequenceData)
    inputs = data.x.shape[-1] if isinstance(data, SequenceData) else len(columns)
    width = target_width(data, scorer.classes) * scorer.columns if sequences else scorer.columns
    made = kind(inputs=inputs, hidden=options.hidden or HIDDEN, rng=options.seed, **fields)
    # It is run once or twice: NumPy has ended before a kernel would be compiled.
    model = Sequence(made, readout=None if made.outputs == width else width, backend="numpy")
    evaluation = (
        evaluate_sequences(model, data, loss=scorer, protocol=protocol)
        if isinstance(data, SequenceData)
        else evaluate_series(model, data, features=columns, target=options.target, loss=scorer, protocol=protocol)
    )
    if plot is not None:
        from nanolstm.plot import draw_run, save

        if sequences:
            raise InputError("--plot draws a series over time; this source answered with separate sequences")
        title = (
            f"Next {options.target} of {request.symbol or 'AAPL'} ({request.source}), by an untrained "
            f"{type(made).__name__}, hidden={made.hidden}, rng={options.seed}; {scorer}, {protocol} protocol:"
        )
        save(draw_run(evaluation, tuple(made.anatomy.gates), title=title, unit=f"{options.target}, scaled"), plot)
    return Report(
        request=request,
        data=data,
        instead_of=instead_of,
        features=columns,
        target=options.target,
        model=model,
        loss=scorer,
        evaluation=evaluation,
        rng=options.seed,
    )


def target_width(data: Any, classes: bool) -> int:
    """How many columns the targets of sequences have: classes are counted, other targets have a last axis."""
    return int(data.y.max()) + 1 if classes and data.y.dtype.kind in "iu" else int(data.y.shape[-1])
