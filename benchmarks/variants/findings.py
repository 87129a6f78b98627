"""What the trials come to: each variant beside the vanilla LSTM, the ranking, and how that goes with the paper."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import numpy as np
import pandas as pd

from nanolstm import Array
from variants.paper import DATASETS, LEVEL, WORSE
from variants.task import Task
from variants.trials import best


@attrs.frozen(eq=False)
class Finding:
    """A variant on a task.

    Attributes:
        errors: of the test, one for each seed.
        ratio: of their mean to that of the vanilla LSTM.
        p: of Welch's t-test between the two; NaN for the vanilla LSTM itself.
        rate: the learning rate.
        diverged: how many of the trials.
    """

    errors: Array
    ratio: float
    p: float
    rate: float
    diverged: int

    @property
    def significant(self) -> str:
        """`worse` or `better`, or nothing where it may be chance."""
        if not self.p < LEVEL:
            return ""
        return "worse" if self.ratio > 1 else "better"


@attrs.frozen(eq=False)
class Findings:
    """All of them: `by[task's name][variant]`."""

    tasks: list[Task]
    vanilla: str
    by: dict[str, dict[str, Finding]]

    @property
    def variants(self) -> list[str]:
        """In the order in which they were asked for."""
        return list(self.by[self.tasks[0].name])

    def overall(self, variant: str) -> float:
        """The geometric mean of its ratios."""
        return float(np.exp(np.mean([np.log(found[variant].ratio) for found in self.by.values()])))

    @property
    def ranking(self) -> list[str]:
        """The best first, by all tasks."""
        return sorted(self.variants, key=self.overall)

    def ranking_on(self, task: Task) -> list[str]:
        """The best first, by the mean error on one task."""
        return sorted(self.variants, key=lambda variant: self.by[task.name][variant].ratio)

    def where(self, variant: str, significant: str) -> list[str]:
        """The tasks on which it is significantly `worse` or `better`."""
        return [task.title for task in self.tasks if self.by[task.name][variant].significant == significant]

    def beside_the_paper(self, variant: str) -> str:
        """`agrees`, `agrees in part` or `differs`: whether it hurts always, sometimes or never, there and here."""
        if self.where(variant, "better"):
            return "differs"
        there = _how_often(WORSE[variant], DATASETS)
        here = _how_often(self.where(variant, "worse"), self.tasks)
        if there == here:
            return "agrees"
        return "differs" if {there, here} == {"never", "always"} else "agrees in part"


def _how_often(some: Iterable[object], everything: Iterable[object]) -> str:
    count = len(list(some))
    return "never" if not count else "always" if count == len(list(everything)) else "sometimes"


def findings(table: pd.DataFrame, tasks: list[Task]) -> Findings:
    """From the rows of all trials; the first variant is the one that the others are compared with."""
    vanilla = str(table["variant"].iloc[0])
    by = {task.name: _of_one(table[table["task"] == task.name], vanilla) for task in tasks}
    return Findings(tasks, vanilla, by)


def _of_one(table: pd.DataFrame, vanilla: str) -> dict[str, Finding]:
    from scipy.stats import ttest_ind

    search, tests = table[table["part"] == "search"], table[table["part"] == "test"]
    errors = {name: tests.loc[tests["variant"] == name, "error"].to_numpy() for name in search["variant"].unique()}
    base, found = errors[vanilla], {}
    for name, mine in errors.items():
        found[name] = Finding(
            errors=mine,
            ratio=float(mine.mean() / base.mean()),
            p=np.nan if name == vanilla else float(ttest_ind(mine, base, equal_var=False).pvalue),
            rate=best(search, name),
            diverged=int(tests.loc[tests["variant"] == name, "diverged"].sum()),
        )
    return found
