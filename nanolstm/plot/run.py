"""The picture of `nanolstm run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm.errors import InputError
from nanolstm.plot.over_time import draw_over_time
from nanolstm.plot.style import along_times, figure_of, headed, line_style
from nanolstm.protocols import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_run(evaluation: Evaluation, gates: tuple[str, ...], *, title: str, unit: str) -> Figure:
    """Targets against predictions and, below, the gates over time.

    Args:
        evaluation: a run over a series.
        gates: which recordings are drawn below.
        title: what was run.
        unit: of the upper axis.
    """
    table = evaluation.predictions
    if table is None:
        raise InputError("there is no picture of sequences without a time index")
    # A gate that is called twice is recorded twice; one that is not called is not there.
    gates = tuple(name for name in evaluation.recording if name.partition("[")[0] in gates)
    heights = [2.4] + [1.0] * len(gates)
    figure, axes = figure_of(1 + len(gates), width=11.0, height=1.8, sharex=True, height_ratios=heights)
    axes = axes[:, 0]
    top = axes[0]
    times, before = (along_times(top, index) for index in (table.index, evaluation.times))
    top.plot(times, table["target"], color="black", linewidth=1.1, label="target")
    for i, column in enumerate(name for name in table if name != "target"):
        top.plot(times, table[column], **line_style(1 + i), linewidth=1.1, label=f"model's {column}")
    if evaluation.held_out:
        top.axvspan(times[evaluation.held_out], times[-1], color="0.9", zorder=0, label="held out: scored")
    top.set_ylabel(unit, parse_math=False)  # a dollar sign in a column's name is one
    scores = ", ".join(f"{name} {score.scaled:.4g}" for name, score in evaluation.scores.items())
    headed(top, f"{title}\n{scores}")
    top.legend(loc="upper left", ncols=4, frameon=False)
    for axis in axes:
        axis.margins(x=0.01)
    low, high = top.get_ylim()
    top.set_ylim(low, high + 0.12 * (high - low))  # room for the legend above the curves
    for axis, name in zip(axes[1:], gates, strict=True):
        draw_over_time(axis, before, evaluation.recording[name])
        headed(axis, f"{name} gate")
    axes[-1].set_xlabel("time")
    return figure
