"""What a training answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.sequence import Sequence

Ending: TypeAlias = Literal["epochs", "patience", "converged", "asked", "interrupted", "diverged"]
"""Why a training ended: all epochs are done, no score was better for long enough, an optimizer is at a minimum, a
callback or plugin asked for it, Ctrl-C, numbers that are not finite."""


@attrs.frozen(eq=False, kw_only=True)
class Run:
    """A training that has ended; `print(run)` says how.

    Attributes:
        model: what was trained, with the parameters of the best epoch, as [`fit`][nanolstm.fit] says.
        history: one row for each epoch, indexed by its number from 1 on: `loss`, each metric, with validation data
            `validation_loss` and each `validation_<metric>`, `lr` (at the epoch's last step), `gradient_norm` (the
            largest of the epoch's steps, before clipping), `seconds`.
        best_epoch: the number of the best epoch, whose parameters the model has; 0 if none ended.
        best_score: its loss on the validation data, or its training loss where there are none; infinity if none ended.
        stopped: why it ended, in a word: `"epochs"`, `"patience"`, `"converged"`, `"asked"`, `"interrupted"`,
            `"diverged"`.
        why: the same in a sentence.
        timings: in seconds: `total`; `training`, which is all steps, and in it `first_step`, with which kernels are
            compiled or loaded; `validation`. And `steps`, how many there were.
    """

    model: Sequence
    history: pd.DataFrame
    best_epoch: int
    best_score: float
    stopped: Ending
    why: str
    timings: Mapping[str, float]

    def __str__(self) -> str:
        watched = "validation loss" if "validation_loss" in self.history else "loss"
        best = f"{watched} {self.best_score:.6g} in epoch {self.best_epoch}" if self.best_epoch else "no epoch ended"
        return f"{best}; {len(self.history)} epochs in {self.timings['total']:.1f} s, ended because {self.why}"
