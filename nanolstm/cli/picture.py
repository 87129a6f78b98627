"""The picture of a trial: its forecasts of the held-out end, and what came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nanolstm.cli.trial import Trial

if TYPE_CHECKING:
    from nanolstm.data.request import DataRequest


def draw_trial(trial: Trial, request: DataRequest, path: Path) -> None:
    """Draw what the model said one row ahead, and as many rows before.

    Raises:
        InputError: the file cannot be written.
    """
    from nanolstm.plot import forecast, save

    options, table = trial.plan.options, trial.result.forecasts
    table = table[(table["forecaster"] == "model") & (table["step"] == 1)].drop(columns="forecaster")
    before = trial.frame[options.target].loc[: table["time"].iloc[0]].iloc[-len(table) - 1 : -1]
    title = (
        f"{options.target} of {request.symbol or request.source} one row ahead, by "
        f"{type(trial.model.cells[0]).__name__}, hidden={trial.plan.hidden}, seed {options.seed}"
    )
    save(forecast(table, history=before, title=title, unit=options.target), path)
