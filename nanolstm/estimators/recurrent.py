"""What the estimators share: their parameters, how they are fitted, and how they go on from there."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nanolstm.errors import InputError
from nanolstm.estimators.sequences import Sequences, sequences
from nanolstm.estimators.template import fresh_model
from nanolstm.language.functions import Array
from nanolstm.losses import Loss
from nanolstm.losses import loss as find_loss
from nanolstm.train.fit import fit
from nanolstm.train.optimizer import Optimizer
from nanolstm.train.run import Run
from nanolstm.train.training import Training


class Moments:
    """The optimizer of one training goes on where that of another ended: a callback that hands its arrays over."""

    def __init__(self, before: Optimizer | None = None) -> None:
        """Go on from `before`; None to begin."""
        self.optimizer = before

    def fit_start(self, training: Training) -> None:
        """Hand over."""
        if self.optimizer is not None:
            training.plan.optimizer.restore(self.optimizer.state())
            training.plan.optimizer.steps = self.optimizer.steps

    def fit_end(self, training: Training, run: Run) -> None:  # noqa: ARG002  (the form of a callback)
        """Keep it."""
        self.optimizer = training.plan.optimizer


class RecurrentEstimator(BaseEstimator):
    """A recurrent model with a linear readout, from sequences to one value each, or to one for each step."""

    _usual_loss: str
    _moments: Optimizer | None

    def __init__(
        self,
        cell: Any = "LSTM",
        *,
        hidden: int | None = None,
        bidirectional: bool = False,
        steps: str = "last",
        loss: Any = None,
        optimizer: Any = "adam(lr=0.01)",
        epochs: int = 100,
        batch_size: int | None = None,
        validation: Any = None,
        patience: int | None = None,
        clip: Any = 1.0,
        schedule: Any = None,
        truncate: int | None = None,
        batching: str = "shuffled",
        metrics: Any = (),
        callbacks: Any = (),
        backend: str = "auto",
        progress: bool = False,
        random_state: Any = None,
    ) -> None:
        """Keep every parameter as it is: `fit` looks at them."""
        self.cell = cell
        self.hidden = hidden
        self.bidirectional = bidirectional
        self.steps = steps
        self.loss = loss
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.patience = patience
        self.clip = clip
        self.schedule = schedule
        self.truncate = truncate
        self.batching = batching
        self.metrics = metrics
        self.callbacks = callbacks
        self.backend = backend
        self.progress = progress
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Sequences have three axes; a table is sequences of one feature."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = True
        return tags

    @property
    def n_iter_(self) -> int:
        """How many epochs the last `fit` took, and those of `partial_fit` since."""
        check_is_fitted(self, "model_")
        return self._epochs

    def _fit(self, x: Sequences, target: Array, outputs: int, validation: Any) -> None:
        """Train a freshly drawn model on targets in the form of its outputs."""
        self._begin(x, outputs)
        self.run_ = self._train(x, target, self.epochs, validation, self.schedule)
        self._epochs = len(self.run_.history)

    def _fit_on(self, x: Sequences, target: Array) -> None:
        """One epoch more, from the parameters as they are."""
        # With one epoch there is nothing to choose among: the parameters after its last step stay.
        self.run_ = self._train(x, target, 1, None, None)
        self._epochs += 1

    def _begin(self, x: Sequences, outputs: int) -> None:
        draws = check_random_state(self.random_state)
        seeds = iter(lambda: int(draws.randint(np.iinfo(np.int32).max)), None)
        self.model_ = fresh_model(
            self.cell,
            hidden=self.hidden,
            inputs=x.x.shape[2],
            outputs=outputs,
            bidirectional=self.bidirectional,
            backend=self.backend,
            seeds=seeds,
        )
        self._rng, self._moments, self._epochs = np.random.default_rng(next(seeds)), None, 0

    def _train(self, x: Sequences, target: Array, epochs: int, validation: Any, schedule: Any) -> Run:
        given = self.callbacks if isinstance(self.callbacks, list | tuple) else [self.callbacks]
        moments = Moments(self._moments)
        run = fit(
            self.model_,
            {"x": x.x, "target": target, **x.options},
            loss=self._loss(),
            optimizer=self.optimizer,
            epochs=epochs,
            batch_size=self.batch_size,
            validation=validation,
            patience=self.patience,
            clip=self.clip,
            schedule=schedule,
            truncate=self.truncate,
            steps=self.steps,  # type: ignore[arg-type]  # checked where y was read
            batching=self.batching,
            metrics=self.metrics,
            callbacks=[*given, moments],
            rng=self._rng,
            progress=self.progress,
        )
        self._moments = moments.optimizer
        return run

    def _loss(self) -> Loss:
        return find_loss(self._usual_loss if self.loss is None else self.loss)

    def _check_options(self, y: Any) -> None:
        """What has to be known before y can be read."""
        if self.steps not in ("last", "all"):
            raise InputError(f"steps={self.steps!r}: expected 'last', one value for each sequence, or 'all'")
        if y is None:
            raise InputError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")

    def _outputs(self, given: Any) -> tuple[Sequences, Array]:
        """X as sequences, and the model's outputs: (n, N), or for all steps (n, T, N)."""
        check_is_fitted(self, "model_")
        x = sequences(self, given, reset=False)
        y = self.model_(x.x, **x.options)
        return x, x.last(y) if self.steps == "last" else y

    def _over_steps(self, x: Sequences, y: Any, predicted: Any, weight: Any) -> tuple[Array, Array, Any]:
        """True and predicted values of all steps of all sequences, and their weights."""
        weight = None if weight is None else np.repeat(weight, x.ends)
        return x.steps(y, "y"), x.steps(predicted, "the prediction"), weight
