"""Pictures. matplotlib is imported here and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import InputError, nearest
from nanolstm.protocols import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEW = 4
"""Up to so many units a gate is drawn as lines; more are drawn as rows of an image."""


def check_picture(path: Path) -> None:
    """Find out before any work is done whether a picture can be written to `path`.

    Raises:
        InputError: a format that there is not, or a folder that there is not.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    ending = path.suffix.lower().lstrip(".")
    if ending not in formats:
        raise InputError(f"{path}: no picture format {ending!r}; {nearest(ending, formats, 'formats')}")
    try:
        if path.is_dir() or not path.parent.is_dir():
            raise InputError(f"{path}: {'is a folder' if path.is_dir() else f'there is no folder {path.parent}'}")
        path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def draw_run(evaluation: Evaluation, gates: tuple[str, ...], *, title: str, unit: str) -> Figure:
    """Targets against predictions and, below, the gates over time.

    Args:
        evaluation: a run over a series.
        gates: which recordings are drawn below.
        title: what was run.
        unit: of the upper axis.
    """
    from matplotlib.figure import Figure

    table = evaluation.predictions
    if table is None:
        raise InputError("there is no picture of sequences without a time index")
    times, before = (t.to_timestamp() if hasattr(t, "to_timestamp") else t for t in (table.index, evaluation.times))
    # A gate that is called twice is recorded twice; one that is not called is not there.
    gates = tuple(name for name in evaluation.recording if name.partition("[")[0] in gates)
    figure = Figure(figsize=(11, 3.4 + 1.5 * len(gates)), layout="constrained")
    axes = figure.subplots(1 + len(gates), 1, sharex=True, squeeze=False, height_ratios=[2.4] + [1.0] * len(gates))[
        :, 0
    ]
    top = axes[0]
    top.plot(times, table["target"], color="black", linewidth=1.1, label="target")
    for i, column in enumerate(name for name in table if name != "target"):
        top.plot(times, table[column], color=f"C{3 + i}", linewidth=1.1, label=f"model's {column}")
    if evaluation.held_out:
        top.axvspan(times[evaluation.held_out], times[-1], color="0.9", zorder=0, label="held out: scored")
    top.set_ylabel(unit, parse_math=False)  # a dollar sign in a column's name is one
    scores = ", ".join(f"{name} {score.scaled:.4g}" for name, score in evaluation.scores.items())
    top.set_title(f"{title}\n{scores}", loc="left", fontsize="medium", parse_math=False)
    top.legend(loc="upper left", ncols=4, frameon=False)
    for axis in axes:
        axis.margins(x=0.01)
    low, high = top.get_ylim()
    top.set_ylim(low, high + 0.12 * (high - low))  # room for the legend above the curves
    for axis, name in zip(axes[1:], gates, strict=True):
        _draw_gate(figure, axis, before, name, evaluation.recording[name])
    axes[-1].set_xlabel("time")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write `figure` whole or not at all: to a temporary file beside `path`, which is then renamed.

    Raises:
        InputError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.stem[:40]}.{os.getpid()}{path.suffix}")
    try:
        try:
            figure.savefig(temporary, dpi=120)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None


def _draw_gate(figure: Figure, axis: Any, times: Any, name: str, values: Any) -> None:
    units = values.shape[-1]
    axis.set_ylabel(f"{name} gate")
    if units <= _FEW:
        for unit in range(units):
            axis.plot(times, values[:, unit], linewidth=0.8, label=f"unit {unit}")
        low = -1.0 if values.min() < 0 else 0.0
        axis.set_ylim(min(low, values.min()) - 0.05, max(1.0, values.max()) + 0.05)
        if units > 1:
            axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
        return
    bound = max(1.0, float(np.abs(values).max()))
    low = -bound if values.min() < 0 else 0.0
    image = axis.pcolormesh(
        times, np.arange(units), values.T, vmin=low, vmax=bound, cmap="RdBu_r" if low else "viridis", shading="nearest"
    )
    axis.set_ylabel(f"{name} gate\n(unit)")
    figure.colorbar(image, ax=axis, pad=0.01, label="value")
