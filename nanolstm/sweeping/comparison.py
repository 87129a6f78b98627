"""What a comparison of cells came to: a table, the curves behind it, and plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.losses import Loss
from nanolstm.sweeping.ranking import LEVEL, chances, smallest_chance

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@attrs.frozen(eq=False, kw_only=True, repr=False)
class Comparison:
    """Cells of equally many parameters on one task; printed, it is a table and what it comes to.

    Attributes:
        table: a row for each cell, the best first: `hidden`, its size; `parameters`; over the seeds that did not fail
            `score`, the median, `low` and `high`, the lowest and the highest, `mean`, `std`; the median `best_epoch`;
            `step_seconds`, the mean time of a step in the fastest training; `seeds`, how many did not fail, and
            `failed`; `p`, how likely a difference from the first cell as large as this one is by chance: a
            Mann-Whitney test over seeds, corrected by Holm's method for the number of cells.
        members: a row for each training, as in a table of [`sweep`][nanolstm.sweep].
        curves: a row for each epoch of each training that did not fail: `cell`, `seed`, `epoch`, and the columns of a
            [`Run`][nanolstm.Run]'s history.
        task: what it was on.
        metric: what `score` is, taken of the data held back.
        wanted: how many parameters each was to have.
    """

    table: pd.DataFrame
    members: pd.DataFrame
    curves: pd.DataFrame
    task: str
    metric: Loss
    wanted: int

    @classmethod
    def of(cls, members: pd.DataFrame, *, task: str, metric: Loss, wanted: int) -> Comparison:
        """Of the table of a sweep with histories."""
        import pandas as pd

        well = members[members["error"] == ""]
        parts = [
            history.reset_index().assign(cell=cell, seed=seed)
            for cell, seed, history in zip(well["cell"], well["seed"], well["history"], strict=True)
        ]
        curves = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["cell", "seed", "epoch"])
        first = ["cell", "seed", "epoch"]
        return cls(
            table=_table(members, metric),
            members=members.drop(columns="history"),
            curves=curves[[*first, *curves.columns.drop(first)]],
            task=task,
            metric=metric,
            wanted=wanted,
        )

    def plot(self) -> Figure:
        """The score on the data held back over the epochs: the median over seeds, and from the lowest to the highest.

        Raises:
            InputError: every training failed.
        """
        from nanolstm.plot.comparing import learning_curves

        return learning_curves(
            self.curves,
            f"validation_{self.metric}",
            cells=[*self.table.index],
            title=f"{self.task}\nabout {self.wanted:,} parameters, median and range over seeds",
            unit=f"{self.metric} of the held-back part",
        )

    def verdict(self) -> str:
        """What can be said of it, in plain sentences."""
        ranked = self.table[self.table["seeds"] > 0]
        if ranked.empty:
            return "No training ended well."
        counts = sorted({int(count) for count in ranked["seeds"]})
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        best = ranked.index[0]
        text = f"With {seeds} seed{'s' * (counts[-1] > 1)}, {best} has the best median {self.metric}."
        if len(ranked) == 1:
            return text
        if counts[0] == 1:
            return f"{text} One seed says nothing of the spread: no difference can be told from chance."
        least = smallest_chance(counts[0], len(ranked) - 1)
        if least > LEVEL:
            return (
                f"{text} So few seeds cannot tell {len(ranked)} cells apart: even if all of one were better than all "
                f"of another, the chance of that would be {least:.2g}. Take more."
            )
        return f"{text} {' '.join(_beside_first(ranked))}"

    def __str__(self) -> str:
        from nanolstm.sweeping.told import text_of

        return text_of(self)

    def __repr__(self) -> str:
        return f"Comparison({self.task}, {len(self.table)} cells, {len(self.members)} trainings; {self.verdict()})"


def _beside_first(ranked: pd.DataFrame) -> list[str]:
    """How the others stand to the first."""
    others = ranked.iloc[1:]
    said = []
    for beyond, text in (
        (True, "It differs from {} by more than chance explains."),
        (False, "Its difference from {} lies within the spread over seeds."),
    ):
        names = [f"{cell} (p = {p:.2g})" for cell, p in others["p"].items() if (p < LEVEL) == beyond]
        if names:
            said.append(text.format(_listed(names)))
    return said


def _table(members: pd.DataFrame, metric: Loss) -> pd.DataFrame:
    import pandas as pd

    rows: dict[Any, dict[str, Any]] = {}
    for cell, group in members.groupby("cell", sort=False):
        well = group[group["error"] == ""]
        score = well["score"]
        rows[cell] = {
            "hidden": int(group["size"].iloc[0]),
            "parameters": int(group["parameters"].max()),
            "score": score.median(),
            "low": score.min(),
            "high": score.max(),
            "mean": score.mean(),
            "std": score.std(),
            "best_epoch": well["best_epoch"].median(),
            "step_seconds": well["step_seconds"].min(),
            "seeds": len(well),
            "failed": len(group) - len(well),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("cell")
    table = table.sort_values("score", ascending=not metric.higher_is_better, kind="stable", na_position="last")
    scores = {cell: group["score"].dropna().tolist() for cell, group in members.groupby("cell")}
    first, *others = (scores.get(cell, []) for cell in table.index)
    return table.assign(p=[np.nan, *chances(first, others)])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
