"""How far a sweep is, on a terminal or in a notebook; elsewhere nothing is said."""

from __future__ import annotations

from nanolstm.sweeping.member import Row
from nanolstm.train.progress import can_be_seen


class SweepProgress:
    """A bar over all members, with what the last one came to, the failed ones and the time left."""

    def __init__(self, members: int, done: int) -> None:
        """A bar that starts after `done` of `members`."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("training"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}", markup=False),
            auto_refresh=False,  # its own thread would take time from the kernels
            transient=True,
        )
        self._failed = 0
        self._task = self._bar.add_task("", total=members, completed=done, last="")
        self._bar.start()

    def tell(self, what: str) -> None:
        """Show what is being done now."""
        self._bar.update(self._task, last=what, refresh=True)

    def add(self, row: Row) -> None:
        """One more member has ended."""
        self._failed += bool(row["error"])
        ended = "failed" if row["error"] else f"{row['score']:.4g}"
        failed = f"; {self._failed} failed" if self._failed else ""
        self._bar.update(
            self._task,
            advance=1,
            last=f"{row['cell']} {row['size']}, seed {row['seed']}: {ended}{failed}",
            refresh=True,
        )

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def sweep_progress(wanted: bool, members: int, done: int) -> SweepProgress | None:
    """A bar if it is wanted, there is something to train, and somebody can see it."""
    return SweepProgress(members, done) if wanted and done < members and can_be_seen() else None
