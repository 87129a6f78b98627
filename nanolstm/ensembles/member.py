"""One member of an ensemble while it is trained: what it has come to, and why it ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from nanolstm.language.functions import Array
from nanolstm.train.plan import Plan
from nanolstm.train.run import Ending, Run
from nanolstm.train.training import Best

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence


@attrs.define(eq=False)
class Member:
    """What is remembered of a member.

    Attributes:
        number: its place in the ensemble.
        model: the member.
        history: a row for each of its epochs.
        best: its best epoch.
        ending: why it ended, in a word and in a sentence; None while it goes on.
        steps: how many updates it has had.
    """

    number: int
    model: Sequence
    history: list[dict[str, float]] = attrs.field(factory=list)
    best: Best = attrs.field(factory=Best)
    ending: tuple[Ending, str] | None = None
    steps: int = 0

    def end_epoch(self, plan: Plan, row: dict[str, float], parameters: Array) -> float | None:
        """Take note of an epoch, and see whether to go on: its score, unless that is not finite."""
        score = row["loss" if plan.held is None else "validation_loss"]
        self.history.append(row)
        if not math.isfinite(score):
            self.diverge(plan, f"the {plan.watched} after epoch {len(self.history)} is {score}")
            return None
        best = self.best
        if score < best.score:
            vector = best.vector if best.vector is not None else parameters.copy()
            vector[...] = parameters
            self.best = Best(len(self.history), score, vector)
        elif plan.patience is not None and len(self.history) - best.epoch >= plan.patience:
            self.ending = (
                "patience",
                f"for {plan.patience} epochs no {plan.watched} was better than {best.score:.6g}, that of epoch "
                f"{best.epoch}",
            )
        return score

    def diverge(self, plan: Plan, what: str) -> None:
        """End it: its numbers have run away."""
        kept = f"those of epoch {self.best.epoch}" if plan.held and self.best.epoch else "the last good ones"
        self.ending = "diverged", f"{what}. Its parameters are {kept}"

    def parameters(self, plan: Plan, now: Array, good: Array, *, exact: bool) -> Array:
        """The parameters that it comes back with.

        Args:
            plan: of the training.
            now: those that it has.
            good: the last ones with which its loss and gradient were finite.
            exact: whether a loss is exactly that of the parameters before the epoch's only step.
        """
        stopped = self.ending[0] if self.ending else "epochs"
        if stopped == "diverged" and (plan.held is None or self.best.vector is None):
            return good
        if self.best.vector is not None and not (exact and self.best.epoch == len(self.history)):
            return self.best.vector
        return now

    def run(self, plan: Plan, timings: dict[str, float]) -> Run:
        """What it comes back with."""
        import pandas as pd

        stopped, why = self.ending or ("epochs", f"all {plan.epochs} epochs are done")
        return Run(
            model=self.model,
            history=pd.DataFrame(self.history).set_index("epoch") if self.history else pd.DataFrame(),
            best_epoch=self.best.epoch,
            best_score=self.best.score,
            stopped=stopped,
            why=why,
            timings={**timings, "steps": self.steps},
        )
