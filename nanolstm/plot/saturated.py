"""How much of the time gates are saturated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm import diagnosis
from nanolstm.errors import InputError
from nanolstm.plot.style import BETWEEN, HIGH, LOW, figure_of, headed
from nanolstm.recording import Recording
from nanolstm.sequence import Sequence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 4


def saturation(model: Sequence, recording: Recording, *, lengths: Any = None) -> Figure:
    """For each gate, the share of time steps at which each unit is shut, in between, or open; units sorted.

    A gate that is nearly always saturated passes hardly any gradient, and one that never is has not learned to decide.
    The numbers are those of `nanolstm.diagnosis.saturation`, after Karpathy, Johnson and Li (2015), section 4.3.

    ```python
    import numpy as np
    import nanolstm as nl

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=8, rng=0))
    figure = nl.plot.saturation(model, model.record(np.random.default_rng(1).normal(size=(4, 60, 2))))
    ```

    Args:
        model: what was run.
        recording: what `model.record` answered with.
        lengths: those that it was called with.

    Raises:
        InputError: no gate of the model has an activation that saturates; lengths that do not fit.
    """
    found = diagnosis.saturation(model, recording, lengths)
    if not found:
        raise InputError("saturation: no gate of this model has an activation that saturates (sigmoid, tanh, softmax)")
    columns = min(_ACROSS, len(found))
    rows = math.ceil(len(found) / columns)
    figure, axes = figure_of(rows, columns, width=max(4.5, 2.6 * columns), height=2.5, sharey=True)
    for axis, (name, gate) in zip(axes.ravel(), found.items(), strict=False):
        order = np.lexsort((-gate.open, gate.shut - gate.open))
        shut, free = gate.shut[order], 1.0 - gate.open[order]
        edges = np.arange(len(order) + 1) - 0.5
        bands = {
            "shut": (0 * shut, shut, LOW),
            "in between": (shut, free, BETWEEN),
            "open": (free, 0 * free + 1.0, HIGH),
        }
        for word, (bottom, top, colour) in bands.items():
            axis.stairs(top, edges, baseline=bottom, fill=True, color=colour, label=word)
        axis.set(xlim=(edges[0], edges[-1]), ylim=(0.0, 1.0))
        axis.set_xticks([])
        count = f"{len(order)} units, sorted" if len(order) > 1 else "1 unit"
        axis.set_xlabel(f"{count}\nshut < {gate.low:g}, open > {gate.high:g}", fontsize="small")
        headed(axis, name)
    for axis in axes.ravel()[len(found) :]:
        axis.set_axis_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("share of time steps")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure
