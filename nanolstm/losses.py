"""Losses: plain NumPy functions that plugins register, called on what a model and a series really look like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import numpy as np

from nanolstm import plugins
from nanolstm.errors import InputError, LossError, NanolstmError
from nanolstm.language.functions import Array
from nanolstm.naming import check_parameters, parse_name
from nanolstm.registry import Registry, singular


@attrs.frozen(kw_only=True)
class Loss:
    """A loss with its parameters: called with a prediction and a target, it answers with one number.

    ```python
    import numpy as np
    import nanolstm as nl

    loss = nl.loss("quantile(q=0.9)")
    loss(np.zeros((100, 1)), np.ones((100, 1)))          # 0.9
    ```

    Attributes:
        name: under which it is registered.
        function: the plain function of (prediction, target), each (n, N).
        parameters: what the function is given beside the arrays.
        columns: how many columns of the prediction go with one column of the target.
        classes: whether the target may be integer classes, which the function gets one-hot.
        in_target_units: whether every column of the prediction is an estimate of the target, in its units.
        higher_is_better: whether a larger number is a better score, as an accuracy is; no loss is so.
        plugin: the plugin that registered it.
    """

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    columns: int = 1
    classes: bool = False
    in_target_units: bool = True
    higher_is_better: bool = False
    plugin: str = ""

    def __call__(self, prediction: Any, target: Any, *, lengths: Any = None) -> float:
        """The loss over all valid entries.

        Args:
            prediction: (n, N), (T, N) or (B, T, N) finite or not, float.
            target: the same shape, with N divided by `columns`; without the last axis where that is 1. Nothing is
                broadcast. For a loss of classes: integers 0 to N - 1 without the last axis, or one-hot.
            lengths: (B,) ints: what lies beyond them in (B, T, N) does not count.

        Raises:
            InputError: other shapes, or no valid entry, or the function returns something that is not one number.
            LossError: the function itself fails.
        """
        predicted, true = self.entries(prediction, target, lengths=lengths)
        try:
            value = np.asarray(self.function(predicted, true, **self.parameters))
        except NanolstmError:
            raise
        except Exception as error:
            owner = f" of plugin {self.plugin}" if self.plugin else ""
            raise LossError(
                f"loss {self}{owner} failed: {type(error).__name__}: {' '.join(str(error).split())}"
            ) from error
        if value.shape != () or value.dtype.kind not in "biuf":
            what = f"an array of shape {value.shape}" if value.shape else f"{value[()]!r}"
            raise InputError(f"loss {self} returned {what}; a loss returns one number")
        return float(value)

    def entries(self, prediction: Any, target: Any, *, lengths: Any = None) -> tuple[Array, Array]:
        """The valid entries, (n, N) and (n, N / columns), as the function is given them; errors as for calling."""
        try:
            predicted = np.asarray(prediction)
        except ValueError as error:
            raise InputError(f"loss {self}: the prediction is no array: {error}") from None
        if predicted.ndim not in (2, 3) or predicted.dtype.kind != "f":
            raise InputError(
                f"loss {self}: the prediction has shape {predicted.shape} and dtype {predicted.dtype}; expected (n, N) "
                "or (B, T, N) floats"
            )
        true = self.aligned(predicted.shape, predicted.dtype, target, lengths=lengths)
        if lengths is None:
            predicted, true = predicted.reshape(-1, predicted.shape[-1]), true.reshape(-1, true.shape[-1])
        else:
            valid = self._valid(predicted.shape, lengths)
            predicted, true = predicted[valid], true[valid]
        if len(predicted) == 0:
            raise InputError(f"loss {self}: there is no valid entry; prediction {np.shape(prediction)}")
        return predicted, true

    def aligned(self, prediction: tuple[int, ...], dtype: np.dtype[Any], target: Any, *, lengths: Any = None) -> Array:
        """The target as the function is given it, beside a prediction of this shape, (n, N) or (B, T, N), and dtype.

        What lies beyond the lengths is whatever it was. Errors as for calling.
        """
        if lengths is None and self.takes_as_it_is(prediction, dtype, target):
            found: Array = target
            return found
        if isinstance(target, np.ma.MaskedArray):
            raise InputError(f"loss {self}: the target is a masked array, whose mask would be lost; fill it first")
        try:
            true = np.asarray(target)
        except ValueError as error:
            raise InputError(f"loss {self}: the target is no array: {error}; pad it, and give lengths=") from None
        shape, width = prediction[:-1], prediction[-1]
        if width % self.columns:
            raise InputError(
                f"loss {self} takes {self.columns} columns of prediction for each of the target; the prediction "
                f"has {width}"
            )
        if self.classes and width == 1:
            raise InputError(f"loss {self} takes a column for each class; the prediction has one, which is for bce")
        valid = None if lengths is None else self._valid(prediction, lengths)
        if self.classes and true.shape == shape and true.dtype.kind in "iu":
            true = self._one_hot(true if valid is None else np.where(valid, true, 0), width, dtype)
        wanted = (*shape, width // self.columns)
        if true.shape == shape and wanted[-1] == 1:
            true = true[..., None]
        if true.shape != wanted or true.dtype.kind not in "biuf":
            raise InputError(
                f"loss {self}: prediction {prediction} goes with a target of shape {wanted}"
                + (f" or integer classes {shape}" if self.classes else f" or {shape}" if wanted[-1] == 1 else "")
                + f"; it has shape {true.shape} and dtype {true.dtype}. A target is never broadcast"
            )
        return true.astype(dtype, copy=False)

    def takes_as_it_is(self, prediction: tuple[int, ...], dtype: np.dtype[Any], target: Any) -> bool:
        """Whether the function is given this very `target` beside a prediction of this shape and dtype."""
        alike = type(target) is np.ndarray and target.shape == prediction and target.dtype == dtype
        return alike and self.columns == 1 and not self.classes

    def _valid(self, prediction: tuple[int, ...], lengths: Any) -> Array:
        """Which steps of a prediction of this shape count, without its last axis."""
        shape = prediction[:-1]
        if len(shape) != 2 or np.shape(lengths) != shape[:1]:
            raise InputError(
                f"loss {self}: lengths {np.shape(lengths)} go with a prediction (B, T, N), not {prediction}"
            )
        ends = np.asarray(lengths)
        if ends.dtype.kind not in "iu" or ends.min() < 0 or ends.max() > shape[1]:
            raise InputError(f"loss {self}: lengths {lengths!r}; expected integers from 0 to {shape[1]}")
        valid: Array = np.arange(shape[1]) < ends[:, None]
        return valid

    def _one_hot(self, classes: Array, width: int, dtype: np.dtype[Any]) -> Array:
        if classes.size and (classes.min() < 0 or classes.max() >= width):
            raise InputError(
                f"loss {self}: classes from {classes.min()} to {classes.max()}; expected 0 to {width - 1}, the "
                f"prediction has {width} columns"
            )
        return np.eye(width, dtype=dtype)[classes]

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
        return f"{self.name}({inside})" if inside else self.name


def loss(text: str | Callable[..., Any]) -> Loss:
    """The loss that `name` or `name(key=value)` asks for, or a plain function of (prediction, target) as a loss.

    Raises:
        InputError: a parameter that the loss does not have, or a value that it refuses.
        UnknownNameError: no plugin registered it; the nearest is suggested.
        PluginError: two plugins did.
    """
    if isinstance(text, Loss):
        return text
    if callable(text):
        return Loss(name=getattr(text, "__name__", "loss"), function=text)
    if not isinstance(text, str):
        raise InputError(f"loss={text!r}: expected the name of a loss, or a function of (prediction, target)")
    if text in _found:
        registry, changes, made_before = _found[text]
        if registry is plugins.shared.known("losses") and changes == registry.changes:
            return made_before
    registry = plugins.shared.registry("losses")
    changes, found = registry.changes, _find(text)
    _found[text] = registry, changes, found
    return found


_found: dict[str, tuple[Registry[Any], int, Loss]] = {}


def metric(text: str | Callable[..., Any]) -> Loss:
    """The metric that `name` or `name(key=value)` asks for, a loss of that name, or a plain function as a metric.

    Raises:
        InputError: as for `loss`.
        UnknownNameError: neither a metric nor a loss is registered under the name.
        PluginError: two plugins registered it.
    """
    if isinstance(text, str):
        name, _ = parse_name(text)
        if name not in plugins.shared.registry("losses") or name in plugins.shared.registry("metrics"):
            return _find(text, "metrics")
    return loss(text)


def _find(text: str, kind: Literal["losses", "metrics"] = "losses") -> Loss:
    name, entry, parameters = plugins.lookup(kind, text)
    made = entry.value
    known = list(inspect.signature(made.function).parameters.values())[2:]
    check_parameters(singular(kind), name, known, parameters)
    columns = int(made.columns(**parameters)) if callable(made.columns) else made.columns
    if columns < 1:
        raise InputError(
            f"{singular(kind)} {text!r} has {columns} columns of prediction for each of the target; expected at least 1"
        )
    return Loss(
        name=name,
        function=made.function,
        parameters=parameters,
        columns=columns,
        classes=made.classes,
        in_target_units=made.in_target_units,
        higher_is_better=made.higher_is_better,
        plugin=str(entry.plugin),
    )
