"""The picture, after figure 3 of the paper: a box for each variant and task, and the vanilla LSTM as a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nanolstm.plot.files import save
from nanolstm.plot.style import COLOURS, figure_of, headed, log_if_wide
from variants.findings import Findings

GREY = "#808080"
EDGES = {"": GREY, "worse": COLOURS[1], "better": COLOURS[2]}
"""By significance; boxes that differ have thick lines, too."""


def draw(found: Findings, path: Path) -> None:
    """Write it."""
    figure, axes = figure_of(len(found.tasks), height=2.9, sharex=True)
    for axis, task in zip(axes[:, 0], found.tasks, strict=True):
        _boxes(axis, found, task.name)
        headed(axis, f"{task.title}: {task.measure}, %")
    axes[-1, 0].tick_params("x", labelrotation=0)
    save(figure, path)


def _boxes(axis: Any, found: Findings, task: str) -> None:
    of = found.by[task]
    errors = [100 * of[name].errors for name in found.variants]
    axis.axhline(np.median(100 * of[found.vanilla].errors), color=COLOURS[0], linewidth=1.2, linestyle="--", zorder=0)
    # As in the paper: the box from the first quartile to the third, whiskers over all trials.
    boxes = axis.boxplot(errors, whis=(0, 100), widths=0.55, tick_labels=[_label(name) for name in found.variants])
    for i, name in enumerate(found.variants):
        colour = COLOURS[0] if name == found.vanilla else EDGES[of[name].significant]
        lines = [boxes["boxes"][i], boxes["medians"][i], *boxes["whiskers"][2 * i : 2 * i + 2]]
        for line in [*lines, *boxes["caps"][2 * i : 2 * i + 2]]:
            line.set(color=colour, linewidth=2.2 if of[name].significant else 1.2)
        axis.plot(np.full(len(errors[i]), i + 1), errors[i], ".", color=colour, alpha=0.5, markersize=6)
    log_if_wide(axis, np.concatenate(errors), times=10)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axis.grid(axis="y", alpha=0.3)


def _label(name: str) -> str:
    return "vanilla" if name == "VanillaLSTM" else name
