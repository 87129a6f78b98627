"""Intervals for forecasts that are one number: from what they erred by in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from nanolstm.data.preparation import Preparation
from nanolstm.data.windows import WindowData
from nanolstm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Frames: TypeAlias = "Mapping[Any, pd.DataFrame]"


@attrs.frozen(kw_only=True, eq=False)
class Intervals:
    """The quantiles of a forecaster's errors in training, in changes, so that they grow with the level where it does.

    Attributes:
        levels: which quantiles.
        spread: for each series, (horizon, N, Q).
    """

    levels: tuple[float, ...]
    preparation: Preparation
    spread: Mapping[Any, Array]

    @classmethod
    def fit(
        cls,
        predict: Callable[[WindowData, Frames], Array],
        levels: tuple[float, ...],
        preparation: Preparation,
        series: Frames,
        data: WindowData,
    ) -> Intervals:
        """Of `predict`, (n, horizon, N, 1) in own units, on the windows `data`.

        Raises:
            InputError: a series has no such window.
        """
        errors = _changes(preparation, series, data, preparation.actual(series, data))
        errors -= _changes(preparation, series, data, predict(data, series)[..., 0])
        spread = {}
        for name in series:
            mine = errors[data.series == name]
            if not len(mine):
                raise InputError(
                    f"series {name!r} has no training window with a season before it, from whose errors a baseline's "
                    "intervals are taken; take a shorter season, or leave out the seasonal naive forecast"
                )
            spread[name] = np.moveaxis(np.quantile(mine, levels, axis=0), 0, -1)
        return cls(levels=levels, preparation=preparation, spread=spread)

    def around(self, series: Frames, data: WindowData, said: Array) -> Array:
        """The forecasts `said`, (n, horizon, N, 1), and their quantiles, (n, horizon, N, 1 + Q)."""
        changes = _changes(self.preparation, series, data, said[..., 0])
        moved = np.empty((*changes.shape, len(self.levels)))
        for name in series:
            mine = data.series == name
            moved[mine] = changes[mine, ..., None] + self.spread[name]
        return np.concatenate([said, _each(self.preparation, series, data, moved, "backward")], axis=-1)


def _changes(preparation: Preparation, series: Frames, data: WindowData, levels: Array) -> Array:
    return _each(preparation, series, data, levels, "forward")


def _each(preparation: Preparation, series: Frames, data: WindowData, values: Array, way: str) -> Array:
    """Changes of levels ("forward") or levels of changes ("backward"), each from its own base."""
    result = np.empty(values.shape)
    for name, frame in series.items():
        mine = np.flatnonzero(data.series == name)
        for k, column in enumerate(preparation.windows.targets):
            known = frame[column].to_numpy()
            for step in range(1, values.shape[1] + 1):
                base = preparation.base(column, known, data.origin[mine], step)
                given = values[mine, step - 1, k]
                function = getattr(preparation.of(column), way)
                result[mine, step - 1, k] = function(base.reshape(-1, *[1] * (given.ndim - 1)), given)
    return result
