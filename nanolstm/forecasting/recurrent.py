"""A recurrent model as a forecaster: what it says at the last step of a context is the forecast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.data.windows import WindowData
from nanolstm.errors import InputError
from nanolstm.forecasting.forecaster import Predict
from nanolstm.sequence import Sequence

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Pair: TypeAlias = "tuple[Array, Array]"


@attrs.frozen
class Recurrent:
    """A recurrent model as what `walk_forward` and `forecast` fit.

    ```python
    import nanolstm as nl
    from nanolstm.forecasting.recurrent import Recurrent

    def make(inputs, outputs):                     # a freshly drawn model for each fit
        cell = nl.cells.ToyLSTM(inputs=inputs, hidden=3, outputs=3, rng=0)
        return nl.Sequence(cell, readout=outputs, backend="numpy")

    def train(model, data, validation):            # x (n, T, M), and at each last step target (n, outputs)
        x, target = data
        every_step = target[:, None].repeat(x.shape[1], axis=1)
        for _ in range(5):
            _, grads = model.value_and_grad(x, every_step, loss="mse")
            for name, gradient in grads.items():
                model.parameters[name][...] -= 0.1 * gradient

    prices = nl.load_data("sample", start="2012-06-01")
    windows = nl.Windows(targets="Adj Close", context=10, horizon=2)
    nl.walk_forward(Recurrent(make, train), prices, windows, splits=nl.Splits(folds=2, test=20), transform="log_return")
    ```

    The input of each step is its row of the context, followed by all that is known of the rows to come. The output at
    the last step is all steps and targets at once: (n, horizon * N * columns), the columns of the first step's first
    target, then those of its second, and so on, as losses take them.

    Args:
        make: a freshly drawn model, from the numbers of inputs and outputs.
        train: trains it in place on (x, target), target being (n, horizon * N), one for each sequence; and on the same
            of the validation windows, or None.
        columns: how many numbers the model gives for each target, `output.columns` of the evaluation.
    """

    make: Callable[[int, int], Sequence]
    train: Callable[[Sequence, Pair, Pair | None], Any]
    columns: int = 1

    def __call__(self, train: WindowData, validation: WindowData | None = None, /) -> Predict:
        """Make a model and train it.

        Raises:
            InputError: the model has not as many inputs and outputs as it was asked for.
        """
        x = window_inputs(train.context, train.future)
        inputs, outputs = x.shape[-1], train.target[0].size * self.columns
        model = self.make(inputs, outputs)
        if (model.inputs, model.outputs) != (inputs, outputs):
            raise InputError(
                f"make({inputs}, {outputs}) gave a model of {model.inputs} inputs and {model.outputs} outputs; give "
                f"its cell inputs={inputs}, and the model readout={outputs}"
            )
        self.train(model, (x, window_targets(train)), None if validation is None else _pair(validation))
        horizon = train.target.shape[1]

        def predict(context: Array, future: Array, /) -> Array:
            said: Array = model(window_inputs(context, future))[:, -1]
            return said.reshape(len(context), horizon, -1)

        return predict


def window_inputs(context: Array, future: Array) -> Array:
    """What each step of a window sees, (n, context, M + horizon * F): its row, and what is known of those to come."""
    known = future.reshape(len(future), 1, -1)
    return np.concatenate([context, np.repeat(known, context.shape[1], axis=1)], axis=-1)


def window_targets(data: WindowData) -> Array:
    """What is to be said at the last step, (n, horizon * N)."""
    return data.target.reshape(len(data), -1)


def _pair(data: WindowData) -> Pair:
    return window_inputs(data.context, data.future), window_targets(data)
