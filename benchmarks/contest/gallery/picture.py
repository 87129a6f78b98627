"""The learning curves of a family, beside the LSTM in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contest.gallery.learning import LESSONS
from nanolstm.plot.style import figure_of, headed, legend, line_style, whole_numbers

Curves = Mapping[str, Mapping[str, Any]]
"""By cell, then by lesson: what `learning.learn` answers with."""

REFERENCE = "LSTM"


def draw(names: Sequence[str], curves: Curves, path: Path) -> None:
    """Write it as SVG, the same bytes for the same curves."""
    import matplotlib as mpl

    style = {"svg.fonttype": "none", "svg.hashsalt": "nanolstm", "font.family": "sans-serif", "path.simplify": True}
    with mpl.rc_context(style):
        figure, axes = figure_of(1, len(LESSONS), width=9.0, height=2.2, sharey=True)
        for axis, lesson in zip(axes[0], LESSONS.values(), strict=True):
            if REFERENCE not in names and REFERENCE in curves:
                _line(axis, REFERENCE, curves[REFERENCE][lesson.name], {"color": "0.7", "linewidth": 3})
            for i, name in enumerate(name for name in names if name in curves):
                _line(axis, name, curves[name][lesson.name], line_style(i))
            axis.axhline(1 / lesson.classes, color="0.6", linewidth=0.8, linestyle=":")
            axis.set_ylim(0, 1.03)
            axis.set_xlabel("epoch")
            whole_numbers(axis.xaxis)
            headed(axis, lesson.name)
        axes[0][0].set_ylabel("held-out accuracy")
        legend(axes[0][-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})


def _line(axis: Any, name: str, curve: Mapping[str, Any], style: Mapping[str, Any]) -> None:
    accuracy = curve["accuracy"]
    axis.plot(range(len(accuracy)), accuracy, label=name, **style)
    if curve["ended"]:
        axis.plot(len(accuracy) - 1, accuracy[-1], "x", color=style["color"], markersize=9)
