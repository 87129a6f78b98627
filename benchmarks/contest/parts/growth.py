"""How time grows with the length of sequences and with their number."""

from __future__ import annotations

from collections.abc import Iterator

from contest.case import Case
from contest.entry import Entry, timed
from contest.opponents import ours
from contest.settings import Settings
from contest.shapes import Shape

M, H = 16, 64


def run(settings: Settings) -> Iterator[Entry]:
    """Doubled T at B = 8, then doubled B at T = 50."""
    dtype = settings.dtypes[0]
    lengths, batches = (
        ((4, 8), (1, 2)) if settings.quick else ((25, 50, 100, 200, 400, 800, 1600), (1, 2, 4, 8, 16, 32, 64, 128, 256))
    )
    for T in lengths:
        yield _entry(settings, "growth with T, B = 8", f"T = {T}", Case("LSTM", (8, T, M, H), dtype))
    for B in batches:
        yield _entry(settings, f"growth with B, T = {50}", f"B = {B}", Case("LSTM", (B, 50, M, H), dtype))


def _entry(settings: Settings, group: str, label: str, case: Case) -> Entry:
    shape: Shape = case.shape
    contestants = [ours.training(case)]
    if "torch" in settings.rivals:
        from contest.opponents import with_torch

        contestants.append(with_torch.training(case))
    group = f"LSTM, {case.dtype}, {group}"
    entry = timed(group, label, contestants, settings.seconds / 2, case.dtype, shape=shape)
    if not entry.failed:
        entry.extra = {"ns a step": entry.values[ours.NAME] / (shape[0] * shape[1]) * 1e9}
    return entry
