"""All that a training remembers, taken out of it and put back: a run that goes on from it gives the same bits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from nanolstm.errors import InputError
from nanolstm.language.functions import Array
from nanolstm.train.generator import set_state, state_of
from nanolstm.train.schedule import Watching

if TYPE_CHECKING:
    from nanolstm.train.training import Training

State: TypeAlias = tuple[dict[str, Array], dict[str, Any]]
"""Arrays by name, and a dict that JSON can hold."""


def capture(training: Training) -> State:
    """The state of `training`, between two steps."""
    plan, best = training.plan, training.best
    arrays = {"parameters": training.flat.vector.copy(), "good": training.good.copy()}
    arrays |= {f"frozen.{name}": view.copy() for name, view in plan.model.frozen.items()}
    arrays |= {f"optimizer.{name}": array for name, array in plan.optimizer.state().items()}
    if best.vector is not None:
        arrays["best"] = best.vector.copy()
    if training.carried is not None:
        arrays |= {f"carried.{name}": array.copy() for name, array in training.carried.items()}
    if training.predictions.predicted:
        arrays["predicted"], arrays["targets"] = training.predictions.joined()
    values = {
        "layout": _layout(training),
        "optimizer": type(plan.optimizer).__name__,
        "optimizer_steps": plan.optimizer.steps,
        "schedule": plan.schedule.state() if isinstance(plan.schedule, Watching) else None,
        "rng": state_of(plan.rng),
        "epoch_rng": training.epoch_rng,
        "epoch": training.epoch,
        "position": training.position,
        "steps": training.steps,
        "loss": None if math.isnan(training.loss) else training.loss,
        "rate": None if math.isnan(training.rate) else training.rate,
        "epoch_norm": training.epoch_norm,
        "exact": training.exact,
        "history": [dict(row) for row in training.history],
        "best": {"epoch": best.epoch, "score": best.score} if best.epoch else None,
        "timings": training.timings_so_far,
    }
    return arrays, values


def put_back(training: Training, state: State) -> None:
    """Make `training` what the one was of which `state` is.

    Raises:
        InputError: that cannot be.
    """
    arrays, values = state
    plan = training.plan
    if values["layout"] != _layout(training):
        raise InputError(
            f"resume: the state is that of a model with the parameters {_shown(values['layout'])}; this one has "
            f"{_shown(_layout(training))}"
        )
    if values["optimizer"] != type(plan.optimizer).__name__:
        raise InputError(
            f"resume: the state is that of the optimizer {values['optimizer']}, and this is {plan.optimizer!r}"
        )
    for name, view in plan.model.frozen.items():
        view[...] = arrays[f"frozen.{name}"]
    training.flat.vector[...] = arrays["parameters"]
    training.flat.push()
    training.good[...] = arrays["good"]
    plan.optimizer.restore(_below("optimizer.", arrays))
    plan.optimizer.steps = values["optimizer_steps"]
    if isinstance(plan.schedule, Watching):
        plan.schedule.restore(values["schedule"])
    for name in ("epoch", "position", "steps", "epoch_norm", "epoch_rng", "exact"):
        setattr(training, name, values[name])
    training.loss = math.nan if values["loss"] is None else values["loss"]
    training.rate = math.nan if values["rate"] is None else values["rate"]
    training.history = [dict(row) for row in values["history"]]
    training.timings = dict(values["timings"])
    if values["best"]:
        training.best = attrs.evolve(training.best, **values["best"], vector=arrays["best"].copy())
    training.carried = {n: array.copy() for n, array in _below("carried.", arrays).items()} or None
    if "predicted" in arrays:
        training.predictions.predicted, training.predictions.targets = [arrays["predicted"]], [arrays["targets"]]
    set_state(plan.rng, values["rng"])


def _layout(training: Training) -> dict[str, list[int]]:
    model = training.model
    return {name: list(view.shape) for name, view in {**model.parameters, **model.frozen}.items()}


def _shown(layout: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {tuple(shape)}" for name, shape in layout.items())


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
