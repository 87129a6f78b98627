"""Scaling by scikit-learn transformers, fitted on the rows that may be known and on no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    Array = np.ndarray[Any, np.dtype[Any]]


@attrs.frozen(eq=False)
class Scaling:
    """Two fitted transformers, one for the features and one for the target."""

    features: Any
    target: Any

    @classmethod
    def fit(cls, frame: pd.DataFrame, features: tuple[str, ...], target: str, transformer: Any = None) -> Scaling:
        """Fit clones of `transformer` (a `MinMaxScaler` where None, as in the notebook) on the rows of `frame`.

        Raises:
            InputError: `transformer` is no scikit-learn transformer that can also be inverted.
        """
        from sklearn.base import clone
        from sklearn.preprocessing import MinMaxScaler

        transformer = MinMaxScaler() if transformer is None else transformer
        for method in ("fit", "transform", "inverse_transform"):
            if not hasattr(transformer, method) or isinstance(transformer, type):
                raise InputError(
                    f"scaler={transformer!r} is no scikit-learn transformer with fit, transform and inverse_transform; "
                    "give an instance such as sklearn.preprocessing.StandardScaler()"
                )
        return cls(clone(transformer).fit(frame[list(features)]), clone(transformer).fit(frame[[target]]))

    def scale(self, frame: pd.DataFrame, features: tuple[str, ...], target: str) -> tuple[Array, Array]:
        """The features (T, M) and the target (T, 1) in scaled units."""
        return (
            np.asarray(self.features.transform(frame[list(features)]), dtype=float),
            np.asarray(self.target.transform(frame[[target]]), dtype=float),
        )

    def own_units(self, scaled: Array, target: str) -> Array:
        """Targets or predictions, (T, n), back in the data's own units; each column is a target."""
        import pandas as pd

        columns = [self.target.inverse_transform(pd.DataFrame({target: column})) for column in scaled.T]
        return np.concatenate([np.asarray(column) for column in columns], axis=1)
