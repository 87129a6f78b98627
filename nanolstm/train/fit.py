"""`fit`: the arguments of a training, checked and made into what the loop works with."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from nanolstm.errors import InputError
from nanolstm.gradient.model import Scored
from nanolstm.language.initialisers import RandomSource, random_source
from nanolstm.losses import Loss, metric
from nanolstm.losses import loss as find_loss
from nanolstm.sequence import Sequence
from nanolstm.train.batching import Ordered
from nanolstm.train.batching import batching as find_batching
from nanolstm.train.callbacks import Listeners
from nanolstm.train.checkpoint import Checkpoint
from nanolstm.train.checkpoint import checkpoint as find_checkpoint
from nanolstm.train.clipping import clip as find_clip
from nanolstm.train.examples import Examples, examples
from nanolstm.train.flat import Flat
from nanolstm.train.optimizer import Optimizer
from nanolstm.train.optimizer import optimizer as find_optimizer
from nanolstm.train.plan import Plan
from nanolstm.train.resuming import go_on
from nanolstm.train.run import Run
from nanolstm.train.schedule import schedule as find_schedule
from nanolstm.train.scoring import held, split
from nanolstm.train.state import State
from nanolstm.train.training import Training


def fit(
    model: Sequence,
    data: Any,
    *,
    loss: str | Callable[..., Any] = "mse",
    optimizer: str | Optimizer = "adam",
    epochs: int = 100,
    batch_size: int | None = None,
    validation: Any = None,
    patience: int | None = None,
    clip: Any = None,
    schedule: str | Callable[[float, int], float] | None = None,
    truncate: int | None = None,
    steps: Scored = "all",
    batching: str = "shuffled",
    metrics: Any = (),
    callbacks: Any = (),
    rng: int | RandomSource | None = None,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    resume: State | str | os.PathLike[str] | bool | None = None,
) -> Run:
    """Train `model` in place, and answer with how it went.

    ```python
    import numpy as np
    import nanolstm as nl

    x = np.random.default_rng(0).uniform(size=(40, 20, 2))             # 40 sequences of 20 steps
    target = np.cumsum(x, axis=1)[..., :1] / 10
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0), readout=1)

    run = nl.fit(model, (x, target), epochs=20, batch_size=8, validation=0.25, patience=5, clip=1.0, rng=0)
    run.history[["loss", "validation_loss"]]                           # a DataFrame, one row for each epoch
    run.best_epoch, run.why
    ```

    Args:
        model: its parameters are changed; the frozen ones are not.
        data: `(x, target)`, or a dict of `x`, `target` and whatever else `value_and_grad` takes of data (`lengths`,
            `resets`, feeds by name), or `SequenceData`. Arrays as for `value_and_grad`, or lists of arrays (T, M) of
            unequal length, which are padded.
        loss: `"name"` or `"name(key=value)"` of a registered loss, or a function of (prediction, target).
        optimizer: of a registered optimizer likewise (`sgd`, `adam`, `adamw`, `rmsprop`, `lbfgs`), or an
            [`Optimizer`][nanolstm.Optimizer].
        epochs: how often all of the data is gone through, at most; for L-BFGS the number of iterations.
        batch_size: sequences (or windows) in one step; None for 32, and for all with L-BFGS.
        validation: data in one of the forms above, or a share such as 0.2, which is held back at the end.
        patience: end after so many epochs without a better validation loss (without validation data: loss).
        clip: the largest norm of the whole gradient, a number; or `{"value": 0.5}` for each number of it, or
            `{"norm": 1.0, "value": 0.5}` for both, values first.
        schedule: `"name(key=value)"` of a registered schedule (`constant`, `step`, `cosine`, `warmup`, `plateau`), or a
            function of (epochs done, epochs in all) that answers with a factor of the learning rate. It is asked in
            each step: in the middle of an epoch half of it is done.
        truncate: truncated backpropagation through time within a sequence, as for `value_and_grad`.
        steps: `"all"`, or `"last"` where there is one target for each sequence (a label, say): the loss is then on the
            output at the last valid step. As for `value_and_grad`.
        batching: `"shuffled"`, `"ordered"` or `"bucketed"` (those of like length together): whole sequences;
            `"windows(length=64, stride=16)"`: windows of long series, shuffled, each from the first state on;
            `"stateful(length=64)"`: long series a piece at a time, in order, the state carried on.
        metrics: names of registered metrics (`accuracy`, `binary_accuracy`, `r2`) or losses, or functions of
            (prediction, target): reported beside the loss.
        callbacks: names of registered callbacks (`target`, `time_limit`, `csv`); functions of the
            [`Training`][nanolstm.Training], called after each epoch; or objects with at least one of the methods
            `fit_start(training)`, `step_end(training)`, `epoch_end(training)`, `fit_end(training, run)`.
        rng: draws the order of sequences, and the masks of cells that have `noise`. The same seed gives the same bits.
        progress: show a bar where somebody can see it.
        checkpoint: the path of a file that the training is written to every 30 seconds and at its end, or a
            [`Checkpoint`][nanolstm.Checkpoint], which says when. If the file is there already and `resume` does not
            say to go on from it, it is replaced.
        resume: True: go on from the file of `checkpoint`, or begin where it is not there yet, so that a program
            that was killed is simply started again. The path of such a file: go on from it. What `training.state()`
            answered with: go on from there. `epochs` and `patience` may be others than before, and the first
            parameters of `model` and where `rng` is do not matter.

    Returns:
        A [`Run`][nanolstm.Run]. The model has the parameters of the best epoch: that of the lowest validation loss, or
        without validation data of the lowest loss. (If one batch holds all data, a loss is that of the parameters
        before the epoch's only step, and these are the ones that come back; if the last epoch is the best, its step
        stays.) Ctrl-C ends a training early, and that is all it does.

    Raises:
        InputError: an argument that is none of the above.
        UnknownNameError: a name that no plugin registered.
        DivergedError: a loss or a gradient that is not finite; it says where, and has the `run` until then. The model
            has its last good parameters.
        CheckpointMismatchError: the file to go on from is that of another model, data or option.
        StoreError: it cannot be read, written or used; see the page "Save and load".
        TraceError: as for `value_and_grad`.
    """
    if not isinstance(model, Sequence):
        raise InputError(
            f"fit: the model is {model!r}; expected a Sequence, such as nl.Sequence(cell). (An Ensemble has a method "
            "fit of its own)"
        )
    plan = planned(
        model,
        partial(examples, model),
        data,
        validation,
        loss=loss,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        clip=clip,
        schedule=schedule,
        truncate=truncate,
        steps=steps,
        batching=batching,
        metrics=metrics,
        callbacks=callbacks,
        rng=rng,
        progress=progress,
        checkpoint=checkpoint,
    )
    training = Training(plan)
    go_on(training, resume)
    return training.run()


def planned(
    model: Sequence,
    read: Callable[..., Examples],
    data: Any,
    validation: Any,
    *,
    loss: Any,
    optimizer: Any,
    epochs: Any,
    batch_size: Any,
    patience: Any,
    clip: Any,
    schedule: Any,
    truncate: Any,
    steps: Any,
    batching: Any,
    metrics: Any,
    callbacks: Any,
    rng: Any,
    progress: bool,
    checkpoint: Any,
) -> Plan:
    """The arguments of [`fit`][nanolstm.fit], checked; `read` makes examples of data, as `examples` does of a model's.

    Raises:
        InputError: as for `fit`.
        UnknownNameError: as for `fit`.
    """
    for name, count in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience), ("truncate", truncate)):
        _check_count(name, count, none=name != "epochs")
    function, way, how = find_loss(loss), find_batching(batching), find_optimizer(optimizer)
    _check_way(way, steps, model)
    whole = steps == "last" and not way.over_time
    given, kept, size = read(data, function, whole=whole), None, batch_size or 32
    if isinstance(validation, int | float):
        given, kept = split(given, validation, way, size)
    elif validation is not None:
        kept = held(read(validation, function, "validation", whole=whole), way, size)
    if how.full_batch:
        _check_full_batch(how, model, way, given.count, batch_size=batch_size, schedule=schedule, clip=clip)
        way, size = Ordered(), given.count
    return Plan(
        model=model,
        examples=given,
        held=kept,
        loss=function,
        metrics=_metrics(metrics),
        optimizer=how,
        schedule=find_schedule(schedule),
        clip=find_clip(clip),
        batching=way,
        batch_size=size,
        epochs=epochs,
        patience=patience,
        truncate=truncate,
        steps=steps,
        rng=random_source(rng),
        progress=progress,
        listeners=Listeners(callbacks),
        checkpoint=find_checkpoint(checkpoint),
    )


def _check_count(name: str, value: Any, *, none: bool) -> None:
    if (value is None and none) or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return
    raise InputError(f"{name}={value!r}: expected a number from 1 on{', or None' if none else ''}")


def _check_way(way: Ordered, steps: Any, model: Sequence) -> None:
    if steps not in ("all", "last"):
        raise InputError(f"steps={steps!r}: expected 'all', or 'last' for one target for each sequence")
    if steps == "last" and way.carries:
        raise InputError("steps='last' goes with whole sequences or windows, and not with stateful pieces of a series")
    if way.carries and model.bidirectional:
        raise InputError(
            "a bidirectional model reads a series from its end too: it cannot be trained in stateful pieces"
        )


def _metrics(given: Any) -> tuple[Loss, ...]:
    found = tuple(metric(one) for one in (given if isinstance(given, list | tuple) else [given]))
    names = ["epoch", "loss", "lr", "gradient_norm", "seconds", *map(str, found)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"metrics: two columns of the history would be called {name!r}; give each function a name of its own"
            )
    return found


def _check_full_batch(how: Optimizer, model: Sequence, way: Ordered, count: int, **given: Any) -> None:
    """An optimizer that goes its own way takes all sequences at once, and nothing is done to its steps."""
    what = f"optimizer {type(how).__name__} takes all data at once and chooses its own steps"
    if way.over_time:
        raise InputError(f"{what}: it cannot go through windows or pieces of a series; choose another optimizer")
    if given["batch_size"] is not None and given["batch_size"] < count:
        raise InputError(f"{what}: batch_size={given['batch_size']} of {count}; leave it out")
    for name in ("schedule", "clip"):
        if given[name] is not None:
            raise InputError(f"{what}: {name}= has no meaning for it; leave it out")
    if names := Flat(model).projected:
        raise InputError(f"{what}: {', '.join(names)} would be moved by project= after each; choose another optimizer")
