"""How far a training is, on a terminal or in a notebook; elsewhere nothing is said."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

_EVERY = 0.1
"""Seconds between two pictures: more often nobody sees, and each takes about a millisecond."""


class Progress:
    """A bar over all epochs with loss, validation loss, steps per second and the time left."""

    def __init__(self, epochs: int, done: int = 0) -> None:
        """A bar that starts after `done` of `epochs`."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[scores]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            auto_refresh=False,  # its own thread would take time from the kernels
            transient=True,
        )
        self._task = self._bar.add_task("", total=epochs, completed=done, scores="", speed="")
        self._next, self._steps, self._since = 0.0, 0, time.perf_counter()
        self._bar.start()

    def step(self, epochs: float) -> None:
        """One more step, after which so many epochs are done."""
        self._steps += 1
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + _EVERY
            speed = f"{self._steps / (now - self._since):.3g} steps/s" if self._steps > 1 else ""
            self._bar.update(self._task, completed=epochs, speed=speed, refresh=True)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """An epoch is done; its row of the history."""
        shown = [f"{name.replace('_', ' ')} {row[name]:.4g}" for name in ("loss", "validation_loss") if name in row]
        self._bar.update(self._task, completed=row["epoch"], scores="  ".join(shown))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def progress(wanted: bool, epochs: int, done: int) -> Progress | None:
    """A bar if it is wanted and somebody can see it."""
    return Progress(epochs, done) if wanted and can_be_seen() else None


def can_be_seen() -> bool:
    """Whether output goes to a terminal or a notebook."""
    from rich import get_console

    console = get_console()
    return console.is_terminal or console.is_jupyter
