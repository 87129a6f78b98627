"""What a trial came to: facts as plain values, and tables of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from rich.markup import escape
from rich.table import Table

from nanolstm.cli.trial import Trial
from nanolstm.report import data_facts, day, model_facts, number, print_data, print_model, training_facts

if TYPE_CHECKING:
    from rich.console import Console

    from nanolstm.data.request import DataRequest

_SHARES = ("direction", "coverage")


@attrs.frozen(kw_only=True, eq=False)
class TrialReport:
    """A trial, the data it was on, and the files that were written."""

    request: DataRequest
    instead_of: str | None
    trial: Trial
    files: Mapping[str, Path]

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        trial, options, result = self.trial, self.trial.plan.options, self.trial.result
        ahead = "one row ahead" if options.horizon == 1 else f"1 to {options.horizon} rows ahead"
        data = data_facts(trial.frame, trial.windows.columns, options.target) | {"target": f"{options.target}, {ahead}"}
        asked = {"source": self.request.source, "instead_of": self.instead_of, "symbol": self.request.symbol}
        return {
            "data": asked | data,
            "model": model_facts(trial.model, options.seed, trained=True),
            "loss": str(trial.plan.loss),
            "optimizer": options.optimizer,
            "training": [training_facts(run) for run in trial.runs],
            "context": options.context,
            "transform": trial.transforms,
            "scaler": options.scaler,
            "folds": [
                {name: _plain(value) for name, value in row.items() if name != "seconds"}
                for row in result.folds.reset_index().to_dict("records")
            ],
            "scored": len(result.forecasts[["origin"]].drop_duplicates()),
            "scores": [
                {name: _plain(value) for name, value in row.items()}
                for row in result.scores.reset_index().to_dict("records")
            ],
            "verdict": result.verdict(),
            "notes": list(trial.notes),
            "files": {what: str(path) for what, path in self.files.items()},
        }

    def print(self, console: Console) -> None:
        """The same as tables."""
        facts, runs = self.facts(), self.trial.runs
        print_data(console, facts["data"])
        print_model(console, facts["model"])
        seconds = sum(run.timings["total"] for run in runs)
        how = f"{facts['loss']}, {facts['optimizer']}"
        text = f"{how}; {runs[0]}" if len(runs) == 1 else f"{how}; {len(runs)} times, in {seconds:.1f} s"
        console.print(escape(f"Trained: {text}"))
        if len(facts["folds"]) > 1:
            console.print(_folds(facts["folds"]))
        console.print(self._scores(facts))
        console.print(escape(facts["verdict"]))
        for note in facts["notes"]:
            console.print(escape(f"Note: {note}"))
        for what, path in facts["files"].items():
            console.print(escape(f"The {what} is in {path}."), soft_wrap=True)

    def _scores(self, facts: dict[str, Any]) -> Table:
        options, folds = self.trial.plan.options, facts["folds"]
        several = options.horizon > 1
        metrics = [name for name in facts["scores"][0] if name not in ("target", "step", "forecaster", "n")]
        table = Table(
            *(["ahead"] if several else []),
            "",
            *map(escape, metrics),
            title=escape(
                f"Scores: {facts['scored']:,} held-out rows, {folds[0]['test from']} to {folds[-1]['test to']}, in "
                f"units of {options.target}"
            ),
            title_justify="left",
        )
        for column in table.columns[-len(metrics) :]:
            column.justify = "right"
        before = None
        for row in facts["scores"]:
            if before not in (None, row["step"]):
                table.add_section()
            first = [str(row["step"]) if row["step"] != before else ""] if several else []
            table.add_row(*first, escape(row["forecaster"]), *(_shown(name, row[name]) for name in metrics))
            before = row["step"]
        return table


def _folds(folds: list[dict[str, Any]]) -> Table:
    table = Table("fold", "trained", "held out", "forecasts", title="Folds", title_justify="left")
    for row in folds:
        spans = [f"{row[f'{part} from']} to {row[f'{part} to']}" for part in ("train", "test")]
        table.add_row(str(row["fold"]), *spans, str(row["forecasts"]))
    return table


def _shown(metric: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if metric in _SHARES else f"{value:.4g}"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return number(float(value))
    return int(value) if hasattr(value, "dtype") else value if isinstance(value, str | int | None) else day(value)
