"""One training of a sweep, as it is handed to whoever works on it, and the row that comes of it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.cells.find import find_cell
from nanolstm.errors import DivergedError, InputError, one_line
from nanolstm.kernels.threads import limited_to
from nanolstm.losses import Loss
from nanolstm.sequence import Sequence
from nanolstm.train.examples import by_name
from nanolstm.train.fit import fit
from nanolstm.train.run import Run

Row: TypeAlias = dict[str, Any]
SETTINGS = ("series", "cell", "size", "loss", "seed")
_NOTHING: Row = {
    "parameters": 0,
    "score": np.nan,
    "best_epoch": 0,
    "epochs": 0,
    "stopped": "failed",
    "step_seconds": np.nan,
}
COLUMNS = (*SETTINGS, *_NOTHING, "seconds", "error")
"""Those of the table, in their order; with histories there is one more, `history`."""


@attrs.frozen(eq=False, kw_only=True)
class Member:
    """What decides the numbers of one training.

    `series` and `cell` are names; `make` is the cell's class, a function of (inputs, hidden, rng), or a text that has
    to be looked up where the training is, since the module that it names is known by its path only.
    With `keeps_history` the row has the history of the training too, as a list of numbers for each of its columns.
    """

    series: str
    cell: str
    size: int
    loss: Loss
    seed: int
    make: Callable[..., Any] | str
    data: Any
    score: Loss
    readout: int | None
    backend: Any
    options: Mapping[str, Any]
    keeps_history: bool = False

    @property
    def settings(self) -> Row:
        """By the names of the table's columns."""
        return {name: getattr(self, name) for name in SETTINGS} | {"loss": str(self.loss)}

    def made_cell(self) -> Any:
        """The cell, with the first parameters of its seed."""
        given = by_name(self.data, f"series {self.series!r}")
        x = given["x"][0] if isinstance(given["x"], list | tuple) else given["x"]
        make = self.make
        if isinstance(make, str):
            kind, fields = find_cell(make)
            make = partial(kind, **fields)
        return make(inputs=np.shape(x)[-1], hidden=self.size, rng=self.seed)

    def model(self) -> Sequence:
        """The model before its training: the cell, and a readout with the columns that the loss takes."""
        return Sequence(self.made_cell(), readout=self.readout or self._columns(), backend=self.backend)

    def run(self, number_of_threads: int | None = None) -> Row:
        """Train, on so many threads (None: on those that there are), and answer with a row, whatever goes wrong."""
        began = time.perf_counter()
        row = self.settings | _NOTHING
        error = ""
        try:
            with limited_to(number_of_threads):
                model = self.model()
                row["parameters"] = model.parameters.count
                row |= self._trained(model)
        except Exception as failure:  # noqa: BLE001  # the other members go on
            error = one_line(failure)
            if isinstance(failure, DivergedError) and failure.run is not None:
                row |= self._ended(failure.run)
        return row | {"seconds": time.perf_counter() - began, "error": error}

    def _trained(self, model: Sequence) -> Row:
        # Copies, so that an optimizer or a callback begins anew whether or not members share a process.
        options = copy.deepcopy(dict(self.options))
        given: dict[str, Any] = {"loss": self.loss, "metrics": [self.score], "rng": self.seed, "progress": False}
        run = fit(model, self.data, **given, **options)
        row = self._ended(run) | {"best_epoch": run.best_epoch}
        if run.best_epoch:
            row["score"] = float(run.history[f"validation_{self.score}"].loc[run.best_epoch])
        return row

    def _ended(self, run: Run) -> Row:
        """What there is to say of a training, whether it went well or not."""
        row: Row = {"epochs": len(run.history), "stopped": run.stopped}
        steps = int(run.timings["steps"])
        if steps > 1:  # the first one compiles or loads kernels
            row["step_seconds"] = (run.timings["training"] - run.timings["first_step"]) / (steps - 1)
        if self.keeps_history:
            row["history"] = run.history.reset_index().to_dict("list") if len(run.history) else {}
        return row

    def _columns(self) -> int:
        given = by_name(self.data)
        x, target = given["x"], given["target"]
        listed = isinstance(x, list | tuple)
        if self.options.get("steps", "all") == "last":
            leading, shape = (1 if listed else np.ndim(x) - 2), np.shape(target)
        else:
            leading, shape = (1 if listed else np.ndim(x) - 1), np.shape(target[0] if listed else target)
        if self.loss.classes:
            raise InputError(f"loss {self.loss} takes a column for each class: say readout= how many there are")
        return self.loss.columns * (shape[-1] if len(shape) > leading else 1)
