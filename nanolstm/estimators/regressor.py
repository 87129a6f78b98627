"""From sequences to numbers."""

from __future__ import annotations

from typing import Any, Self

import attrs
import numpy as np
from sklearn.base import RegressorMixin, clone
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, check_consistent_length

from nanolstm.data.windows import WindowData
from nanolstm.errors import InputError
from nanolstm.estimators.recurrent import RecurrentEstimator
from nanolstm.estimators.sequences import Sequences, sequences
from nanolstm.forecasting.recurrent import window_inputs, window_targets
from nanolstm.language.functions import Array


@attrs.frozen
class OfWindows:
    """A regressor that was fitted on windows: a `Predict` of `nanolstm.forecasting.forecaster`."""

    regressor: RecurrentRegressor

    def __call__(self, context: Array, future: Array, /) -> Array:
        """(n, context, M) and (n, horizon, F) to (n, horizon, N * columns)."""
        said: Array = self.regressor.predict(window_inputs(context, future))
        return said.reshape(len(context), future.shape[1], -1)


class RecurrentRegressor(RegressorMixin, RecurrentEstimator):
    """A recurrent model that says numbers of a sequence, or of each of its steps, as a scikit-learn regressor.

    ```python
    import numpy as np
    from sklearn.model_selection import cross_val_score
    from nanolstm.estimators import RecurrentRegressor

    rng = np.random.default_rng(0)
    x = [rng.normal(size=(length, 2)) for length in rng.integers(5, 15, size=60)]   # of unequal length
    y = [np.cumsum(one[:, 0]) for one in x]                                         # a number for each step
    model = RecurrentRegressor("LSTM", hidden=4, steps="all", epochs=5, random_state=0).fit(x, y)
    model.predict(x)[0].shape                                                       # as many as x[0] has steps
    cross_val_score(model, x, y, cv=3)                                              # R2
    ```

    `X` is (n, T, M), a list of arrays (T, M) of unequal length, or a table (n, T), whose rows are sequences of one
    feature. A linear readout stands on top of the cell. All options but the first four, `backend` and `random_state`
    are those of [`nl.fit`][nanolstm.fit].

    Args:
        cell: the name of a registered cell, with its fields in brackets or without; a class of cells; a cell, which is
            a template and never changed: each fit starts from a freshly drawn one; or a list of these, from the
            lowest up.
        hidden: the hidden size K of cells that are given by name or class; None for 16.
        bidirectional: read sequences from their end too.
        steps: `"last"`: y is (n,) or (n, N), one for each sequence. `"all"`: y is (n, T) or (n, T, N), or a list of
            arrays (T,) or (T, N), one for each step.
        loss: None for `"mse"`. Of a loss with several columns (quantiles, mean and log variance) `predict` answers
            with all of them, as the loss takes them.
        optimizer: as for `nl.fit`.
        epochs: as for `nl.fit`.
        batch_size: as for `nl.fit`.
        validation: `(X, y)`, or a share that is held back at the end.
        patience: as for `nl.fit`.
        clip: as for `nl.fit`; None for no clipping.
        schedule: as for `nl.fit`.
        truncate: as for `nl.fit`.
        batching: as for `nl.fit`.
        metrics: as for `nl.fit`.
        callbacks: as for `nl.fit`.
        backend: as for [`Sequence`][nanolstm.Sequence].
        progress: as for `nl.fit`, but off unless asked for.
        random_state: an int, a `numpy.random.RandomState` or None: draws first values, the order of data, and noise.

    Attributes:
        model_: the [`Sequence`][nanolstm.Sequence] that was trained.
        run_: the [`Run`][nanolstm.Run]: `run_.history`, `run_.why`.
        n_iter_: how many epochs there were.
        n_features_in_: the features M, or of a table its columns T.
        feature_names_in_: their names, if X was a DataFrame, or a list of such.
    """

    _usual_loss = "mse"

    def fit(self, X: Any, y: Any) -> Self:
        """Train a freshly drawn model.

        Raises:
            InputError: X or y in another form, or an option that is none.
            UnknownNameError: a cell, loss, optimizer or schedule that no plugin registered.
            DivergedError: as for `nl.fit`.
        """
        x, target = self._read(X, y, reset=True)
        validation = self.validation
        if isinstance(validation, tuple):
            held, of_held = self._read(*validation, reset=False)
            validation = {"x": held.x, "target": of_held, **held.options}
        self._fit(x, target, target.shape[-1] * self._loss().columns, validation)
        return self

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one epoch more, from the parameters and the optimizer's memory as they are.

        `validation`, `patience` and `schedule` have no part in it. Errors as for `fit`.
        """
        first = not hasattr(self, "model_")
        x, target = self._read(X, y, reset=first)
        if first:
            self._begin(x, target.shape[-1] * self._loss().columns)
        self._fit_on(x, target)
        return self

    def predict(self, X: Any) -> Any:
        """What the model says of each sequence, (n,) or (n, N), or of each step: in the form of X, a list or an array.

        Raises:
            InputError: X in another form than it was fitted on.
        """
        x, said = self._outputs(X)
        said = said[..., 0] if self._is_flat and said.shape[-1] == 1 else said
        return said if self.steps == "last" else x.given_back(said)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2, over all sequences or all their steps.

        Raises:
            InputError: a loss of several columns, of which there is no R2.
        """
        if (columns := self._loss().columns) > 1:
            raise InputError(
                f"loss {self._loss()} makes {columns} numbers of each target, of which there is no R2; score what "
                "predict answers with by a scorer of your own"
            )
        if self.steps == "last":
            return float(super().score(X, y, sample_weight))
        x = sequences(self, X, reset=False)
        true, said, weight = self._over_steps(x, y, self.predict(X), sample_weight)
        return float(r2_score(true, said, sample_weight=weight))

    def fit_windows(self, train: WindowData, validation: WindowData | None = None, /) -> OfWindows:
        """Train a clone on windows of series: what `nl.walk_forward` and `nl.forecast` do with this regressor.

        The output at the last step of a context says all steps and targets of its horizon. Windows for validation take
        the place of `validation`.

        Raises:
            InputError: `steps="all"`.
        """
        if self.steps != "last":
            raise InputError(
                f'steps={self.steps!r}: a window has its targets after its last step; leave out steps="all"'
            )
        model = clone(self)
        if validation is not None and len(validation):
            model.validation = (window_inputs(validation.context, validation.future), window_targets(validation))
        return OfWindows(model.fit(window_inputs(train.context, train.future), window_targets(train)))

    def _read(self, X: Any, y: Any, *, reset: bool) -> tuple[Sequences, Array]:
        """X, and y as the model's outputs are: (n, N), or for all steps (n, T, N)."""
        self._check_options(y)
        x = sequences(self, X, reset=reset)
        given = y if self.steps == "last" else x.steps(y, "y")
        target = check_array(given, ensure_2d=False, dtype=np.float64, estimator=self, input_name="y")
        if self.steps == "last":
            check_consistent_length(x.x, target)
        flat = target.ndim == 1
        target = target[:, None] if flat else target
        if reset:
            self._is_flat, self._targets = flat, target.shape[1]
        elif target.shape[1] != self._targets:
            raise InputError(f"y has {target.shape[1]} targets; the model was fitted on {self._targets}")
        return x, target if self.steps == "last" else x.padded(target)

    def __sklearn_tags__(self) -> Any:
        """Several targets are taken."""
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags
