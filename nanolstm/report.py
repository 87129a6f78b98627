"""What `nanolstm run` says: one set of facts, as tables for people and as JSON for programs.

Of series that a model is trained on, `nanolstm.cli.told` says the rest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.data.request import DataRequest, SequenceData
from nanolstm.losses import Loss
from nanolstm.protocols import Evaluation
from nanolstm.sequence import Sequence
from nanolstm.train.run import Run

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


@attrs.frozen(eq=False, kw_only=True)
class Report:
    """Everything that a run was made of and came to."""

    request: DataRequest
    data: pd.DataFrame | SequenceData
    instead_of: str | None
    features: tuple[str, ...]
    target: str
    model: Sequence
    loss: Loss
    evaluation: Evaluation
    rng: int
    training: Run | None = None

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        asked = {"source": self.request.source, "instead_of": self.instead_of, "symbol": self.request.symbol}
        return {
            "data": asked | data_facts(self.data, self.features, self.target),
            "model": model_facts(self.model, self.rng, trained=self.training is not None),
            **({} if self.training is None else {"training": training_facts(self.training)}),
            "loss": str(self.loss),
            "protocol": self.evaluation.protocol,
            "scored": self.evaluation.scored,
            "scores": {
                name: {"scaled": number(score.scaled), "own": number(score.own)}
                for name, score in self.evaluation.scores.items()
            },
            "verdict": self.evaluation.verdict(),
        }

    def print(self, console: Console) -> None:
        """The same as tables."""
        from rich.markup import escape
        from rich.table import Table

        facts = self.facts()
        print_data(console, facts["data"])
        print_model(console, facts["model"])
        if self.training is not None:
            console.print(escape(f"Trained: {self.training}"))
        steps = "sequences" if isinstance(self.data, SequenceData) else "steps"
        scores = Table(
            "",
            escape(str(self.loss) if isinstance(self.data, SequenceData) else f"{self.loss}, scaled"),
            title=f"Scores: {self.evaluation.protocol} protocol, {facts['scored']:,} {steps}",
            title_justify="left",
        )
        own = any(score.own is not None for score in self.evaluation.scores.values())
        if own:
            scores.add_column(escape(f"in units of {self.target}"), justify="right")
        scores.columns[1].justify = "right"
        labels = {**_LABELS, "model": "model" if self.training else "model (untrained)"}
        for name, score in self.evaluation.scores.items():
            row = [escape(labels.get(name, name)), f"{score.scaled:.6g}"]
            scores.add_row(*row, *([f"{score.own:.6g}"] if own and score.own is not None else []))
        console.print(scores)
        console.print(escape(facts["verdict"]))


def data_facts(data: pd.DataFrame | SequenceData, features: tuple[str, ...], target: str) -> dict[str, Any]:
    """What was loaded."""
    if isinstance(data, SequenceData):
        return {"sequences": len(data.x), "steps": data.x.shape[1], "inputs": data.x.shape[2]}
    return {
        "rows": len(data),
        "first": day(data.index[0]),
        "last": day(data.index[-1]),
        "features": list(features),
        "target": f"{target}, one row ahead",
    }


def model_facts(model: Sequence, rng: int, *, trained: bool) -> dict[str, Any]:
    """The model, and the shapes of its parameters by gate."""
    groups: dict[str, Any] = {}
    for key, view in model.parameters.items():
        gate, _, weight = key.rpartition(".")
        group = groups.setdefault(gate or weight, {"shapes": {}, "count": 0})
        group["shapes"][weight] = list(np.shape(view))
        group["count"] += int(view.size)
    return {
        "cell": [repr(cell) for cell in model.cells],
        "inputs": model.inputs,
        "outputs": model.outputs,
        "parameters": model.parameters.count,
        "frozen": model.frozen.count,
        "groups": groups,
        "rng": rng,
        "trained": trained,
    }


def training_facts(run: Run) -> dict[str, Any]:
    """How a training went."""
    return {
        "epochs": len(run.history),
        "best_epoch": run.best_epoch,
        "best_score": number(run.best_score),
        "stopped": run.stopped,
        "why": run.why,
    }


def print_data(console: Console, facts: dict[str, Any]) -> None:
    """`data_facts` as a table."""
    from rich.markup import escape
    from rich.table import Table

    loaded = Table("data", "", box=None, title="Loaded", title_justify="left", show_header=False)
    for key, value in facts.items():
        if value is not None:
            loaded.add_row(key.replace("_", " "), escape(", ".join(value) if isinstance(value, list) else str(value)))
    console.print(loaded)


def print_model(console: Console, facts: dict[str, Any]) -> None:
    """`model_facts` as a table."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        "gate", "weights", "parameters", title=escape(f"Model: {'; '.join(facts['cell'])}"), title_justify="left"
    )
    for name, group in facts["groups"].items():
        shapes = "  ".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in group["shapes"].items())
        table.add_row(escape(name), escape(shapes), str(group["count"]))
    frozen = f", {facts['frozen']} frozen" if facts["frozen"] else ""
    table.add_section()
    state = "trained from values" if facts["trained"] else "untrained,"
    table.add_row("all", f"{state} drawn with rng={facts['rng']}{frozen}", str(facts["parameters"]))
    console.print(table)


def day(time: Any) -> str:
    """A time as text, without an hour that says nothing."""
    return str(time).removesuffix(" 00:00:00")


def number(value: float | None) -> float | None:
    """`value`, or None for what JSON has no number for."""
    return None if value is None or not math.isfinite(value) else value


_LABELS = {
    "persistence": "persistence: tomorrow equals today",
    "mean": "mean of the targets",
}
