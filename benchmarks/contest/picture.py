"""The picture: how many times ours the others take, at each shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contest.results import Results

# Okabe and Ito (2008), which everybody can tell apart; the marks differ too.
STYLES = {
    "nn.LSTM": ("#D55E00", "o"),
    "torch eager": ("#0072B2", "s"),
    "lax.scan": ("#009E73", "^"),
    "GRU v1": ("#E69F00", "D"),
    "peephole LSTM": ("#56B4E9", "v"),
    "layer-norm LSTM": ("#CC79A7", "P"),
    "toy LSTM": ("#000000", "X"),
    "diagonal": ("#8C6D00", "*"),
}

Points = dict[str, dict[str, float]]
"""By series, then by shape."""


def draw(results: Results, path: Path) -> bool:
    """Write it; the ending of `path` says how. False if there is nothing to show."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = {title: points for title, points in _panels(results).items() if any(points.values())}
    if not panels:
        return False
    style = {"font.size": 12, "svg.fonttype": "none", "svg.hashsalt": "nanolstm", "font.family": "sans-serif"}
    with mpl.rc_context(style):
        shapes = list(dict.fromkeys(s for points in panels.values() for series in points.values() for s in series))
        figure, axes = plt.subplots(
            1, len(panels), figsize=(4.6 * len(panels) + 1, 0.55 * len(shapes) + 2.4), sharey=True, squeeze=False
        )
        for axis, (title, points) in zip(axes[0], panels.items(), strict=True):
            _panel(axis, title, points, shapes)
        axes[0][0].set_yticks(range(len(shapes)), shapes)
        axes[0][0].invert_yaxis()
        axes[0][0].set_ylabel("B, T, M, H")
        figure.supxlabel("their time / ours: to the right of the line nanolstm is faster", fontsize=12)
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
    return True


def _panels(results: Results) -> dict[str, Points]:
    panels: dict[str, Points] = {}
    for dtype in ("float32", "float64"):
        entries = results.entries("training", dtype=dtype)
        others = ("nn.LSTM", "torch eager", "lax.scan")
        points = {
            name: {e.label.strip("()"): r for e in entries if (r := e.ratio(name)) is not None} for name in others
        }
        panels[f"LSTM, training step, {dtype}"] = points
    cells = results.entries("cells", dtype="float32")
    panels["other cells over lax.scan, float32"] = {
        name: {e.label.strip("()"): r for e in cells if e.cell == name and (r := e.ratio("lax.scan")) is not None}
        for name in STYLES
    }
    return panels


def _panel(axis: Any, title: str, points: Points, shapes: list[str]) -> None:
    for name, series in points.items():
        if series:
            colour, mark = STYLES[name]
            places = [shapes.index(shape) for shape in series]
            axis.plot(list(series.values()), places, mark, color=colour, markersize=9, label=name, alpha=0.9)
    axis.axvline(1, color="black", linewidth=1.5)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.set_xlim(min(low, 0.5), max(high, 2))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.grid(axis="both", alpha=0.3)
    axis.set_title(title, fontsize=13)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False, fontsize=11)
