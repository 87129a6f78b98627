"""What the numbers of a prediction mean: the forecast itself, its quantiles, or a Gaussian's mean and log variance."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import attrs
import numpy as np

from nanolstm.errors import InputError

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
LEVELS = (0.1, 0.5, 0.9)


def uncross(quantiles: Array) -> Array:
    """Quantiles (..., Q) in ascending order.

    Sorting is no cosmetic: the sorted curve is at least as near to the true quantiles as the crossing one.

    >>> uncross(np.array([[1.0, 3.0, 2.0]])).tolist()
    [[1.0, 2.0, 3.0]]

    Source: Chernozhukov, Fernandez-Val & Galichon (2010), Quantile and Probability Curves Without Crossing,
    Econometrica 78(3), 1093-1125.
    """
    ascending: Array = np.sort(quantiles, axis=-1)
    return ascending


def gaussian_quantiles(prediction: Array, levels: tuple[float, ...] = LEVELS) -> Array:
    """The quantiles (..., N, Q) of Gaussians whose mean and log variance stand side by side in (..., 2 * N).

    >>> gaussian_quantiles(np.array([0.0, 2.0]), (0.5, 0.975)).round(4).tolist()    # standard deviation e
    [[0.0, 5.3277]]
    """
    from scipy.special import ndtri

    mean, deviation = prediction[..., 0::2], np.exp(0.5 * prediction[..., 1::2])
    quantiles: Array = mean[..., None] + deviation[..., None] * ndtri(np.asarray(_ascending(levels)))
    return quantiles


class Output(Protocol):
    """How a prediction is read: columns for each target, and as which quantiles."""

    @property
    def columns(self) -> int:
        """How many numbers of a prediction go with one target."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles that it gives, ascending; none of a forecast that is one number."""

    def read(self, prediction: Array) -> Array:
        """(..., N * columns) to the forecast and its quantiles, (..., N, 1 + Q)."""


@attrs.frozen
class Point:
    """One number for each target."""

    columns: int = attrs.field(default=1, init=False)
    levels: tuple[float, ...] = attrs.field(default=(), init=False)

    def read(self, prediction: Array) -> Array:
        """The prediction itself."""
        return prediction[..., None]


def _ascending(levels: Any) -> tuple[float, ...]:
    given = tuple(float(level) for level in np.ravel(levels))
    if not given or any(not 0 < level < 1 for level in given) or list(given) != sorted(set(given)):
        raise InputError(f"quantiles {levels!r}: expected ascending numbers between 0 and 1, such as (0.1, 0.5, 0.9)")
    return given


def _with_median(levels: Any) -> tuple[float, ...]:
    given = _ascending(levels)
    if 0.5 not in given:
        raise InputError(f"quantiles {given}: 0.5 is not among them, which is taken as the forecast itself; add it")
    return given


@attrs.frozen
class Quantiles:
    """The quantiles `levels`, as the loss `quantile(q=levels)` trains them; the forecast itself is the median."""

    levels: tuple[float, ...] = attrs.field(default=LEVELS, converter=_with_median)

    @property
    def columns(self) -> int:
        """One for each quantile."""
        return len(self.levels)

    def read(self, prediction: Array) -> Array:
        """The median, then all quantiles, in order."""
        sorted_ = uncross(prediction.reshape(*prediction.shape[:-1], -1, len(self.levels)))
        middle = self.levels.index(0.5)
        return np.concatenate([sorted_[..., middle : middle + 1], sorted_], axis=-1)


@attrs.frozen
class Gaussian:
    """Mean and log variance, as the loss `gaussian_nll` trains them, read as the quantiles `levels`.

    The forecast itself is the median, which is the mean in scaled units.
    """

    levels: tuple[float, ...] = attrs.field(default=LEVELS, converter=_ascending)
    columns: int = attrs.field(default=2, init=False)

    def read(self, prediction: Array) -> Array:
        """The mean, then all quantiles."""
        return np.concatenate([prediction[..., 0::2, None], gaussian_quantiles(prediction, self.levels)], axis=-1)
