"""Walk-forward evaluation: fit on the past, forecast what came next, move on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from nanolstm.data.hindsight import hindsight
from nanolstm.data.preparation import Preparation, check_transforms
from nanolstm.data.series import check_series, timeline
from nanolstm.data.spacing import spacing
from nanolstm.data.splits import Fold, Splits
from nanolstm.data.transforms import Transform
from nanolstm.data.windows import WindowData, Windows
from nanolstm.errors import InputError
from nanolstm.forecasting.backtest import Backtest
from nanolstm.forecasting.metrics import METRICS, Scored, check_criterion, seasonal_scale
from nanolstm.forecasting.outputs import Output, Point
from nanolstm.forecasting.reach import Reach, outgrown, together
from nanolstm.forecasting.trained import Plan, Trained, default_baselines
from nanolstm.scalers import scaler as find_scaler

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def walk_forward(
    model: Any,
    data: Any,
    windows: Windows,
    *,
    splits: Splits | None = None,
    transform: Any = None,
    scaler: Any = "standard",
    output: Output | None = None,
    baselines: Iterable[str] | None = None,
    season: int = 1,
    recursive: bool = False,
    criterion: str | None = None,
    metrics: Mapping[str, Callable[[Scored], float]] | None = None,
) -> Backtest:
    """Fit a model on the past and score it on what came next, again and again, beside baselines that cost nothing.

    ```python
    import nanolstm as nl
    from sklearn.linear_model import Ridge

    prices = nl.load_data("sample", start="2011-01-01")
    result = nl.walk_forward(
        Ridge(),
        prices,
        nl.Windows(targets="Adj Close", past="Volume", context=10, horizon=3),
        splits=nl.Splits(folds=4, test=20),
        transform="log_return",
    )
    print(result.scores["rmse"].unstack("step"))
    print(result.verdict())
    ```

    Scalers, the model, and whatever a baseline knows are fitted on the training rows of each split; no later number
    reaches them. A forecast from an origin sees all rows up to it.

    Args:
        model: a function `fit(train, validation)` of two [`WindowData`][nanolstm.WindowData] (the second None unless
            `splits` holds rows out for it) that answers with `predict(context, future)`; or a scikit-learn regressor,
            a clone of which sees each window as one row. It gives (n, horizon, N * columns) in scaled units.
        data: one series, a frame with one row per time step; or several, a dict of name to frame. Times ascend and are
            unique; no value is missing.
        windows: what a forecast sees and says.
        splits: five expanding training parts where None.
        transform: `"log_return"`, `"difference"` or `"none"`, of the targets; or a dict of column to one of these.
        scaler: the name of a registered one (`standard`, `minmax`, `robust`, `none`) or a scikit-learn transformer;
            clones are fitted for each series, each column and, where the targets are changes, each step.
        output: what the model's numbers mean: `Point()`, `Quantiles(levels)` or `Gaussian(levels)` of
            `nanolstm.forecasting.outputs`. Baselines then get intervals from their errors in training.
        baselines: some of `persistence`, `seasonal naive`, `drift`, `mean` (of the training part) and `linear
            autoregression` (least squares on the last ten rows). All where None, the seasonal one from season 2 on.
        season: rows of a season, for the seasonal naive baseline and for MASE.
        recursive: fit one step ahead, and let each prediction be seen by the next.
        criterion: by what the model and the baselines are compared: `rmse`, `mae`, `mase` or `pinball`. None for
            `pinball` of quantiles, else `rmse` for one series and `mase` for several.
        metrics: more metrics by name, functions of a `nanolstm.forecasting.metrics.Scored`.

    Raises:
        BadDataError: times or values that cannot be used; the text says which and where.
        InputError: an argument that does not fit, or too few rows.
        UnknownNameError: a column, transform, scaler, baseline or criterion that is not there.
    """
    splits = Splits() if splits is None else splits
    plan = Plan(
        model=model,
        output=Point() if output is None else output,
        baselines=default_baselines(season) if baselines is None else tuple(baselines),
        season=season,
        recursive=recursive,
    )
    series = check_series(data, windows)
    transforms = check_transforms(transform, windows, series)
    found_scaler = find_scaler(scaler)
    levels = plan.output.levels
    if criterion is None:
        criterion = "pinball" if levels else "rmse" if len(series) == 1 else "mase"
    check_criterion(criterion, levels)

    rounds = list(_rounds(plan, series, windows, transforms, found_scaler, splits))
    if not rounds:
        raise InputError(f"no row of {splits.folds} tests has a horizon of {windows.horizon} rows after it")
    return Backtest(
        forecasts=_concatenated([one.table for one in rounds]),
        folds=_concatenated([one.fold for one in rounds]).set_index("fold"),
        levels=levels,
        criterion=criterion,
        every=splits.every,
        notes=_notes(series, windows, transforms, [one.outgrown for one in rounds]),
        metrics={**METRICS, **(metrics or {})},
    )


@attrs.frozen(kw_only=True, eq=False)
class _Round:
    """What is kept of one fold: its forecasts, what is said of it, and which targets outgrew the training part."""

    table: pd.DataFrame
    fold: pd.DataFrame
    outgrown: list[Reach]


def _rounds(
    plan: Plan,
    series: Mapping[Any, pd.DataFrame],
    windows: Windows,
    transforms: Mapping[str, Transform],
    scaler: Any,
    splits: Splits,
) -> Iterator[_Round]:
    line = timeline(series)
    trained: Trained | None = None
    for fold in splits.cut(line):
        seconds = 0.0
        if trained is None or splits.fits(fold.number):
            last_fit, began = fold, time.perf_counter()
            train = _rows(fold.train, line, series)
            preparation = Preparation.fit(series, train, windows=windows, transforms=transforms, scaler=scaler)
            trained = Trained.fit(plan, preparation, series, train, _rows(fold.validation, line, series))
            seconds = time.perf_counter() - began
        asked = _asked(trained.preparation, series, _rows(fold.test, line, series), splits.every)
        if not len(asked):
            continue
        # Times with a zone, and periods, were Python objects in the arrays of the windows.
        table = _table(trained, series, asked, fold.number).astype({"origin": line.dtype, "time": line.dtype})
        columns = range(len(windows.targets))
        yield _Round(
            table=table,
            fold=_fold(fold, last_fit, line, trained, asked, seconds),
            outgrown=[outgrown(trained.data.target[..., k], asked.target[..., k]) for k in columns],
        )


def _rows(span: range, line: Any, series: Mapping[Any, pd.DataFrame]) -> dict[Any, range]:
    """The rows of each series in a span of the timeline."""

    def row(index: Any, place: int) -> int:
        return len(index) if place >= len(line) else int(index.searchsorted(line[place]))

    return {name: range(row(f.index, span.start), row(f.index, span.stop)) for name, f in series.items()}


def _asked(
    preparation: Preparation, series: Mapping[Any, pd.DataFrame], test: Mapping[Any, range], every: int
) -> WindowData:
    """The windows whose first step lies in the test rows, and whose last step the data still has."""
    origins = {name: preparation.origins(range(len(series[name])), rows)[::every] for name, rows in test.items()}
    return preparation.cut(series, origins)


def _table(trained: Trained, series: Mapping[Any, pd.DataFrame], asked: WindowData, fold: int) -> pd.DataFrame:
    """All forecasts of one fold, one row for each forecaster, origin, step and target."""
    import pandas as pd

    preparation, levels = trained.preparation, trained.plan.output.levels
    n, horizon, width = asked.target.shape
    last, scale = np.empty((n, 1, width)), np.empty((n, 1, width))
    for name, frame in series.items():
        mine = asked.series == name
        for k, column in enumerate(preparation.windows.targets):
            known = frame[column].to_numpy()
            last[mine, 0, k] = known[asked.origin[mine]]
            scale[mine, 0, k] = seasonal_scale(known, trained.train[name], trained.plan.season)

    def flat(array: Array) -> Array:
        return np.broadcast_to(array, (n, horizon, width)).ravel()

    common = {
        "fold": fold,
        "series": flat(asked.series[:, None, None]),
        "target": flat(np.array(asked.targets, dtype=object)),
        "step": flat(np.arange(1, horizon + 1)[:, None]),
        "origin": flat(asked.known[:, None, None]),
        "time": flat(asked.times[..., None]),
        "actual": preparation.actual(series, asked).ravel(),
        "last": flat(last),
        "scale": flat(scale),
    }
    parts = []
    for name, said in trained.forecast(series, asked).items():
        quantiles = {f"q{level:g}": said[..., 1 + k].ravel() for k, level in enumerate(levels)}
        parts.append(pd.DataFrame({**common, "forecaster": name, "forecast": said[..., 0].ravel(), **quantiles}))
    return pd.concat(parts, ignore_index=True)


def _fold(fold: Fold, last_fit: Fold, line: Any, trained: Trained, asked: WindowData, seconds: float) -> pd.DataFrame:
    import pandas as pd

    spans: dict[str, Any] = {}
    for name, rows in (("train", last_fit.train), ("validation", last_fit.validation), ("test", fold.test)):
        spans |= {f"{name} from": line[rows[0]] if rows else None, f"{name} to": line[rows[-1]] if rows else None}
    return pd.DataFrame(
        [{"fold": fold.number, **spans, "windows": len(trained.data), "forecasts": len(asked), "seconds": seconds}]
    )


def _notes(
    series: Mapping[Any, pd.DataFrame],
    windows: Windows,
    transforms: Mapping[str, Transform],
    rounds: list[list[Reach]],
) -> tuple[str, ...]:
    """What a reader of the scores should know of the data."""
    found = []
    for name, frame in series.items():
        where = f"series {name!r}: " if len(series) > 1 else ""
        found += [f"{where}{leak}" for leak in hindsight(frame, windows)]
        steps = spacing(frame.index)
        if not steps.regular:
            found.append(f"{where}{steps}.")
    for k, column in enumerate(windows.targets):
        reach = together([outgrown[k] for outgrown in rounds])
        if reach.matters and (column not in transforms or not transforms[column].lag):
            found.append(f"{f'{column}: ' if len(windows.targets) > 1 else ''}{reach}")
    return tuple(found)


def _concatenated(tables: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(tables, ignore_index=True)
