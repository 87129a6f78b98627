"""What came of a walk-forward evaluation: every forecast, the scores, the tests, and what they mean."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import UnknownNameError, nearest
from nanolstm.forecasting.comparison import diebold_mariano, holm
from nanolstm.forecasting.metrics import LABELS, LOSSES, METRICS, OF_QUANTILES, Scored, coverage
from nanolstm.forecasting.trained import MODEL
from nanolstm.forecasting.verdict import Finding, interval, sentence

if TYPE_CHECKING:
    import pandas as pd


@attrs.frozen(kw_only=True, eq=False, repr=False, slots=False)
class Backtest:
    """The result of [`walk_forward`][nanolstm.walk_forward]. Printed, it is its scores and its verdict.

    Attributes:
        forecasts: one row for each forecaster, origin, step and target: `fold`, `series`, `target`, `step`, `origin`
            (the time of the last row that was seen), `time` (that of the target), `actual`, `last` (the level at the
            origin), `scale` (of MASE), `forecaster`, `forecast` and, of quantiles, `q0.1`, ...; in the data's own
            units.
        folds: from when to when each fold trained, validated and tested; how many windows and forecasts; how many
            seconds the fit took (0 where an earlier one was used).
        levels: the quantiles that were forecast.
        criterion: the metric by which forecasters are compared.
        every: how many rows lie between origins.
        notes: what a reader should know: columns that hold the answer, irregular times, targets that outgrow the
            training part.
        metrics: every metric by its name.
    """

    forecasts: pd.DataFrame
    folds: pd.DataFrame
    levels: tuple[float, ...] = ()
    criterion: str = "rmse"
    every: int = 1
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, Callable[[Scored], float]] = METRICS

    @functools.cached_property
    def scores(self) -> pd.DataFrame:
        """Every metric for each target, step and forecaster (the index), over all folds and series at once."""
        return self.score(["target", "step", "forecaster"])

    def score(self, by: Iterable[str] = ("forecaster",)) -> pd.DataFrame:
        """Every metric for each group of forecasts that have the columns `by` in common.

        `by=("series", "forecaster")` scores each series by itself, `("fold", "forecaster")` each fold.

        Raises:
            UnknownNameError: no such column of `forecasts`.
        """
        import pandas as pd

        columns = [by] if isinstance(by, str) else list(by)
        for column in columns:
            if column not in self.forecasts:
                raise UnknownNameError(f"no column {column!r}; {nearest(column, self.forecasts.columns, 'columns')}")
        names = [name for name in self.metrics if self.levels or name not in OF_QUANTILES]
        rows = {}
        for key, group in self.forecasts.groupby(columns, sort=False):
            scored = self._scored(group)
            rows[key] = {"n": len(group)} | {name: self.metrics[name](scored) for name in names}
        index = pd.MultiIndex.from_tuples(list(rows), names=columns)
        table = pd.DataFrame(list(rows.values()), index=index)
        if len(columns) == 1:
            return table.set_index(index.get_level_values(0))
        return table.sort_index(level=columns[:-1], sort_remaining=False, kind="stable")

    @functools.cached_property
    def tests(self) -> pd.DataFrame:
        """The model against each baseline, for each target and step: a Diebold-Mariano test of the criterion's losses.

        Columns: `difference`, by which share of the baseline's score the model's is lower (negative: higher);
        `statistic`, below 0 where the model is better; `p`; `p_holm`, corrected for the number of steps; `n`, the
        origins compared, over which the losses of several series are averaged; `kernel`.
        """
        import pandas as pd

        rows = []
        for key, group in self.forecasts.groupby(["target", "step"], sort=False):
            target, step = key[0], int(str(key[1]))
            losses = self._losses(group)
            for baseline in losses.columns.drop(MODEL):
                mine, other = (self._total(losses[name]) for name in (MODEL, baseline))
                with np.errstate(divide="ignore", invalid="ignore"):
                    difference = float(1 - np.float64(mine) / other)
                lag = -(-step // self.every)
                test = diebold_mariano(losses[MODEL], losses[baseline], step=lag) if len(losses) > lag else None
                rows.append(
                    {
                        "target": target,
                        "step": step,
                        "baseline": baseline,
                        "difference": difference,
                        "statistic": test.statistic if test else np.nan,
                        "p": test.p if test else np.nan,
                        "n": len(losses),
                        "kernel": test.kernel if test else "",
                    }
                )
        table = pd.DataFrame(rows)
        table.insert(6, "p_holm", table.groupby(["target", "baseline"], sort=False)["p"].transform(holm))
        return table.set_index(["target", "step", "baseline"])

    def verdict(self) -> str:
        """Whether the model beats the baselines, by how much, how far ahead, and how sure that is."""
        if list(self.forecasts["forecaster"].unique()) == [MODEL]:
            return "There is no baseline to compare the model with."
        said = []
        targets = list(self.forecasts["target"].unique())
        for target in targets:
            findings = []
            for step in self.forecasts["step"].unique():
                scores = self.scores.xs((target, step))[self.criterion].fillna(np.inf)
                best = str(scores.drop(MODEL).idxmin())
                test: Any = self.tests.xs((target, step, best))
                findings.append(
                    Finding(
                        step=int(step),
                        best=best,
                        model=float(scores[MODEL]),
                        baseline=float(scores[best]),
                        p=float(test["p_holm"]),
                        n=int(test["n"]),
                    )
                )
            text = sentence(findings, LABELS[self.criterion], len(scores) - 1)
            if self.levels:
                text += f" {self._coverage(target)}"
            said.append(f"{target}: {text}" if len(targets) > 1 else text)
        return "\n".join(said)

    def __str__(self) -> str:
        return "\n".join([self.scores.to_string(float_format="{:.4g}".format), "", self.verdict(), *self.notes])

    def __repr__(self) -> str:
        return f"Backtest({len(self.folds)} folds, {len(self.forecasts):,} forecasts; {self.verdict()})"

    def _scored(self, group: Any) -> Scored:
        columns = {name: group[name].to_numpy() for name in ("actual", "forecast", "last", "scale")}
        quantiles = group[[f"q{level:g}" for level in self.levels]].to_numpy()
        return Scored(**columns, quantiles=quantiles, levels=self.levels)

    def _losses(self, group: pd.DataFrame) -> pd.DataFrame:
        """The criterion's loss at each origin (the index, ascending), a column for each forecaster."""
        table = group[["origin", "forecaster"]].assign(loss=LOSSES[self.criterion](self._scored(group)))
        return table.pivot_table("loss", "origin", "forecaster", aggfunc="mean")

    def _coverage(self, target: Any) -> str:
        frame = self.forecasts
        held = coverage(self._scored(frame[(frame["target"] == target) & (frame["forecaster"] == MODEL)]))
        return interval(self.levels[-1] - self.levels[0], held)

    def _total(self, losses: Any) -> float:
        mean = float(losses.mean())
        return float(np.sqrt(mean)) if self.criterion == "rmse" else mean
