"""Each makes a transformer that has not been fitted; scikit-learn is imported when the first one is made."""

from __future__ import annotations

from typing import Any


def standard() -> Any:
    """Mean 0 and standard deviation 1 on the training rows.

    Returns:
        `sklearn.preprocessing.StandardScaler()`.
    """
    from sklearn.preprocessing import StandardScaler

    return StandardScaler()


def minmax(low: float = 0.0, high: float = 1.0) -> Any:
    """The training rows from `low` to `high`; later rows may lie outside.

    Args:
        low: what the smallest training value becomes.
        high: what the largest becomes.

    Returns:
        `sklearn.preprocessing.MinMaxScaler((low, high))`.
    """
    from sklearn.preprocessing import MinMaxScaler

    return MinMaxScaler((low, high))


def robust(quantile_range: tuple[float, float] = (25.0, 75.0)) -> Any:
    """Median 0 and interquartile range 1 on the training rows: outliers hardly move it.

    Args:
        quantile_range: another range than that of the quartiles, in percent.

    Returns:
        `sklearn.preprocessing.RobustScaler(quantile_range=quantile_range)`.
    """
    from sklearn.preprocessing import RobustScaler

    return RobustScaler(quantile_range=quantile_range)


def none() -> Any:
    """The numbers as they are.

    Returns:
        `sklearn.preprocessing.FunctionTransformer()`, which does nothing, both ways.
    """
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer()
