"""`nanolstm evaluate`: walk forward over a series, training anew before each held-out part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nanolstm.cli.options import Options, with_options
from nanolstm.cli.run import JSON, PLOT, REFRESH, WRITE, asked_again, show
from nanolstm.errors import InputError


@with_options
def evaluate(
    options: Options,
    folds: Annotated[int, typer.Option(help="Into how many parts the held-out end is cut.", min=1)] = 4,
    refit: Annotated[bool, typer.Option("--refit/--no-refit", help="Train anew before each part.")] = True,
    write_config: WRITE = None,
    refresh: REFRESH = False,
    plot: PLOT = None,
    as_json: JSON = False,
) -> None:
    """Walk forward over a series: train on what was, score on what came next, move on."""
    from nanolstm.cli.loading import load_options
    from nanolstm.cli.trial import Plan, run_trial
    from nanolstm.data.request import SequenceData

    plan = Plan.check(options)
    if plot is not None:
        from nanolstm.plot import check_picture

        check_picture(plot)
    request, data, instead_of = load_options(options, plan.columns, refresh=refresh)
    if isinstance(data, SequenceData):
        raise InputError("evaluate walks forward over a series; of separate sequences write `nanolstm run`")
    from nanolstm.cli.told import TrialReport

    trial = run_trial(plan, data, folds=folds, refit=refit, progress=not as_json)
    files: dict[str, Path] = {}
    if write_config is not None:
        from nanolstm.cli.config import write_config as write

        told = asked_again(options, request, instead_of).told()
        write(write_config, told | {"folds": folds, "refit": refit})
        files["run"] = write_config
    if plot is not None:
        from nanolstm.cli.picture import draw_trial

        draw_trial(trial, request, plot)
        files["picture"] = plot
    show(TrialReport(request=request, instead_of=instead_of, trial=trial, files=files), as_json=as_json)
