"""How far back a model's output, and so its learning, reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm import diagnosis
from nanolstm.plot.style import COLOURS, figure_of, headed
from nanolstm.sequence import Sequence

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gradient_by_lag(model: Sequence, x: Any, *, lags: int | None = None, **feeds: Any) -> Figure:
    """The norm of the derivative of an output by the inputs before it, by how many steps: how far back a model learns.

    The line is the median over sequences and steps, and four fifths of the single norms lie in the band. Where the line
    falls steeply the gradient vanishes, where it rises with the lag it explodes. The numbers are those of
    `nanolstm.diagnosis.gradient_by_lag`.

    ```python
    import numpy as np
    import nanolstm as nl

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
    figure = nl.plot.gradient_by_lag(model, np.random.default_rng(1).normal(size=(4, 60, 2)))
    ```

    Args:
        model: a model that runs forward only.
        x: (T, M) or (B, T, M).
        lags: how far back to look; half of T where None.
        feeds: as for calling the model.

    Raises:
        InputError: a bidirectional model; sequences that are too short; what a call would refuse.
    """
    found = diagnosis.gradient_by_lag(model, x, lags=lags, **feeds)
    figure, axes = figure_of(1, height=3.2, width=8.0)
    axis = axes[0, 0]
    seen = found.norm > 0  # a logarithm has no place for what vanished altogether
    axis.fill_between(
        found.lag, np.where(found.lower > 0, found.lower, np.nan), found.upper, color=COLOURS[0], alpha=0.2, linewidth=0
    )
    axis.plot(found.lag[seen], found.norm[seen], color=COLOURS[0], marker="." if len(found.lag) < 60 else "")
    if seen.any():
        axis.set_yscale("log")
    half, most = found.within(0.5), found.within(0.9)
    for lag, dashes in ((half, ":"), (most, "--")):
        axis.axvline(lag, color="0.4", linewidth=0.9, linestyle=dashes)
    axis.margins(x=0.01)
    axis.set(xlabel="lag k, in time steps", ylabel="norm of dy(t) / dx(t - k)")
    headed(axis, f"Half of the sum of all lies at lags up to {half} (dotted), 90 % at lags up to {most} (dashed)")
    return figure
