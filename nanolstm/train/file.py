"""A training as one file: its state, which training it is, and whether it is over."""

from __future__ import annotations

import os
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.errors import DamagedFileError
from nanolstm.language.functions import Array
from nanolstm.store import archive
from nanolstm.store.trial import tried
from nanolstm.store.values import shown
from nanolstm.train.identity import Identity
from nanolstm.train.state import State, capture

if TYPE_CHECKING:
    from nanolstm.train.training import Training

KIND = "checkpoint"

_COLUMN = "history."

_VALUES: dict[str, tuple[type, ...]] = {
    "layout": (dict,),
    "optimizer": (str,),
    "optimizer_steps": (int,),
    "schedule": (object,),
    "rng": (dict,),
    "epoch_rng": (dict, NoneType),
    "epoch": (int,),
    "position": (int,),
    "steps": (int,),
    "loss": (Real, NoneType),
    "rate": (Real, NoneType),
    "epoch_norm": (Real,),
    "exact": (bool,),
    "best": (dict, NoneType),
    "timings": (dict,),
}
"""What a state says beside its arrays and its history."""


@attrs.frozen(eq=False, kw_only=True)
class Kept:
    """What a checkpoint holds.

    Attributes:
        state: what `training.state()` answered with.
        identity: which training it is of.
        over: why it was ended for good; None if it was not.
        trials: what each part of the model makes of inputs that are always the same, with these parameters.
    """

    state: State
    identity: Identity
    over: str | None
    trials: list[Any]


def write(path: Path, training: Training) -> None:
    """Write `training`, which is between two steps, to its file.

    Raises:
        DescriptionError: a schedule, an optimizer or a callback's column remembers what a file cannot hold.
        FileAccessError: the operating system refuses; an older file is untouched.
    """
    arrays, values = capture(training)
    over = training.ending[1] if training.ending and training.ending[0] == "asked" and training.for_good else None
    columns = _columns(values["history"])
    description = {
        "training": training.plan.identity,
        "over": over,
        "trials": [tried(part.cell) for part in training.model.parts()],
        "values": {name: value for name, value in values.items() if name != "history"},
        "columns": list(columns),
    }
    named = {_COLUMN + name: column for name, column in columns.items()}
    archive.write(path, arrays | named, description, kind=KIND)


def read(path: str | os.PathLike[str]) -> Kept:
    """What `write` wrote to `path`.

    Raises:
        MissingFileError: there is no such file.
        FileAccessError: it cannot be read.
        DamagedFileError: a bit of it is not as it was written, or it is no checkpoint (`ForeignFileError`).
        NewerFileError: a later version of nanolstm wrote it in another format.
    """
    held = archive.read(path, kind=KIND)
    told, arrays = held.description, dict(held.arrays)
    try:
        columns = {name: arrays.pop(f"{_COLUMN}{name}", None) for name in _field(told, "columns", list)}
        values = _checked(_field(told, "values", dict))
        return Kept(
            state=(arrays, {**values, "history": _rows(columns, values["epoch"])}),
            identity={str(name): str(text) for name, text in _field(told, "training", dict).items()},
            over=_field(told, "over", str, NoneType),
            trials=_field(told, "trials", list),
        )
    except (TypeError, ValueError) as error:  # a list as the name of a column
        raise made_up(path, error) from None


def made_up(path: str | os.PathLike[str], error: object) -> DamagedFileError:
    """The error of a file that is sound and says what `write` does not write."""
    return DamagedFileError(f"{path} is damaged, or made up: {error}")


def _columns(history: list[dict[str, float]]) -> dict[str, Array]:
    """As arrays: a long history as JSON would be longer than a header may be, and slow."""
    names = list(dict.fromkeys(name for row in history for name in row))
    return {name: np.array([row.get(name, np.nan) for row in history]) for name in names}


def _rows(columns: dict[Any, Array | None], epochs: int) -> list[dict[str, float]]:
    lists = [column.tolist() for column in columns.values() if column is not None and column.shape == (epochs,)]
    if len(lists) < len(columns) or (epochs and not columns):
        raise ValueError(f"its history is not that of {epochs} epochs")
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    for name, kinds in _VALUES.items():
        value = _field(values, name, *kinds)
        if kinds == (int,) and value < 0:
            raise ValueError(f"its {name} is {value}")
    return values


def _field(told: dict[str, Any], name: str, *kinds: type) -> Any:
    if name not in told:
        raise ValueError(f"it does not say {name!r}")
    value = told[name]
    if isinstance(value, kinds) and (bool in kinds or kinds == (object,) or not isinstance(value, bool)):
        return value
    raise ValueError(f"its {name} is {shown(value)}")
