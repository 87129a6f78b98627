"""Is one forecast better than another, or was it luck?"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.errors import InputError

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@attrs.frozen
class Comparison:
    """A Diebold-Mariano test of two forecasts.

    Attributes:
        statistic: below 0 where the first has the lower loss; NaN where nothing can be said.
        p: the probability of a statistic at least so far from 0, either way, if both were equally good.
        n: how many pairs of losses were compared.
        kernel: how autocovariances were weighted: `"rectangular"`, or `"bartlett"` where that gave no positive
            variance.
    """

    statistic: float
    p: float
    n: int
    kernel: str


def diebold_mariano(losses: Any, others: Any, *, step: int = 1) -> Comparison:
    """Test whether two forecasts of the same targets are equally good, by their losses (squared errors, say).

    ```python
    import numpy as np
    import nanolstm as nl

    noise = np.random.default_rng(0).normal(size=(2, 200))
    good, bad = noise[0] ** 2, (1.5 * noise[1]) ** 2
    assert nl.diebold_mariano(good, bad).p < 0.01
    ```

    The mean difference of losses is divided by its standard error, which takes account of the correlation of up to
    `step - 1` neighbours, as forecasts `step` rows ahead overlap. The statistic is then corrected for small samples
    and compared with a t distribution of n - 1 degrees of freedom. Where the estimated variance is not positive, which
    happens for `step` beyond 1, Bartlett's weights, under which it is, take the place of equal ones.

    Args:
        losses: of one forecast, (n,), in order of time.
        others: of the other, (n,).
        step: how many rows ahead both look (in origins, where a forecast is made every so many rows).

    Raises:
        InputError: arrays of other shapes, or fewer than `step + 1` losses.

    Source: Diebold & Mariano (1995), Comparing Predictive Accuracy, Journal of Business & Economic Statistics 13(3),
    253-263; the correction and the t distribution: Harvey, Leybourne & Newbold (1997), Testing the equality of
    prediction mean squared errors, International Journal of Forecasting 13(2), 281-291.
    """
    from scipy.stats import t

    one, other = np.asarray(losses, dtype=float), np.asarray(others, dtype=float)
    if one.ndim != 1 or one.shape != other.shape:
        raise InputError(f"diebold_mariano: losses of shape {one.shape} and {other.shape}; expected (n,), and the same")
    n = len(one)
    if step < 1 or n <= step:
        raise InputError(f"diebold_mariano: {n} losses of forecasts {step} steps ahead; expected at least {step + 1}")
    difference = one - other
    centred = difference - difference.mean()
    covariances = np.array([centred[lag:] @ centred[: n - lag] for lag in range(step)]) / n
    kernel, variance = "rectangular", covariances[0] + 2 * covariances[1:].sum()
    if variance <= 0:
        kernel = "bartlett"
        variance = covariances[0] + 2 * ((1 - np.arange(1, step) / step) * covariances[1:]).sum()
    # What rounding leaves of equal losses, or of a constant difference, is no variance.
    if variance <= (1e-13 * max(np.abs(one).max(), np.abs(other).max())) ** 2:
        return Comparison(float("nan"), float("nan"), n, kernel)
    correction = (n + 1 - 2 * step + step * (step - 1) / n) / n
    statistic = float(difference.mean() / np.sqrt(variance / n) * np.sqrt(correction))
    return Comparison(statistic, float(2 * t.sf(abs(statistic), n - 1)), n, kernel)


def holm(p: Any) -> Array:
    """P-values corrected for how many there are: the chance of one false alarm among all stays below each.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]

    NaN stays NaN and does not count.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics
    6(2), 65-70.
    """
    given = np.asarray(p, dtype=float)
    corrected = np.full(given.shape, np.nan)
    order = np.argsort(given, kind="stable")[: int(np.isfinite(given).sum())]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return corrected
