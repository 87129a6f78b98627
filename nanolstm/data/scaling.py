"""Scaling by scikit-learn transformers, fitted on the rows that may be known and on no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]


def check_transformer(transformer: Any) -> Any:
    """`transformer` itself, if it can fit, transform and transform back.

    Raises:
        InputError: it cannot, or is a class.
    """
    for method in ("fit", "transform", "inverse_transform"):
        if not hasattr(transformer, method) or isinstance(transformer, type):
            raise InputError(
                f"scaler={transformer!r} is no scikit-learn transformer with fit, transform and inverse_transform; "
                "give an instance such as sklearn.preprocessing.StandardScaler()"
            )
    return transformer


@attrs.frozen(eq=False)
class Scaling:
    """A fitted transformer for each column, so that one column can be scaled, and scaled back, without the others."""

    transformers: Mapping[Any, Any]

    @classmethod
    def fit(cls, frame: pd.DataFrame, transformer: Any = None) -> Scaling:
        """Fit a clone of `transformer` (a `MinMaxScaler` where None, as in the notebook) on each column of `frame`.

        Raises:
            InputError: `transformer` is no scikit-learn transformer that can also be inverted.
        """
        from sklearn.base import clone
        from sklearn.preprocessing import MinMaxScaler

        transformer = check_transformer(MinMaxScaler() if transformer is None else transformer)
        return cls({column: clone(transformer).fit(_as_column(frame[column])) for column in frame})

    def scale(self, frame: pd.DataFrame) -> Array:
        """The columns of `frame`, in its order, in scaled units: (T, M)."""
        return np.stack([self.scale_column(frame[column], column) for column in frame], axis=1)

    def scale_column(self, numbers: Any, column: Any) -> Array:
        """Numbers of `column`, of any shape, in scaled units."""
        return self._apply("transform", numbers, column)

    def own_units(self, scaled: Array, column: Any) -> Array:
        """Numbers of `column`, of any shape, back in the data's own units."""
        return self._apply("inverse_transform", scaled, column)

    def _apply(self, method: str, numbers: Array, column: Any) -> Array:
        numbers = np.asarray(numbers, dtype=float)
        if not numbers.size:  # which scikit-learn refuses
            return numbers
        answer = getattr(self.transformers[column], method)(_as_column(numbers))
        return np.asarray(answer, dtype=float).reshape(numbers.shape)


def _as_column(numbers: Any) -> Array:
    return np.asarray(numbers, dtype=float).reshape(-1, 1)
