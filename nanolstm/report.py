"""What `nanolstm run` says: one set of facts, as tables for people and as JSON for programs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.data.request import DataRequest, SequenceData
from nanolstm.losses import Loss
from nanolstm.protocols import Evaluation
from nanolstm.sequence import Sequence

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

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "data": self._data(),
            "model": {
                "cell": [repr(cell) for cell in self.model.cells],
                "inputs": self.model.inputs,
                "outputs": self.model.outputs,
                "parameters": self.model.parameters.count,
                "frozen": self.model.frozen.count,
                "groups": self._groups(),
                "rng": self.rng,
                "trained": False,
            },
            "loss": str(self.loss),
            "protocol": self.evaluation.protocol,
            "scored": self.evaluation.scored,
            "scores": {
                name: {"scaled": _number(score.scaled), "own": _number(score.own)}
                for name, score in self.evaluation.scores.items()
            },
            "verdict": self.evaluation.verdict(),
        }

    def print(self, console: Console) -> None:
        """The same as tables."""
        from rich.markup import escape
        from rich.table import Table

        facts = self.facts()
        loaded = Table("data", "", box=None, title="Loaded", title_justify="left", show_header=False)
        for key, value in facts["data"].items():
            if value is not None:
                loaded.add_row(
                    key.replace("_", " "), escape(", ".join(value) if isinstance(value, list) else str(value))
                )
        console.print(loaded)

        model = Table(
            "gate",
            "weights",
            "parameters",
            title=escape(f"Model: {'; '.join(facts['model']['cell'])}"),
            title_justify="left",
        )
        for name, group in facts["model"]["groups"].items():
            shapes = "  ".join(f"{key} {'x'.join(map(str, shape))}" for key, shape in group["shapes"].items())
            model.add_row(name, shapes, str(group["count"]))
        frozen = f", {facts['model']['frozen']} frozen" if facts["model"]["frozen"] else ""
        model.add_section()
        model.add_row("all", f"untrained, drawn with rng={self.rng}{frozen}", str(facts["model"]["parameters"]))
        console.print(model)

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
        for name, score in self.evaluation.scores.items():
            row = [_LABELS.get(name, name), f"{score.scaled:.6g}"]
            scores.add_row(*row, *([f"{score.own:.6g}"] if own and score.own is not None else []))
        console.print(scores)
        console.print(escape(facts["verdict"]))

    def _data(self) -> dict[str, Any]:
        asked = {"source": self.request.source, "instead_of": self.instead_of, "symbol": self.request.symbol}
        if isinstance(self.data, SequenceData):
            return asked | {
                "sequences": len(self.data.x),
                "steps": self.data.x.shape[1],
                "inputs": self.data.x.shape[2],
            }
        index = self.data.index
        return asked | {
            "rows": len(self.data),
            "first": str(index[0]).removesuffix(" 00:00:00"),
            "last": str(index[-1]).removesuffix(" 00:00:00"),
            "features": list(self.features),
            "target": f"{self.target}, one row ahead",
        }

    def _groups(self) -> dict[str, Any]:
        groups: dict[str, Any] = {}
        for key, view in self.model.parameters.items():
            gate, _, weight = key.rpartition(".")
            group = groups.setdefault(gate or weight, {"shapes": {}, "count": 0})
            group["shapes"][weight] = list(np.shape(view))
            group["count"] += int(view.size)
        return groups


def _number(value: float | None) -> float | None:
    """`value`, or None for what JSON has no number for."""
    return None if value is None or not math.isfinite(value) else value


_LABELS = {
    "model": "model (untrained)",
    "persistence": "persistence: tomorrow equals today",
    "mean": "mean of the targets",
}
