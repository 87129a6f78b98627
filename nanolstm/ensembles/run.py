"""What the training of an ensemble answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import numpy as np

from nanolstm.language.functions import Array
from nanolstm.train.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.sequence import Sequence


@attrs.frozen(eq=False, kw_only=True)
class EnsembleRun:
    """A training of an ensemble that has ended; `print(run)` says how.

    Attributes:
        runs: the [`Run`][nanolstm.Run] of each member, as `nl.fit` of it alone would answer with; its timings are those
            of all members together.
        timings: in seconds: `total`, `training`, `validation`; and `steps`, how many there were.
    """

    runs: tuple[Run, ...]
    timings: Mapping[str, float]

    @property
    def scores(self) -> Array:
        """The best score of each member, (members,): its validation loss, or its loss where nothing is validated.

        Infinity for one of which no epoch ended.
        """
        return np.array([run.best_score for run in self.runs])

    @property
    def best(self) -> int:
        """The number of the member with the lowest of these."""
        return int(np.argmin(self.scores))

    @property
    def best_model(self) -> Sequence:
        """That member."""
        return self.runs[self.best].model

    @property
    def diverged(self) -> tuple[int, ...]:
        """The numbers of the members whose loss or gradient was not finite any more; the others went on."""
        return tuple(i for i, run in enumerate(self.runs) if run.stopped == "diverged")

    @property
    def table(self) -> pd.DataFrame:
        """A row for each member: `best_epoch`, `best_score`, `epochs`, `stopped`, `why`."""
        import pandas as pd

        rows = [
            {
                "best_epoch": run.best_epoch,
                "best_score": run.best_score,
                "epochs": len(run.history),
                "stopped": run.stopped,
                "why": run.why,
            }
            for run in self.runs
        ]
        return pd.DataFrame(rows).rename_axis("member")

    @property
    def history(self) -> pd.DataFrame:
        """The history of every member, one after the other, indexed by member and epoch."""
        import pandas as pd

        ended = {i: run.history for i, run in enumerate(self.runs) if len(run.history)}
        return pd.concat(ended, names=["member"]) if ended else pd.DataFrame()

    def __str__(self) -> str:
        finite = self.scores[np.isfinite(self.scores)]
        spread = (
            f"scores {finite.min():.6g} (member {self.best}) to {finite.max():.6g}" if len(finite) else "no epoch ended"
        )
        failed = f"; diverged: {', '.join(map(str, self.diverged))}" if self.diverged else ""
        return f"{len(self.runs)} members, {spread}, in {self.timings['total']:.1f} s{failed}"
