"""How a training went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import InputError
from nanolstm.plot.style import COLOURS, figure_of, headed, legend, log_if_wide, whole_numbers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_HELD = "validation_"
_NO_CURVES = ("epoch", "seconds")


def learning_curve(history: pd.DataFrame | Mapping[str, Any]) -> Figure:
    """A training's history over its epochs: training and validation in one panel, the best epoch marked.

    ```python
    import nanolstm as nl

    history = {"loss": [0.9, 0.5, 0.4, 0.3], "validation_loss": [1.0, 0.6, 0.5, 0.55], "lr": [0.1, 0.1, 0.05, 0.05]}
    figure = nl.plot.learning_curve(history)
    ```

    Args:
        history: a frame or a mapping with a row for each epoch. `loss`, metrics, learning rates and whatever else is
            there each has its panel, in this order; `validation_<name>` is drawn in that of `<name>`. The epochs are
            the column `epoch`, or the index of a frame, or 1, 2, 3...; `seconds` is left out.

    Raises:
        InputError: nothing to draw, or columns of unequal length.
    """
    columns, epochs = _columns(history)
    panels: dict[str, dict[str, Any]] = {}
    for name, values in columns.items():
        panels.setdefault(name.removeprefix(_HELD), {})[name] = values
    if not panels or not len(epochs):
        raise InputError("learning_curve: the history has no epochs, or nothing but their numbers")
    watched = next((columns[name] for name in ("validation_loss", "loss") if name in columns), None)
    figure, axes = figure_of(len(panels), height=1.7 if len(panels) > 1 else 2.8, width=8.0, sharex=True)
    for axis, (name, lines) in zip(axes[:, 0], panels.items(), strict=True):
        for column, values in lines.items():
            held = column.startswith(_HELD)
            axis.plot(
                epochs,
                values,
                color=COLOURS[held],
                linestyle="--" if held else "-",
                label="validation" if held else "training",
                marker="." if len(epochs) < 30 else "",
            )
        log_if_wide(axis, [*lines.values()])
        headed(axis, name)
        if watched is not None and np.isfinite(watched).any():
            axis.axvline(epochs[np.nanargmin(watched)], color="0.5", linewidth=0.9, linestyle=":", label="best epoch")
        axis.margins(x=0.02)
        if name == next(iter(panels)):
            legend(axis)
    axes[-1, 0].set_xlabel("epoch")
    whole_numbers(axes[-1, 0].xaxis)
    return figure


def _columns(history: Any) -> tuple[dict[str, Any], Any]:
    """The curves by name, as arrays of floats, and the epochs."""
    index = getattr(history, "index", None)
    try:
        found = {str(name): np.asarray(history[name], float) for name in history}
    except (TypeError, ValueError) as error:
        raise InputError(f"learning_curve: a column of the history is no numbers: {error}") from None
    lengths = {values.shape for values in found.values()}
    if len(lengths) > 1 or any(len(shape) != 1 for shape in lengths):
        raise InputError(
            f"learning_curve: columns of shapes {', '.join(map(str, sorted(lengths)))}; expected one number an epoch"
        )
    count = next(iter(lengths))[0] if lengths else 0
    counted = np.arange(1, count + 1)
    epochs = found.get("epoch", index if getattr(index, "name", None) == "epoch" else counted)
    return {name: values for name, values in found.items() if name not in _NO_CURVES}, np.asarray(epochs)
