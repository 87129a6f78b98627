"""What it costs to keep every gate, state and local variable."""

from __future__ import annotations

from collections.abc import Iterator

from contest.case import Case
from contest.contestant import Contestant
from contest.entry import Entry, timed
from contest.opponents import ours
from contest.settings import Settings

RECORDED = "recording"


def run(settings: Settings) -> Iterator[Entry]:
    """All shapes."""
    for dtype in settings.dtypes:
        for shape in settings.shapes:
            case = Case("LSTM", shape, dtype)
            both = [ours.forward(case), _recorded(case)]
            yield timed(f"LSTM, {dtype}", str(shape), both, settings.seconds / 2, dtype, shape=shape)


def _recorded(case: Case) -> Contestant:
    model, x = case.model, case.x
    return Contestant(RECORDED, lambda: model.record(x), lambda recording: {"y": recording.y})
