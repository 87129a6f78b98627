"""How far the resident memory of a process goes up in a training step: a process for each contestant and length."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from contest.entry import Entry
from contest.settings import Settings
from contest.shapes import QUICK, Shape

SHAPES: tuple[Shape, ...] = ((1, 1000, 16, 64), (32, 100, 32, 128), (64, 100, 64, 256))
DTYPE = "float32"


def run(settings: Settings) -> Iterator[Entry]:
    """All shapes."""
    contestants = ["nanolstm"]
    contestants += ["nn.LSTM", "torch eager"] * ("torch" in settings.rivals) + ["lax.scan"] * ("jax" in settings.rivals)
    for shape in QUICK[1:] if settings.quick else SHAPES:
        values = {name: peak(name, shape) - peak(name, (shape[0], 2, *shape[2:])) for name in contestants}
        yield Entry(f"LSTM, {DTYPE}", str(shape), values, unit="MB", dtype=DTYPE, shape=shape)


def peak(name: str, shape: Shape) -> float:
    """In MB."""
    command = [sys.executable, "-m", "contest.peak", json.dumps({"name": name, "shape": shape, "dtype": DTYPE})]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
