"""A model and its baselines, fitted on the training rows of one split, and what they forecast from any origin."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from nanolstm.data.preparation import Preparation
from nanolstm.data.windows import WindowData
from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.forecasting.baselines import BASELINES, LINEAR, SEASONAL, Past
from nanolstm.forecasting.forecaster import Fit, Regressor, as_fit, one_step, recurse
from nanolstm.forecasting.intervals import Intervals
from nanolstm.forecasting.outputs import Output

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Frames: TypeAlias = "Mapping[Any, pd.DataFrame]"
MODEL = "model"
LAGS = 10


def default_baselines(season: int) -> tuple[str, ...]:
    """All baselines, once: with a season of one row the seasonal naive forecast is persistence."""
    return tuple(name for name in (*BASELINES, LINEAR) if name != SEASONAL or season != 1)


@attrs.frozen(kw_only=True)
class Plan:
    """What is fitted in each split.

    Attributes:
        model: what is evaluated.
        output: what its numbers mean.
        baselines: names of `BASELINES`, and the linear autoregression.
        season: in rows, of the seasonal naive forecast.
        recursive: whether the model predicts one row ahead and sees its own predictions.
    """

    model: Any = attrs.field(converter=as_fit)
    output: Output
    baselines: tuple[str, ...]
    season: int
    recursive: bool

    def __attrs_post_init__(self) -> None:
        known = (*BASELINES, LINEAR)
        for name in self.baselines:
            if name not in known:
                raise UnknownNameError(f"no baseline {name!r}; {nearest(str(name), known, 'baselines')}")
        if isinstance(self.season, bool) or not isinstance(self.season, int) or self.season < 1:
            raise InputError(f"season={self.season!r}: expected a number of rows, an int from 1 on")
        if self.recursive and self.output.columns > 1:
            raise InputError(
                f"recursive=True with {self.output}: one number for each target is fed back, and quantiles of one "
                "step give none of the next; forecast all steps directly (recursive=False)"
            )

    def check(self, preparation: Preparation) -> None:
        """Refuse what cannot be forecast recursively.

        Raises:
            InputError: a column whose future is not known would have to be.
        """
        windows = preparation.windows
        if self.recursive and windows.past and windows.horizon > 1:
            raise InputError(
                f"recursive=True: the rows to come are seen by later steps, and {', '.join(windows.past)} will not be "
                "known in them; make it a target or a future column, or forecast directly (recursive=False)"
            )


@attrs.frozen(kw_only=True, eq=False)
class Trained:
    """What came of a `Plan` on the training rows of one split.

    Attributes:
        preparation: transforms and scalings, fitted.
        train: the training rows of each series.
        data: the training windows.
    """

    plan: Plan
    preparation: Preparation
    train: Mapping[Any, range]
    data: WindowData
    _predict: Mapping[str, Callable[[WindowData, Frames], Array]]
    _intervals: Mapping[str, Intervals]

    @classmethod
    def fit(
        cls, plan: Plan, preparation: Preparation, series: Frames, train: Mapping[Any, range], seen: Mapping[Any, range]
    ) -> Trained:
        """Fit the model and the baselines on the rows `train`; the rows `seen` after them are for validation.

        Raises:
            InputError: there is no training window.
        """
        plan.check(preparation)
        stride = preparation.windows.stride
        origins = {name: preparation.origins(rows, rows)[::stride] for name, rows in train.items()}
        data = preparation.cut(series, origins)
        later = {name: range(train[name].start, max(rows.stop, train[name].stop)) for name, rows in seen.items()}
        checked = {name: preparation.origins(later[name], rows)[::stride] for name, rows in seen.items()}
        validation = preparation.cut(series, checked) if any(map(len, checked.values())) else None
        predict: dict[str, Callable[[WindowData, Frames], Array]] = {
            MODEL: _of_model(plan, preparation, data, validation)
        }
        intervals = {}
        for name in plan.baselines:
            predict[name] = (
                _of_linear(preparation, data)
                if name == LINEAR
                else functools.partial(_of_baseline, name, plan, preparation, train)
            )
            if plan.output.levels:
                past = data.take(data.origin >= plan.season - 1) if name == SEASONAL else data
                intervals[name] = Intervals.fit(predict[name], plan.output.levels, preparation, series, past)
        return cls(plan=plan, preparation=preparation, train=train, data=data, predict=predict, intervals=intervals)

    def forecast(self, series: Frames, data: WindowData) -> dict[str, Array]:
        """The forecasts of each forecaster from the origins of `data`, in the data's own units.

        Returns:
            By name, (n, horizon, N, 1 + Q): the forecast, then its quantiles, ascending.
        """
        said = {}
        for name, predict in self._predict.items():
            levels = predict(data, series)
            said[name] = self._intervals[name].around(series, data, levels) if name in self._intervals else levels
        return said


def _of_model(
    plan: Plan, preparation: Preparation, data: WindowData, validation: WindowData | None
) -> Callable[[WindowData, Frames], Array]:
    if not len(data):
        raise InputError(f"there is no training window of {preparation.windows}; the training part is too short")
    shorten: Callable[[WindowData], WindowData] = one_step if plan.recursive else lambda windows: windows
    fit: Fit = plan.model
    predict = fit(shorten(data), None if validation is None else shorten(validation))
    if not callable(predict):
        raise InputError(
            f"{plan.model!r} answered with {type(predict).__name__}; expected a function predict(context, future)"
        )
    targets = len(preparation.windows.targets)

    def say(context: Array, future: Array) -> Array:
        said = np.asarray(predict(context, future), dtype=float)
        wanted = (len(context), future.shape[1], targets * plan.output.columns)
        if said.shape != wanted:
            raise InputError(
                f"the model predicts {said.shape} for a context {context.shape}; expected {wanted}: windows, steps, "
                f"{targets} targets with {plan.output.columns} numbers each"
            )
        if not np.isfinite(said).all():
            raise InputError(f"the model predicts {int((~np.isfinite(said)).sum())} of {said.size} numbers not finite")
        return said

    def forecast(asked: WindowData, series: Frames) -> Array:
        if plan.recursive:
            return preparation.chained(series, asked, recurse(say, asked.context, asked.future))[..., None]
        return preparation.own_units(series, asked, plan.output.read(say(asked.context, asked.future)))

    return forecast


def _of_linear(preparation: Preparation, data: WindowData) -> Callable[[WindowData, Frames], Array]:
    """Least squares on the last rows of the targets: all that an autoregression is."""
    from sklearn.linear_model import LinearRegression, Ridge

    targets, context = len(preparation.windows.targets), data.context.shape[1]
    lags = min(LAGS, context)
    # With as many coefficients as windows least squares would fit the noise.
    model = LinearRegression() if len(data) > 2 * lags * targets else Ridge()
    predict = Regressor(model, lags=lags, features=targets)(data)

    def forecast(asked: WindowData, series: Frames) -> Array:
        return preparation.own_units(series, asked, predict(asked.context, asked.future))[..., None]

    return forecast


def _of_baseline(
    name: str, plan: Plan, preparation: Preparation, train: Mapping[Any, range], asked: WindowData, series: Frames
) -> Array:
    said = np.empty(asked.target.shape)
    for key, frame in series.items():
        mine = np.flatnonzero(asked.series == key)
        for k, column in enumerate(preparation.windows.targets):
            past = Past(
                levels=frame[column].to_numpy(),
                train=train[key],
                origin=asked.origin[mine],
                horizon=preparation.windows.horizon,
                season=plan.season,
            )
            said[mine, :, k] = BASELINES[name](past)
    return said[..., None]
