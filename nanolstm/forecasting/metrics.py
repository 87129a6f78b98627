"""Scores of forecasts, in the data's own units; each over all forecasts at once, never an average of averages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.errors import InputError, UnknownNameError, nearest

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@attrs.frozen(kw_only=True, eq=False)
class Scored:
    """Forecasts and what became of them, n of each.

    Attributes:
        actual: what happened.
        forecast: what was said.
        last: the last level that was known.
        scale: the mean absolute change over a season in the training part of each forecast's fold and series.
        quantiles: (n, Q), ascending; Q may be 0.
        levels: which quantiles.
    """

    actual: Array
    forecast: Array
    last: Array
    scale: Array
    quantiles: Array
    levels: tuple[float, ...]


def rmse(s: Scored) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean(np.square(s.forecast - s.actual))))


def mae(s: Scored) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(s.forecast - s.actual)))


def mase(s: Scored) -> float:
    """Mean absolute error, each divided by what a seasonal naive forecast errs by, one season ahead, in training.

    Below 1, it errs by less than that. NaN or infinite for a series that never changed in training.

    Source: Hyndman & Koehler (2006), Another look at measures of forecast accuracy, International Journal of
    Forecasting 22(4), 679-688.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.abs(s.forecast - s.actual) / s.scale))


def smape(s: Scored) -> float:
    """Symmetric mean absolute percentage error, 0 to 200, as in the M4 competition; 0 where both are 0."""
    size = np.abs(s.forecast) + np.abs(s.actual)
    return float(200 * np.mean(np.abs(s.forecast - s.actual) / np.where(size > 0, size, 1.0)))


def direction(s: Scored) -> float:
    """The share of forecasts that had the direction of the change from the last known level right.

    Of those only that told one, where there was one: NaN of persistence, which tells none.
    """
    said, was = np.sign(s.forecast - s.last), np.sign(s.actual - s.last)
    told = (said != 0) & (was != 0)
    return float(np.mean(said[told] == was[told])) if told.any() else float("nan")


def pinball_losses(actual: Array, quantiles: Array, levels: tuple[float, ...]) -> Array:
    """The pinball loss of each forecast (n,), its quantiles (n, Q) averaged.

    Source: Koenker & Bassett (1978), Regression Quantiles, Econometrica 46(1), 33-50.
    """
    error = actual[:, None] - quantiles
    q = np.asarray(levels)
    losses: Array = np.maximum(q * error, (q - 1) * error).mean(axis=1)
    return losses


def pinball(s: Scored) -> float:
    """Mean pinball loss over all quantiles."""
    return float(np.mean(pinball_losses(s.actual, s.quantiles, s.levels)))


def coverage(s: Scored) -> float:
    """The share of what happened that lies from the lowest quantile to the highest; `levels` say what it should be."""
    return float(np.mean((s.quantiles[:, 0] <= s.actual) & (s.actual <= s.quantiles[:, -1])))


METRICS: Mapping[str, Callable[[Scored], float]] = {
    "rmse": rmse,
    "mae": mae,
    "mase": mase,
    "smape": smape,
    "direction": direction,
    "pinball": pinball,
    "coverage": coverage,
}
LABELS = {"rmse": "RMSE", "mae": "MAE", "mase": "MASE", "pinball": "pinball loss"}
OF_QUANTILES = ("pinball", "coverage")

LOSSES: Mapping[str, Callable[[Scored], Array]] = {
    "rmse": lambda s: np.square(s.forecast - s.actual),
    "mae": lambda s: np.abs(s.forecast - s.actual),
    "mase": lambda s: np.abs(s.forecast - s.actual) / s.scale,
    "pinball": lambda s: pinball_losses(s.actual, s.quantiles, s.levels),
}
"""Of metrics that can be tested: the loss of each forecast, whose mean the metric is (of `rmse`, its square)."""


def check_criterion(name: str, levels: tuple[float, ...]) -> str:
    """`name`, if it is a metric that can be tested on such forecasts.

    Raises:
        UnknownNameError: it is none.
        InputError: it is of quantiles, and there are none.
    """
    if name not in LOSSES:
        raise UnknownNameError(f"no criterion {name!r}; {nearest(str(name), LOSSES, 'criteria')}")
    if name in OF_QUANTILES and not levels:
        raise InputError(f"criterion={name!r} is of quantiles; give output=Quantiles(...) or Gaussian(...)")
    return name


def seasonal_scale(levels: Array, train: range, season: int) -> float:
    """The mean absolute change over `season` rows within the training rows: what MASE divides by."""
    known = levels[train.start : train.stop]
    if len(known) <= season:
        raise InputError(
            f"season={season}: {len(known)} training rows hold no season; MASE needs at least {season + 1}"
        )
    return float(np.abs(known[season:] - known[:-season]).mean())
