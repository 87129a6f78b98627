"""Gates, or anything else that was recorded, over time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.diagnosis import gate_names
from nanolstm.errors import InputError
from nanolstm.language.functions import Array
from nanolstm.plot.style import along_times, figure_of, headed, legend, line_style, whole_numbers
from nanolstm.recording import Recording
from nanolstm.sequence import Sequence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW = 4
"""Up to so many units a gate is drawn as lines; more are drawn as rows of an image."""


def gates(
    model: Sequence,
    recording: Recording,
    names: Iterable[str] | None = None,
    *,
    example: int = 0,
    times: Any = None,
) -> Figure:
    """Every gate over time: a line for each unit, or an image with a row for each where there are many.

    ```python
    import numpy as np
    import nanolstm as nl

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
    recording = model.record(np.random.default_rng(1).normal(size=(60, 2)))
    figure = nl.plot.gates(model, recording)
    figure = nl.plot.gates(model, recording, ["forget", "c"])      # the forget gate, and the state c
    ```

    Args:
        model: what was run.
        recording: what `model.record` answered with.
        names: what to draw, by the names of the recording; all gates where None.
        example: which sequence of a batch.
        times: an index of as many times as there are steps, for the axis; the numbers of the steps where None.

    Raises:
        UnknownNameError: a name that was not recorded.
        InputError: nothing to draw, an example that there is not, `times` of another length.
    """
    chosen = gate_names(model, recording) if names is None else [names] if isinstance(names, str) else list(names)
    if not chosen:
        raise InputError("gates: the model has no gates; say with names= what of its recording is to be drawn")
    shown = {name: _of_one(name, recording[name], recording.y.ndim == 3, example) for name in chosen}
    steps = recording.y.shape[-2]
    if times is not None and len(times) != steps:
        raise InputError(f"gates(times=...): {len(times)} times for {steps} steps")
    figure, axes = figure_of(len(chosen), height=1.5, sharex=True)
    for axis, (name, values) in zip(axes[:, 0], shown.items(), strict=True):
        draw_over_time(axis, np.arange(steps) if times is None else along_times(axis, times), values)
        headed(axis, name)
    axes[-1, 0].set_xlabel("time step" if times is None else "time")
    return figure


def draw_over_time(axis: Axes, times: Any, values: Array) -> None:
    """`values` (T, size) of one gate or state into one axis."""
    units = values.shape[-1]
    axis.margins(x=0.01)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    bound = max(1.0, abs(low), abs(high))
    if units > _FEW:
        image = axis.pcolormesh(
            times,
            np.arange(units),
            values.T,
            vmin=-bound if low < 0 else 0.0,
            vmax=bound,
            cmap="RdBu_r" if low < 0 else "viridis",
            shading="nearest",
            rasterized=True,
        )
        axis.set_ylabel("unit")
        whole_numbers(axis.yaxis)
        axis.figure.colorbar(image, ax=axis, pad=0.01)
        return
    for unit in range(units):
        axis.plot(times, values[:, unit], linewidth=0.9, label=f"unit {unit}", **line_style(unit))
    axis.set_ylim(min(-1.0 if low < 0 else 0.0, low) - 0.05 * bound, max(1.0, high) + 0.05 * bound)
    legend(axis)


def _of_one(name: str, values: Array, batched: bool, example: int) -> Array:
    """`values` of one sequence, (T, size): a matrix becomes a row of all its numbers."""
    if batched:
        if not -len(values) <= example < len(values):
            raise InputError(f"gates(example={example}): the recording {name!r} has {len(values)} sequences")
        values = values[example]
    return values.reshape(len(values), -1)
