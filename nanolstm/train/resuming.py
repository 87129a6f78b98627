"""What `resume=` means: where a training goes on, and whether it may."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nanolstm.errors import CheckpointMismatchError, InputError, MissingFileError, NanolstmError, one_line
from nanolstm.store.trial import same, tried
from nanolstm.store.values import shown
from nanolstm.train.file import Kept, made_up, read
from nanolstm.train.identity import differences

if TYPE_CHECKING:
    from nanolstm.train.training import Training


def go_on(training: Training, resume: Any) -> None:
    """Make `training`, which has not begun, what is to be gone on from.

    Raises:
        InputError: `resume` says nothing, or is a state of another model, optimizer or generator.
        CheckpointMismatchError: a file is that of another training.
        StoreError: it cannot be read.
    """
    checkpoint = training.plan.checkpoint
    if resume is None or resume is False:
        return
    if isinstance(resume, tuple) and len(resume) == 2 and all(isinstance(part, dict) for part in resume):
        training.restore(resume)
    elif isinstance(resume, str | os.PathLike):
        _from_file(training, resume, read(resume))
    elif resume is not True:
        raise InputError(
            f"resume={shown(resume)}: expected True beside checkpoint=path, the path of a checkpoint, or what "
            "training.state() answered with"
        )
    elif checkpoint is None:
        raise InputError("resume=True: from which file? Write checkpoint=path beside it, or resume=path")
    else:
        try:
            kept = read(checkpoint.path)
        except MissingFileError:  # the process before this one died before there was any
            return
        _from_file(training, checkpoint.path, kept)


def _from_file(training: Training, path: str | os.PathLike[str], kept: Kept) -> None:
    """Go on from a file, or leave everything as it was."""
    if differing := differences(kept.identity, training.plan.identity):
        raise CheckpointMismatchError(
            f"{path} is a checkpoint of another training. {'; '.join(differing)}. Give the same arguments, or train on "
            f"with these with resume=nl.Checkpoint({str(path)!r}).state(), or leave resume= out to begin anew"
        )
    before = training.state()
    try:
        _check_shapes(before[0], kept)
        training.restore(kept.state)
        _check_trials(training, path, kept)
    except CheckpointMismatchError:
        training.restore(before)
        raise
    except Exception as error:  # optimizers, schedules and generators are given what the file says
        training.restore(before)
        why = one_line(error) if isinstance(error, NanolstmError) else f"its state cannot be used, {one_line(error)}"
        raise made_up(path, why) from error
    if kept.over is not None:
        training.ending = ("asked", kept.over)


def _check_shapes(own: Any, kept: Kept) -> None:
    """NumPy would stretch one number to a vector, and round without a word."""
    for name, array in kept.state[0].items():
        like = own.get("parameters" if name == "best" else name)
        fixed = like is not None and name.partition(".")[0] in ("parameters", "good", "best", "frozen")
        if fixed and (array.shape, array.dtype) != (like.shape, like.dtype):
            raise ValueError(f"{name} is {array.dtype} {array.shape} instead of {like.dtype} {like.shape}")


def _check_trials(training: Training, path: str | os.PathLike[str], kept: Kept) -> None:
    for part, trial in zip(training.model.parts(), kept.trials, strict=True):
        cell = part.cell
        if not same(trial, tried(cell), cell.dtype.name):
            raise CheckpointMismatchError(
                f"{path} is a checkpoint of another training: the class {type(cell).__qualname__} of "
                f"{type(cell).__module__} computed something else then than it does now, so its step, a gate or an "
                "activation has changed. Leave resume= out to begin anew"
            )
