"""A trained forecaster on disk: the model, and beside it the run that made it with what its scalers were fitted to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.cli.config import FITTED, read_toml, write_config
from nanolstm.cli.options import Options
from nanolstm.data.preparation import Fitted, Preparation, check_transforms
from nanolstm.data.scaling import Scaling
from nanolstm.data.series import ONE
from nanolstm.data.windows import Windows
from nanolstm.errors import DescriptionError, FileAccessError, InputError
from nanolstm.report import day

if TYPE_CHECKING:
    from nanolstm.cli.trial import Trial
    from nanolstm.sequence import Sequence
    from nanolstm.train.run import Run

TOLERANCE = 1e-9
SEQUENCES = "separate_sequences"
UNFINISHED = ".ckpt"
OFTEN = 1.0
"""Seconds between two checkpoints, the most that a run which is cut off has to do once more; one takes milliseconds."""


@attrs.frozen
class Affine:
    """What a fitted scaler comes to: `own = offset + scale * scaled`."""

    offset: float
    scale: float

    def transform(self, numbers: Any) -> Any:
        """Into scaled units."""
        return (numbers - self.offset) / self.scale

    def inverse_transform(self, scaled: Any) -> Any:
        """Into the data's own units."""
        return self.offset + self.scale * scaled


def check_place(path: Path) -> None:
    """Find out before any work is done whether a model can be written to `path`.

    Raises:
        InputError: its folder is not there, or it would take the place of its own description.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else f'there is no folder {path.parent}'}")
    for ending, what in ((".toml", "run"), (UNFINISHED, "unfinished training")):
        if path.suffix == ending:
            raise InputError(f"{path}: the {what} is written to a file of this ending; call the model *.safetensors")


def beside(path: Path) -> Path:
    """Where the run stands that made the model at `path`."""
    return path.with_suffix(".toml")


def unfinished(path: Path) -> Path:
    """Where the training stands, until it has ended, of the model that will be at `path`."""
    return path.with_suffix(UNFINISHED)


def keeping(path: Path | None, *, resume: bool) -> dict[str, Any]:
    """The options of `fit` by which a run that is cut off can go on.

    Raises:
        InputError: it is to go on, and nobody said where it was kept.
    """
    if path is None:
        if resume:
            raise InputError("--resume goes on with the run whose model --save names; give --save FILE beside it")
        return {}
    check_place(path)
    from nanolstm.train.checkpoint import Checkpoint

    return {"checkpoint": Checkpoint(unfinished(path), every_seconds=OFTEN), "resume": resume}


def forget(path: Path, run: Run) -> None:
    """The model is at `path`: its training is over, unless somebody has interrupted it and may want to go on."""
    if run.stopped != "interrupted":
        unfinished(path).unlink(missing_ok=True)


def keep_model(path: Path, model: Sequence, told: Mapping[str, Any]) -> None:
    """Write a model of separate sequences to `path`, and beside it the options `told`.

    Raises:
        DescriptionError: a field of a cell that is not plain.
        FileAccessError: the operating system refuses.
    """
    from nanolstm.store.models import save

    save(model, path)
    write_config(beside(path), {**told, FITTED: {"model_sha256": _digest(path), SEQUENCES: True}})


def keep(path: Path, trial: Trial, told: Mapping[str, Any]) -> None:
    """Write the model to `path`, and beside it the options `told` and what was fitted.

    Raises:
        DescriptionError: a scaler that is no straight line, or a field of a cell that is not plain.
        FileAccessError: the operating system refuses.
    """
    from nanolstm.store.models import save

    fitted, rows = trial.preparation.fitted[ONE], trial.fold.train
    lines = {
        "rows": [_line(column, one) for column, one in fitted.rows.transformers.items()],
        "steps": [[_line(column, one) for column, one in step.transformers.items()] for step in fitted.steps],
    }
    save(trial.model, path)
    about = {
        "model_sha256": _digest(path),
        "trained_from": day(trial.frame.index[rows.start]),
        "trained_to": day(trial.frame.index[rows.stop - 1]),
        "past": list(trial.windows.past),
        "transform": trial.transforms,
        **lines,
    }
    write_config(beside(path), {**told, FITTED: about})


@attrs.frozen(kw_only=True, eq=False)
class Kept:
    """What `keep` wrote."""

    model: Sequence
    options: Options
    windows: Windows
    transforms: dict[str, str]
    trained_to: str
    _fitted: Mapping[str, Any]

    def preparation(self, series: Mapping[Any, Any]) -> Preparation:
        """Transforms and scalings as they were fitted, for a series."""

        def scaling(lines: list[dict[str, Any]]) -> Scaling:
            return Scaling({line["column"]: Affine(line["offset"], line["scale"]) for line in lines})

        fitted = Fitted(
            rows=scaling(self._fitted["rows"]), steps=tuple(scaling(step) for step in self._fitted["steps"])
        )
        transforms = check_transforms(self.transforms, self.windows, series)
        return Preparation(windows=self.windows, transforms=transforms, fitted={ONE: fitted})


def read_kept(path: Path, cells: Any = ()) -> Kept:
    """The forecaster at `path`.

    Raises:
        InputError: there is no run beside it, or that of another model.
        StoreError: the model cannot be read.
        UnknownNameError: its cell is neither registered nor handed in.
    """
    from nanolstm.store.models import load

    model, place = load(path, cells), beside(path)
    told = read_toml(place)
    try:
        fitted = told.pop(FITTED)
        if fitted.get(SEQUENCES):
            raise InputError(f"{path} was trained on separate sequences and forecasts no series; use it by nl.load")
        options = Options(**told)
        windows = Windows(targets=options.target, past=fitted["past"], context=options.context, horizon=options.horizon)
        transforms, trained_to, digest = dict(fitted["transform"]), fitted["trained_to"], fitted["model_sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{place} does not say what a model was fitted on ({error}); --save writes it") from None
    if digest != _digest(path):
        raise InputError(f"{place} is about another model than {path}; save both anew with --save")
    return Kept(
        model=model, options=options, windows=windows, transforms=transforms, trained_to=trained_to, fitted=fitted
    )


def _line(column: Any, transformer: Any) -> dict[str, Any]:
    """A fitted scaler as the straight line that it is.

    Raises:
        DescriptionError: it is none.
    """
    points = np.array([[0.0], [1.0], [-1.0], [0.5], [3.0]])
    own = np.asarray(transformer.inverse_transform(points), dtype=float)[:, 0]
    line = Affine(float(own[0]), float(own[1] - own[0]))
    if not np.allclose(line.inverse_transform(points[:, 0]), own, rtol=TOLERANCE, atol=TOLERANCE * abs(line.scale)):
        raise DescriptionError(
            f"{column!r} is scaled by {transformer}, which is no straight line and cannot be kept; choose standard, "
            "minmax, robust or none"
        )
    return {"column": str(column), "offset": line.offset, "scale": line.scale}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FileAccessError(f"{path} cannot be read: {error.strerror}") from error
