"""What comes after the end of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.data.ahead import extended
from nanolstm.data.preparation import Preparation, check_transforms
from nanolstm.data.series import check_series
from nanolstm.data.splits import Size, count_rows
from nanolstm.data.windows import WindowData, Windows
from nanolstm.forecasting.outputs import Output, Point
from nanolstm.forecasting.trained import MODEL, Plan, Trained
from nanolstm.scalers import scaler as find_scaler

if TYPE_CHECKING:
    import pandas as pd


def forecast(
    model: Any,
    data: Any,
    windows: Windows,
    *,
    future: Any = None,
    transform: Any = None,
    scaler: Any = "standard",
    output: Output | None = None,
    recursive: bool = False,
    validation: Size = 0,
) -> pd.DataFrame:
    """Fit on all of the data, and say what comes after its end.

    ```python
    import nanolstm as nl
    from sklearn.linear_model import Ridge

    prices = nl.load_data("sample", start="2011-01-01")
    windows = nl.Windows(targets="Adj Close", context=10, horizon=5)
    print(nl.forecast(Ridge(), prices, windows, transform="log_return"))
    ```

    How good such forecasts are is what [`walk_forward`][nanolstm.walk_forward] finds out, of the same arguments.

    Args:
        model: as there.
        data: as there.
        windows: as there.
        future: for the rows to come, a frame with their times and the future columns, or an index where only times are
            needed; for several series a dict of these. None where neither is needed: times go on in steps that are all
            the same, or stay unknown.
        transform: as there.
        scaler: as there.
        output: as there.
        recursive: as there.
        validation: rows at the end (a number, or a share) that are for validation and not trained on.

    Returns:
        One row for each series, target and step: `series`, `target`, `step`, `origin` (the time of the last row),
        `time`, `forecast` and, of quantiles, `q0.1`, ...; in the data's own units.
    """
    plan = Plan(model=model, output=output or Point(), baselines=(), season=1, recursive=recursive)
    series = check_series(data, windows)
    transforms = check_transforms(transform, windows, series)
    train = {name: range(len(one) - count_rows(validation, len(one), "validation")) for name, one in series.items()}
    seen = {name: range(rows.stop, len(series[name])) for name, rows in train.items()}
    preparation = Preparation.fit(series, train, windows=windows, transforms=transforms, scaler=find_scaler(scaler))
    trained = Trained.fit(plan, preparation, series, train, seen)
    asked = coming(preparation, series, future)
    return tabulated(asked, trained.forecast(series, asked)[MODEL], plan.output.levels)


def coming(preparation: Preparation, series: Mapping[Any, pd.DataFrame], future: Any = None) -> WindowData:
    """The window of each series that ends with its last row, and whose targets nobody knows.

    Args:
        preparation: fitted.
        series: checked.
        future: as for `forecast`; errors are its too.
    """
    longer = {}
    for name, one in series.items():
        known = future.get(name) if isinstance(future, Mapping) else future
        longer[name] = extended(one, preparation.windows, known, where=f"series {name!r}")
    asked = preparation.cut(longer, {name: np.array([len(one) - 1]) for name, one in series.items()})
    return attrs.evolve(asked, target=np.full_like(asked.target, np.nan))


def tabulated(asked: WindowData, said: Any, levels: tuple[float, ...]) -> pd.DataFrame:
    """One row for each window, target and step, of forecasts and their quantiles (n, horizon, N, 1 + Q)."""
    import pandas as pd

    rows = []
    for n, name in enumerate(asked.series):
        for k, target in enumerate(asked.targets):
            for step, numbers in enumerate(said[n, :, k]):
                quantiles = {f"q{level:g}": numbers[1 + i] for i, level in enumerate(levels)}
                where = {"series": name, "target": target, "step": step + 1, "origin": asked.known[n]}
                rows.append({**where, "time": asked.times[n, step], "forecast": numbers[0], **quantiles})
    return pd.DataFrame(rows)
