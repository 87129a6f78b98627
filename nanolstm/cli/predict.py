"""`nanolstm predict`: what comes after the end of the data, by a model that was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from nanolstm.cli.output import print_json, print_table
from nanolstm.cli.run import JSON, REFRESH
from nanolstm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.cli.keep import Kept


def predict(
    model: Annotated[Path, typer.Argument(help="What `nanolstm run --save` wrote.")],
    symbol: Annotated[str | None, typer.Argument(help="Another series; unless given, that of the run.")] = None,
    source: Annotated[str | None, typer.Option(help="Another source; unless given, that of the run.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option(help="Day after the last that is known, YYYY-MM-DD.")] = None,
    cell: Annotated[str | None, typer.Option(help="module:Class of the cell, if no plugin registers it.")] = None,
    refresh: REFRESH = False,
    as_json: JSON = False,
) -> None:
    """Forecast the rows after the end of a series with a model that `nanolstm run --save` has kept."""
    from nanolstm.cells.find import find_cell
    from nanolstm.cli.keep import read_kept
    from nanolstm.cli.loading import load_options
    from nanolstm.data.request import SequenceData

    kept = read_kept(model, () if cell is None else find_cell(cell)[0])
    options = kept.options
    if source is not None:
        options = attrs.evolve(options, source=source, symbol=None, start=None, end=None)
    given: dict[str, Any] = {"symbol": symbol, "start": start, "end": end}
    options = attrs.evolve(options, **{name: value for name, value in given.items() if value is not None})
    request, frame, _ = load_options(options, kept.windows.columns, refresh=refresh)
    if isinstance(frame, SequenceData):
        raise InputError(f"source {request.source!r} answered with separate sequences; {model} forecasts a series")
    table = _ahead(kept, frame)
    target, last = options.target, frame.index[-1]
    level = float(frame[target].iloc[-1])
    told = {
        "model": str(model),
        "trained_to": kept.trained_to,
        "source": request.source,
        "symbol": request.symbol,
        "target": target,
        "last": {"time": _day(last), "level": level},
        "forecasts": table,
    }
    if as_json:
        print_json(told)
        return
    typer.echo(
        f"{target} of {request.symbol or request.source} was {level:.6g} on {_day(last)}; {model} was "
        f"trained on rows to {kept.trained_to}."
    )
    names = [name for name in table[0] if name not in ("step", "time")]
    rows = [(str(row["step"]), row["time"] or "", *(f"{row[name]:.6g}" for name in names)) for row in table]
    print_table(("ahead", "time", *names), rows)


def _ahead(kept: Kept, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The forecast of each row after the end."""
    import numpy as np

    from nanolstm.cli.trial import output_of
    from nanolstm.data.ahead import extended
    from nanolstm.data.series import ONE, check_series
    from nanolstm.losses import loss

    series = check_series(frame, kept.windows)
    frame = series[ONE]
    preparation = kept.preparation(series)
    if len(frame) < (need := preparation.reach + kept.windows.context):
        raise InputError(f"{len(frame)} rows are too few; the model sees {need} of them")
    longer = extended(frame, kept.windows, where="the series")
    asked = preparation.cut({ONE: longer}, {ONE: np.array([len(frame) - 1])})
    output = output_of(loss(kept.options.loss or "mse"))
    said = kept.model(asked.context)[:, -1].reshape(1, kept.windows.horizon, -1)
    levels = preparation.own_units(series, asked, output.read(said))[0, :, 0]
    names = ["forecast", *(f"q{level:g}" for level in output.levels)]
    return [
        {"step": step + 1, "time": _day(longer.index[len(frame) + step])}
        | dict(zip(names, map(float, numbers), strict=True))
        for step, numbers in enumerate(levels)
    ]


def _day(time: Any) -> str | None:
    """A time as text; None for one that an irregular series does not tell."""
    import pandas as pd

    from nanolstm.report import day

    return None if pd.isna(time) else day(time)
