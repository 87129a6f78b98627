"""Sequences of unequal lengths: ours with `lengths=`, ours over all steps, and PyTorch's packed sequences."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from contest.case import Case
from contest.contestant import Contestant
from contest.entry import Entry, timed
from contest.opponents import ours
from contest.settings import Settings
from contest.shapes import QUICK, Shape

SHAPES: tuple[Shape, ...] = ((32, 100, 8, 32), (32, 100, 32, 128), (64, 100, 64, 256), (256, 50, 64, 128))
PADDED = "padded"


def run(settings: Settings) -> Iterator[Entry]:
    """All shapes, lengths of about half and short ones."""
    for dtype in settings.dtypes:
        for shape in QUICK[1:] if settings.quick else SHAPES:
            for label, longest in (("half", shape[1]), ("short", max(shape[1] // 4, 1))):
                yield _entry(settings, Case("LSTM", shape, dtype), label, longest)


def _entry(settings: Settings, case: Case, label: str, longest: int) -> Entry:
    B, T, _, _ = case.shape
    lengths = np.random.default_rng(4).integers(1, longest, size=B, endpoint=True)
    model, x, target = case.model, case.x, case.target
    contestants = [
        Contestant(
            ours.NAME,
            lambda: model.value_and_grad(x, target, loss="mse", lengths=lengths),
            ours.read_gradient,
        ),
        attrs.evolve(ours.training(case), name=PADDED, read=None),
    ]
    if "torch" in settings.rivals:
        from contest.opponents import with_torch

        contestants.append(with_torch.packed(case, lengths))
    entry = timed(
        f"LSTM, {case.dtype}", f"{case.shape}, {label}", contestants, settings.seconds, case.dtype, shape=case.shape
    )
    if not entry.failed:
        valid = lengths.mean() / T
        entry.extra = {"valid": valid, "of proportion": valid * (entry.ratio(PADDED) or 0.0)}
    return entry
