"""Forecasts that cost nothing: whoever does not beat them has nothing to show.

The linear autoregression is fitted on the same windows as the model, and stands in `trained.py`.

Source of the others: Hyndman & Athanasopoulos (2021), Forecasting: Principles and Practice, 3rd edition, section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.errors import InputError

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@attrs.frozen(kw_only=True, eq=False)
class Past:
    """What a baseline may use: the levels of one target up to each origin, and the training rows.

    Attributes:
        levels: of the whole series, (T,); no baseline reads beyond an origin.
        train: the training rows.
        origin: the last known row of each forecast, (n,).
        horizon: how many rows ahead each looks.
        season: how many rows a season has.
    """

    levels: Array
    train: range
    origin: Array
    horizon: int
    season: int

    @property
    def steps(self) -> Array:
        """1 to the horizon."""
        return np.arange(1, self.horizon + 1)

    @property
    def last(self) -> Array:
        """The last known level of each forecast, (n, 1)."""
        found: Array = self.levels[self.origin, None]
        return found


def persistence(past: Past) -> Array:
    """The last known level, at every step."""
    return np.repeat(past.last, past.horizon, axis=1)


def seasonal_naive(past: Past) -> Array:
    """The level one season before, or the last known one of that season.

    Raises:
        InputError: a season is longer than what is known at an origin.
    """
    rows = past.origin[:, None] + past.steps - past.season * -(-past.steps // past.season)
    if rows.size and rows.min() < 0:
        raise InputError(
            f"season={past.season}: there is no level of a season before the first origin, row "
            f"{int(past.origin[0])}; take a shorter season, or leave out the seasonal naive forecast"
        )
    levels: Array = past.levels[rows]
    return levels


def drift(past: Past) -> Array:
    """The last known level, and on by the mean change of the training rows."""
    train = past.train
    slope = (past.levels[train.stop - 1] - past.levels[train.start]) / (len(train) - 1)
    forecast: Array = past.last + slope * past.steps
    return forecast


def mean(past: Past) -> Array:
    """The mean of the training rows."""
    level = past.levels[past.train.start : past.train.stop].mean()
    return np.full((len(past.origin), past.horizon), level)


SEASONAL = "seasonal naive"
LINEAR = "linear autoregression"

BASELINES: Mapping[str, Callable[[Past], Array]] = {
    "persistence": persistence,
    SEASONAL: seasonal_naive,
    "drift": drift,
    "mean": mean,
}
