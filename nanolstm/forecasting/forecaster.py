"""What can be evaluated: anything that fits on windows and then predicts."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import attrs
import numpy as np

from nanolstm.data.windows import WindowData
from nanolstm.errors import InputError

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


class Predict(Protocol):
    """A fitted forecaster."""

    def __call__(self, context: Array, future: Array, /) -> Array:
        """(n, context, M) and (n, horizon, F) to (n, horizon, N * columns), all in scaled units.

        The columns of an output of several numbers (quantiles, mean and log variance) stand together for each target,
        as losses take them.
        """


class Fit(Protocol):
    """What fits: a function of the training windows and the validation windows (None without any)."""

    def __call__(self, train: WindowData, validation: WindowData | None, /) -> Predict:
        """Fit on `train`; `validation` may decide when to stop."""


def as_fit(model: Any) -> Fit:
    """`model` as a function that fits: itself, or for a scikit-learn regressor one that fits a clone of it.

    A regressor that has a method `fit_windows` of this form takes windows as they are, and not each as one row.

    Raises:
        InputError: neither.
    """
    if hasattr(model, "fit_windows") and not isinstance(model, type):
        return model.fit_windows  # type: ignore[no-any-return]
    if hasattr(model, "fit") and hasattr(model, "predict") and not isinstance(model, type):
        return Regressor(model)
    if not callable(model) or isinstance(model, type):
        raise InputError(
            f"{model!r} does not fit; expected a function fit(train, validation) that answers with a function "
            "predict(context, future), or a scikit-learn regressor such as Ridge()"
        )
    return model  # type: ignore[no-any-return]


@attrs.frozen
class Regressor:
    """A scikit-learn regressor of several outputs as a forecaster: all that is known of a window is one row.

    Args:
        model: the regressor; a clone of it is fitted.
        lags: how many of the last rows of a context it sees; None for all.
        features: how many of the features, counted from the first; None for all, and the future.
    """

    model: Any
    lags: int | None = None
    features: int | None = None

    def __call__(self, train: WindowData, validation: WindowData | None = None, /) -> Predict:  # noqa: ARG002
        """Fit a clone on `train`; a regressor has no use for validation."""
        from sklearn.base import clone

        horizon = train.target.shape[1]
        target = train.target.reshape(len(train), -1)
        rows = self._rows(train.context, train.future)
        fitted = clone(self.model).fit(rows, target[:, 0] if target.shape[1] == 1 else target)

        def predict(context: Array, future: Array, /) -> Array:
            said = np.asarray(fitted.predict(self._rows(context, future)), dtype=float)
            return said.reshape(len(context), horizon, -1)

        return predict

    def _rows(self, context: Array, future: Array) -> Array:
        seen = context[:, -(self.lags or context.shape[1]) :, : self.features]
        parts = [seen, future] if self.features is None else [seen]
        return np.concatenate([part.reshape(len(context), -1) for part in parts], axis=1)


def one_step(data: WindowData) -> WindowData:
    """`data` with its first step only: what a recursive forecaster is fitted on."""
    return attrs.evolve(data, future=data.future[:, :1], target=data.target[:, :1], times=data.times[:, :1])


def recurse(predict: Predict, context: Array, future: Array) -> Array:
    """Predict row after row with a forecaster of one step, each prediction being seen by the next.

    Args:
        predict: one step ahead, (n, 1, N).
        context: (n, context, M), whose first N features are the targets and whose last F are known in the future.
        future: (n, horizon, F).

    Returns:
        (n, horizon, N), the changes from row to row.
    """
    steps = []
    for step in range(future.shape[1]):
        said = predict(context, future[:, step : step + 1])
        steps.append(said[:, 0])
        row = np.concatenate([said[:, 0], future[:, step]], axis=1)
        context = np.concatenate([context[:, 1:], row[:, None]], axis=1)
    return np.stack(steps, axis=1)
