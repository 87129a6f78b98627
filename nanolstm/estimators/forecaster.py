"""From frames of series to forecasts: the one estimator that cuts windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from nanolstm.data.preparation import Preparation, check_transforms
from nanolstm.data.series import check_series
from nanolstm.data.splits import Size, count_rows
from nanolstm.data.windows import WindowData, Windows
from nanolstm.errors import InputError
from nanolstm.estimators.regressor import RecurrentRegressor
from nanolstm.forecasting.forecast import coming, tabulated
from nanolstm.forecasting.outputs import Gaussian, Output, Point, Quantiles
from nanolstm.language.functions import Array
from nanolstm.scalers import scaler as find_scaler

if TYPE_CHECKING:
    import pandas as pd


class RecurrentForecaster(BaseEstimator):
    """A recurrent model that says what comes next in a series, or in several, as a scikit-learn estimator of frames.

    ```python
    import nanolstm as nl
    from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    from nanolstm.estimators import RecurrentForecaster, RecurrentRegressor

    prices = nl.load_data("sample", start="2012-01-01")
    recurrent = RecurrentRegressor("LSTM", hidden=4, epochs=3, random_state=0)
    model = RecurrentForecaster(recurrent, targets="Adj Close", context=10, horizon=2, transforms="log_return")
    model.fit(prices).predict()                                           # a DataFrame: what comes after the end
    GridSearchCV(model, {"context": [5, 10]}, cv=TimeSeriesSplit(2)).fit(prices).best_params_
    ```

    Scalers are fitted on the training rows only, and a forecast sees all rows up to its origin and none after it. For
    an honest evaluation beside baselines hand the regressor to [`walk_forward`][nanolstm.walk_forward].

    Args:
        regressor: how a window is learned: a [`RecurrentRegressor`][nanolstm.estimators.RecurrentRegressor], of which a
            clone is fitted; None for one as it is made. Its loss, if it is None, follows from `output`.
        targets: the columns that are forecast; None for all.
        context: as for [`Windows`][nanolstm.Windows].
        horizon: as for `Windows`.
        stride: as for `Windows`.
        past: as for `Windows`.
        future: as for `Windows`.
        calendar: as for `Windows`.
        transforms: as `transform` of `walk_forward`. (What has a `transform` is a transformer to scikit-learn.)
        scaler: as for `walk_forward`.
        output: as for `walk_forward`; `nl.Quantiles()` and `nl.Gaussian()` give intervals.
        validation: rows at the end (a number, or a share) that are for validation and not trained on.

    Attributes:
        regressor_: the regressor that was fitted.
        preparation_: the windows, transforms and fitted scalers.
    """

    def __init__(
        self,
        regressor: Any = None,
        *,
        targets: Any = None,
        context: int = 20,
        horizon: int = 1,
        stride: int = 1,
        past: Any = (),
        future: Any = (),
        calendar: Any = (),
        transforms: Any = None,
        scaler: Any = "standard",
        output: Any = None,
        validation: Size = 0,
    ) -> None:
        """Keep every parameter as it is: `fit` looks at them."""
        self.regressor = regressor
        self.targets = targets
        self.context = context
        self.horizon = horizon
        self.stride = stride
        self.past = past
        self.future = future
        self.calendar = calendar
        self.transforms = transforms
        self.scaler = scaler
        self.output = output
        self.validation = validation

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit on a series, a frame with one row per time step, or several, a dict of name to frame.

        Args:
            X: as for `walk_forward`.
            y: nothing; the targets are columns of X.

        Raises:
            BadDataError: times or values that cannot be used; the text says which and where.
            InputError: an argument that does not fit, or too few rows.
            UnknownNameError: a column, transform or scaler that is not there.
        """
        _refuse(y)
        windows = self._windows(X)
        series = check_series(X, windows)
        rows = {
            name: range(len(one) - count_rows(self.validation, len(one), "validation")) for name, one in series.items()
        }
        preparation = Preparation.fit(
            series,
            rows,
            windows=windows,
            transforms=check_transforms(self.transforms, windows, series),
            scaler=find_scaler(self.scaler),
        )
        stride = windows.stride
        train = preparation.cut(series, {name: preparation.origins(r, r)[::stride] for name, r in rows.items()})
        later = {name: range(rows[name].stop, len(one)) for name, one in series.items()}
        origins = {name: preparation.origins(range(r.stop), r)[::stride] for name, r in later.items()}
        held = preparation.cut(series, origins) if any(map(len, origins.values())) else None
        self._predict = self._fresh().fit_windows(train, held)
        self.preparation_, self.regressor_ = preparation, self._predict.regressor
        # What a forecast from the end sees.
        self._known = {name: one.iloc[-(preparation.reach + windows.context) :] for name, one in series.items()}
        return self

    def predict(self, X: Any = None, future: Any = None) -> pd.DataFrame:
        """What comes after the end of X.

        Args:
            X: series as in `fit`, which may go on where those ended; None for those.
            future: as for [`forecast`][nanolstm.forecast].

        Returns:
            As `forecast` does: a row for each series, target and step, in the data's own units.

        Raises:
            InputError: too few rows, or others than were fitted on; and as for `forecast`.
        """
        check_is_fitted(self, "preparation_")
        series, _ = self._joined(X)
        asked = coming(self.preparation_, series, future)
        return tabulated(asked, self._said(series, asked), self._output().levels)

    def score(self, X: Any, y: Any = None) -> float:
        """1 less the squared error as a share of persistence's, the mean over targets: 0 is as good as the last level.

        It is over all forecasts whose rows lie in X, all steps of the horizon. Where X goes on after the rows that were
        fitted on, the first of them see the end of those.

        Raises:
            InputError: too few rows, or others than were fitted on.
        """
        check_is_fitted(self, "preparation_")
        _refuse(y)
        series, first = self._joined(X)
        preparation = self.preparation_
        rows = {name: range(first[name], len(one)) for name, one in series.items()}
        asked = preparation.cut(
            series, {name: preparation.origins(range(len(one)), rows[name]) for name, one in series.items()}
        )
        if not len(asked):
            raise InputError(f"score: no window of {preparation.windows} has its horizon in X; give more rows")
        actual = preparation.actual(series, asked)
        mine = ((self._said(series, asked)[..., 0] - actual) ** 2).sum(axis=(0, 1))
        theirs = ((self._last(series, asked)[:, None] - actual) ** 2).sum(axis=(0, 1))
        # As in scikit-learn's R2: where there is nothing to explain, 1 for an exact forecast and 0 for any other.
        share = np.divide(mine, theirs, out=(mine > 0).astype(float), where=theirs > 0)
        return float(np.mean(1 - share))

    def _windows(self, X: Any) -> Windows:
        targets = self.targets
        if targets is None:
            frame = next(iter(X.values()), None) if isinstance(X, Mapping) else X
            others = {
                name for given in (self.past, self.future) for name in np.atleast_1d(np.array(given, dtype=object))
            }
            targets = [column for column in getattr(frame, "columns", ()) if column not in others]
        return Windows(
            targets=targets,
            context=self.context,
            horizon=self.horizon,
            stride=self.stride,
            past=self.past,
            future=self.future,
            calendar=self.calendar,
        )

    def _output(self) -> Output:
        return Point() if self.output is None else self.output

    def _fresh(self) -> RecurrentRegressor:
        regressor = RecurrentRegressor() if self.regressor is None else self.regressor
        if not isinstance(regressor, RecurrentRegressor):
            raise InputError(
                f"regressor={regressor!r}: expected a RecurrentRegressor; other regressors see a window as one row: "
                "hand them to nl.forecast and nl.walk_forward"
            )
        output = self._output()
        if regressor.loss is not None or isinstance(output, Point):
            return regressor
        made: RecurrentRegressor = clone(regressor)
        if isinstance(output, Quantiles):
            made.loss = f"quantile(q={output.levels})"
        elif isinstance(output, Gaussian):
            made.loss = "gaussian_nll"
        return made

    def _joined(self, X: Any) -> tuple[dict[Any, pd.DataFrame], dict[Any, int]]:
        """The series of X, after what is known where they go on from there, and the first row of X in each."""
        import pandas as pd

        if X is None:
            return self._known, {name: len(one) for name, one in self._known.items()}
        series = check_series(X, self.preparation_.windows)
        first = dict.fromkeys(series, 0)
        for name, one in series.items():
            if name not in self._known:
                raise InputError(f"X has a series {name!r}; the forecaster was fitted on {list(self._known)}")
            known = self._known[name]
            if one.index[0] > known.index[-1]:
                series[name], first[name] = pd.concat([known, one]), len(known)
        return series, first

    def _said(self, series: Mapping[Any, pd.DataFrame], asked: WindowData) -> Array:
        """Forecasts and their quantiles in the data's own units, (n, horizon, N, 1 + Q)."""
        scaled = self._output().read(self._predict(asked.context, asked.future))
        return self.preparation_.own_units(series, asked, scaled)

    def _last(self, series: Mapping[Any, pd.DataFrame], asked: WindowData) -> Array:
        """The levels at each origin, (n, N)."""
        levels = np.empty((len(asked), len(asked.targets)))
        for name, one in series.items():
            mine = asked.series == name
            levels[mine] = one[list(asked.targets)].to_numpy()[asked.origin[mine]]
        return levels


def _refuse(y: Any) -> None:
    if y is not None:
        raise InputError("y is given; the targets of a forecaster are columns of X: leave y out, and name targets=")
