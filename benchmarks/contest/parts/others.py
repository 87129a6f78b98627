"""The other cells, which nobody has fused, against loops over the same step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from contest.case import Case
from contest.cells import CELLS
from contest.contestant import Contestant
from contest.entry import Entry, timed
from contest.parts.lstm import ran, trained
from contest.settings import Settings


def training(settings: Settings) -> Iterator[Entry]:
    """All cells at all shapes."""
    return _each(settings, lambda case: trained(case, settings.rivals))


def forward(settings: Settings) -> Iterator[Entry]:
    """All cells at all shapes."""
    return _each(settings, lambda case: ran(case, settings))


def _each(settings: Settings, contestants: Callable[[Case], list[Contestant]]) -> Iterator[Entry]:
    for name in CELLS:
        for dtype in settings.dtypes if name != "LSTM" else ():
            for shape in settings.shapes:
                them = contestants(Case(name, shape, dtype))
                # Half as long as for the LSTM: there are many, and nothing here is as close.
                yield timed(f"{name}, {dtype}", str(shape), them, settings.seconds / 2, dtype, cell=name, shape=shape)
