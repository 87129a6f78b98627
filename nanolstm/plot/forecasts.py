"""Forecasts beside what came, and how their errors grow with the horizon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.plot.style import (
    COLOURS,
    MARKERS,
    along_times,
    figure_of,
    headed,
    legend,
    line_style,
    tint,
    whole_numbers,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_QUANTILE = re.compile(r"q(0?\.\d+)")
_KEYS = ("series", "target", "step", "fold", "origin")
_COUNTS = ("n", "fold")


def forecast(table: pd.DataFrame, *, history: pd.Series | None = None, title: str = "", unit: str = "") -> Figure:
    """Forecasts with their intervals, and what came.

    ```python
    import numpy as np
    import pandas as pd
    import nanolstm as nl

    times = pd.date_range("2024-01-01", periods=30, name="time")
    level = np.linspace(100, 110, 30)
    table = pd.DataFrame({"actual": level, "forecast": level + 1, "q0.1": level - 3, "q0.9": level + 5}, index=times)
    figure = nl.plot.forecast(table.iloc[20:], history=table["actual"].iloc[:20], unit="dollars")
    ```

    Args:
        table: a row for each time, which is the index or the column `time`. Columns: `forecast`; where they are there,
            `actual` and quantiles `q0.1`, `q0.9`, ..., the outermost two an interval, then the next two; `forecaster`,
            for several in one picture, the first of which has its intervals drawn.
        history: the series before, by time.
        title: what stands above.
        unit: of the axis.

    Raises:
        UnknownNameError: there is no column `forecast`.
        InputError: several forecasts of one forecaster for one time: the text says which columns to choose by.
    """
    frame = table.reset_index() if "time" not in table else table
    time = "time" if "time" in frame else frame.columns[0]
    if "forecast" not in frame:
        raise UnknownNameError(
            f"forecast: no column 'forecast'; {nearest('forecast', map(str, frame.columns), 'columns')}"
        )
    names = list(frame["forecaster"].unique()) if "forecaster" in frame else ["forecast"]
    parts = {name: frame[frame["forecaster"] == name] if "forecaster" in frame else frame for name in names}
    _refuse_several(parts[names[0]], time)
    figure, axes = figure_of(1, height=3.6, width=9.0)
    axis = axes[0, 0]
    first = parts[names[0]]
    if history is not None:
        axis.plot(along_times(axis, history.index), history.to_numpy(), color="0.45", linewidth=1.1, label="history")
    _intervals(axis, first, time)
    for i, (name, part) in enumerate(parts.items()):
        style = {"marker": "." if len(part) < 40 else "", "linewidth": 0.8 if i else 1.3, "zorder": 2.2 - 0.01 * i}
        axis.plot(along_times(axis, part[time]), part["forecast"], label=str(name), **style, **line_style(i))
    if "actual" in first:
        black = {"color": "black", "linewidth": 1.1, "zorder": 2.3}
        axis.plot(along_times(axis, first[time]), first["actual"], label="actual", **black)
    axis.margins(x=0.01)
    axis.set_ylabel(unit, parse_math=False)
    headed(axis, title)
    legend(axis)
    return figure


def errors_by_horizon(table: pd.DataFrame, metric: str | None = None) -> Figure:
    """How the error of each forecaster grows with the number of steps ahead, a panel for each target.

    ```python
    import pandas as pd
    import nanolstm as nl

    table = pd.DataFrame({"step": [1, 2, 3], "model": [1.0, 1.3, 1.5], "persistence": [1.1, 1.5, 1.9]})
    figure = nl.plot.errors_by_horizon(table, "rmse")
    ```

    Args:
        table: with `step` in its index or columns. With `forecaster` there too it has a row for each of both, and
            metrics as columns (the `scores` of a walk-forward evaluation); otherwise a column for each forecaster.
        metric: which of the metrics is drawn, by default the first; of a table with a column for each forecaster, what
            its numbers are.

    Raises:
        UnknownNameError: no `step`, no such metric.
        InputError: several numbers of one forecaster for one step.
    """
    frame = table.reset_index() if set(table.index.names) != {None} else table
    if "step" not in frame:
        raise UnknownNameError(f"errors_by_horizon: no 'step'; {nearest('step', map(str, frame.columns), 'columns')}")
    if "forecaster" in frame:
        known = [str(c) for c in frame if c not in (*_KEYS, *_COUNTS, "forecaster") and frame[c].dtype.kind in "fi"]
        metric = metric or next(iter(known), "")
        if metric not in known:
            raise UnknownNameError(f"errors_by_horizon: no metric {metric!r}; {nearest(metric, known, 'metrics')}")
    targets = list(frame["target"].unique()) if "target" in frame else [None]
    figure, axes = figure_of(len(targets), height=2.8, width=8.0, sharex=True)
    for axis, target in zip(axes[:, 0], targets, strict=True):
        _lines(axis, frame if target is None else frame[frame["target"] == target], metric)
        axis.set_ylabel(metric or "error", parse_math=False)
        headed(axis, "" if target is None else str(target))
    axes[-1, 0].set_xlabel("steps ahead")
    whole_numbers(axes[-1, 0].xaxis)
    return figure


def _lines(axis: Axes, frame: pd.DataFrame, metric: str | None) -> None:
    lines: dict[Any, pd.Series]
    if "forecaster" in frame:
        if frame.duplicated(["forecaster", "step"]).any():
            raise InputError(
                "errors_by_horizon: several numbers of one forecaster for one step; score over all of them"
            )
        lines = {name: part.set_index("step")[metric] for name, part in frame.groupby("forecaster", sort=False)}
    else:
        lines = dict(frame.drop(columns="target", errors="ignore").set_index("step").items())
    for i, (name, line) in enumerate(lines.items()):
        style: dict[str, Any] = {"marker": MARKERS[i % len(MARKERS)], "markersize": 4.0, "zorder": 3.0 - 0.01 * i}
        axis.plot(line.index, line, label=str(name), linewidth=1.1 if i else 2.0, **style, **line_style(i))
    known = np.concatenate([line.to_numpy(float) for line in lines.values()])
    known = known[np.isfinite(known)]
    if known.size and known.min() >= 0:
        axis.set_ylim(0.0, 1.05 * known.max() or 1.0)
    legend(axis)


def _intervals(axis: Axes, frame: pd.DataFrame, time: Any) -> None:
    """The outermost two quantiles, then the next two, each darker."""
    levels = sorted((float(found[1]), name) for name in map(str, frame) if (found := _QUANTILE.fullmatch(name)))
    times = along_times(axis, frame[time])
    for i, ((low, below), (high, above)) in enumerate(zip(levels, reversed(levels), strict=True)):
        if low >= high:
            break
        axis.fill_between(
            times,
            frame[below],
            frame[above],
            color=tint(COLOURS[0], min(0.6, 0.2 * (i + 1))),
            zorder=1.0 + 0.01 * i,
            linewidth=0,
            label=f"{100 * (high - low):.3g} % interval",
        )


def _refuse_several(frame: pd.DataFrame, time: Any) -> None:
    if frame[time].duplicated().any():
        several = [name for name in _KEYS if name in frame and len(frame[name].unique()) > 1]
        choice = (
            f"choose by {', '.join(several)}: table[table[{several[0]!r}] == ...]" if several else "keep one of them"
        )
        raise InputError(f"forecast: the table has several forecasts for one time; {choice}")
