"""From sequences to classes."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length

from nanolstm.errors import InputError
from nanolstm.estimators.recurrent import RecurrentEstimator
from nanolstm.estimators.sequences import Sequences, sequences
from nanolstm.language.functions import Array


class RecurrentClassifier(ClassifierMixin, RecurrentEstimator):
    """A recurrent model that says the class of a sequence, or of each of its steps, as a scikit-learn classifier.

    ```python
    import numpy as np
    from nanolstm.estimators import RecurrentClassifier

    x = np.random.default_rng(0).normal(size=(60, 10))                    # 60 sequences of one feature
    y = np.where(x.sum(axis=1) > 0, "up", "down")
    model = RecurrentClassifier("LSTM", hidden=4, epochs=5, random_state=0).fit(x, y)
    model.predict_proba(x).shape, model.classes_                          # (60, 2), ["down", "up"]
    ```

    `X` is what [`RecurrentRegressor`][nanolstm.estimators.RecurrentRegressor] takes. The readout has an output for each
    class; probabilities are their softmax.

    Args:
        cell: as there.
        hidden: as there.
        bidirectional: as there.
        steps: `"last"`: y is (n,), a class for each sequence. `"all"`: y is (n, T), or a list of arrays (T,), a class
            for each step.
        loss: None for `"cross_entropy"`; others are given the outputs, and classes as one of each row's columns.
        optimizer: as there.
        epochs: as there.
        batch_size: as there.
        validation: `(X, y)`, or a share that is held back: with `steps="last"` drawn at random with as much of each
            class as there is in y, otherwise the end.
        patience: as there.
        clip: as there.
        schedule: as there.
        truncate: as there.
        batching: as there.
        metrics: as there; `"accuracy"`, say.
        callbacks: as there.
        backend: as there.
        progress: as there.
        random_state: as there; it draws what is held back too.

    Attributes:
        classes_: the classes, sorted.
        model_: as there.
        run_: as there.
        n_iter_: as there.
        n_features_in_: as there.
        feature_names_in_: as there.
    """

    _usual_loss = "cross_entropy"

    def fit(self, X: Any, y: Any) -> Self:
        """Train a freshly drawn model.

        Raises:
            InputError: X or y in another form, y of one class, or an option that is none.
            UnknownNameError: a cell, loss, optimizer or schedule that no plugin registered.
            DivergedError: as for `nl.fit`.
        """
        x, labels = self._read(X, y, reset=True)
        self._know(np.unique(labels), "y")
        target = self._encoded(x, labels)
        x, target, validation = self._split(x, target, labels)
        self._fit(x, target, len(self.classes_), validation)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Train for one epoch more, from the parameters and the optimizer's memory as they are.

        `validation`, `patience` and `schedule` have no part in it.

        Args:
            X: as for `fit`.
            y: as for `fit`.
            classes: all that there will be; needed in the first call.

        Raises:
            InputError: as for `fit`, and other classes than in the first call.
        """
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise InputError("partial_fit: classes= must be given in the first call: all classes that there will be")
        x, labels = self._read(X, y, reset=first)
        if first:
            self._know(np.unique(classes), "classes")
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InputError(f"partial_fit: classes={classes!r}; they were {self.classes_.tolist()} in the first call")
        target = self._encoded(x, labels)
        if first:
            self._begin(x, len(self.classes_))
        self._fit_on(x, target)
        return self

    def predict(self, X: Any) -> Any:
        """The likeliest class of each sequence, (n,), or of each step: in the form of X, a list or an array.

        Raises:
            InputError: X in another form than it was fitted on.
        """
        x, logits = self._outputs(X)
        said = self.classes_[logits.argmax(axis=-1)]
        return said if self.steps == "last" else x.given_back(said)

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class, (n, C), or with `steps="all"` (n, T, C), or a list of arrays (T, C).

        Raises:
            InputError: X in another form than it was fitted on.
        """
        from scipy.special import softmax

        x, logits = self._outputs(X)
        said = softmax(logits, axis=-1)
        return said if self.steps == "last" else x.given_back(said)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of sequences, or of all their steps, whose class is right."""
        if self.steps == "last":
            return float(super().score(X, y, sample_weight))
        x = sequences(self, X, reset=False)
        true, said, weight = self._over_steps(x, y, self.predict(X), sample_weight)
        return float(accuracy_score(true, said, sample_weight=weight))

    def _read(self, X: Any, y: Any, *, reset: bool) -> tuple[Sequences, Array]:
        """X, and the classes: (n,), or of all steps one after the other."""
        self._check_options(y)
        x = sequences(self, X, reset=reset)
        given = y if self.steps == "last" else x.steps(y, "y")
        given = check_array(given, ensure_2d=False, dtype=None, estimator=self, input_name="y")
        labels: Array = column_or_1d(given, warn=True)
        check_classification_targets(labels)
        if self.steps == "last":
            check_consistent_length(x.x, labels)
        return x, labels

    def _know(self, classes: Array, name: str) -> None:
        if len(classes) < 2:
            raise InputError(f"{name} has one class, {classes.tolist()[0]!r}; a classifier needs two or more")
        self.classes_ = classes

    def _encoded(self, x: Sequences, labels: Array) -> Array:
        """A column for each class: (n, C), or for all steps (n, T, C)."""
        place = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        if (strange := self.classes_[place] != labels).any():
            raise InputError(
                f"y has the class {labels[strange].tolist()[0]!r}; known classes: {self.classes_.tolist()}"
            )
        columns = np.eye(len(self.classes_))[place]
        return columns if self.steps == "last" else x.padded(columns)

    def _split(self, x: Sequences, target: Array, labels: Array) -> tuple[Sequences, Array, Any]:
        """What is trained on, and what it is validated on."""
        given = self.validation
        if isinstance(given, tuple):
            held, of_held = self._read(*given, reset=False)
            return x, target, {"x": held.x, "target": self._encoded(held, of_held), **held.options}
        if given is None or self.steps == "all":
            return x, target, given
        # Data often comes class by class, and its end would then be of one of them.
        train, kept = train_test_split(
            np.arange(len(x)), test_size=given, stratify=labels, random_state=self.random_state
        )
        train, kept = np.sort(train), np.sort(kept)
        held = x.take(kept)
        return x.take(train), target[train], {"x": held.x, "target": target[kept], **held.options}
