"""How the trainings of several cells went, each with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.plot.style import figure_of, headed, legend, line_style, log_if_wide, whole_numbers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def learning_curves(
    curves: pd.DataFrame, score: str, *, cells: Sequence[str] | None = None, title: str = "", unit: str = ""
) -> Figure:
    """A score over the epochs: for each cell the median over its seeds as a line, in a band from lowest to highest.

    ```python
    import pandas as pd
    import nanolstm as nl

    curves = pd.DataFrame({
        "cell": ["LSTM"] * 4, "seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "validation_loss": [0.9, 0.5, 0.8, 0.6]
    })
    figure = nl.plot.learning_curves(curves, "validation_loss")
    ```

    Args:
        curves: a row for each epoch of each training, with the columns `cell`, `seed`, `epoch` and `score`, such as
            [`Comparison.curves`][nanolstm.Comparison]. A training that ended before others of its cell counts with its
            last score from then on.
        score: the column that is drawn.
        cells: which cells, in this order; all of them unless given. A cell without curves is left out.
        title: what stands above.
        unit: what stands beside the axis; the name of the column unless given.

    Raises:
        InputError: nothing to draw.
        UnknownNameError: there is no such column.
    """
    for name in ("cell", "seed", "epoch", score):
        if len(curves) and name not in curves:
            raise UnknownNameError(f"learning_curves: no column {name!r}; {nearest(name, map(str, curves), 'columns')}")
    if not len(curves):
        raise InputError("learning_curves: there are no curves: no training ended well")
    there = [*dict.fromkeys(curves["cell"])]
    shown = [cell for cell in cells if cell in there] if cells is not None else there
    figure, axes = figure_of(1, height=3.6, width=8.0)
    axis = axes[0, 0]
    for i, cell in enumerate(shown):
        table = curves[curves["cell"] == cell].pivot_table(score, "epoch", "seed", dropna=False).ffill()
        style = line_style(i)
        alone = "." if len(table) < 30 else ""
        axis.plot(table.index, table.median(axis=1), label=str(cell), marker=alone, zorder=3, **style)
        if table.shape[1] > 1:
            axis.fill_between(
                table.index, table.min(axis=1), table.max(axis=1), color=style["color"], alpha=0.18, linewidth=0
            )
    log_if_wide(axis, curves.loc[curves["cell"].isin(shown), score])
    headed(axis, title)
    axis.set_ylabel(unit or score.replace("_", " "), parse_math=False)
    axis.margins(x=0.02)
    axis.set_xlabel("epoch")
    whole_numbers(axis.xaxis)
    legend(axis)
    return figure
