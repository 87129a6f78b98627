"""What a model of a case gives, by name, in whatever way it is run."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

import nanolstm as nl

from .case import Array, Numbers, Subject
from .reference import Values, flat, nested
from .surroundings import Surroundings

Results = dict[str, Array]

Run = Callable[[Subject, Numbers], Results]


def named(kind: str, values: Any) -> Results:
    """The values of a mapping, each under `kind` and its own name."""
    return {f"{kind} {name}".rstrip(): np.asarray(value) for name, value in values.items()}


@attrs.frozen
class Runs:
    """The calls of a case.

    Attributes:
        around: its surroundings.
        wrt: what derivatives are taken by.
        direction: in which it moves.
    """

    around: Surroundings
    wrt: tuple[str, ...]
    direction: Values

    def _derived(self, numbers: Numbers) -> dict[str, Any]:
        around, more = self.around, numbers.call()
        for name in ("truncate", "checkpoint_every"):
            if getattr(around, name) is not None:
                more[name] = getattr(around, name)
        if around.last:
            more["steps"] = "last"
        return more

    def output(self, subject: Subject, numbers: Numbers) -> Results:
        """Outputs and last states."""
        y, state = subject.model(numbers.x, return_state=True, **numbers.call())
        return {"y": y} | named("state", state)

    def record(self, subject: Subject, numbers: Numbers) -> Results:
        """Everything that is recorded."""
        found = subject.model.record(numbers.x, **numbers.call())
        return {"y": found.y} | named("state", found.state) | named("value", found)

    def gradient(self, subject: Subject, numbers: Numbers) -> Results:
        """The loss and its gradient by everything."""
        value, found = subject.model.value_and_grad(
            numbers.x, numbers.target, loss=subject.loss, wrt=self.wrt, **self._derived(numbers)
        )
        return {"loss": np.asarray(value)} | {f"{g} {k}".rstrip(): v for (g, k), v in flat(found).items()}

    def training_step(self, subject: Subject, numbers: Numbers) -> Results:
        """The loss and its gradient by the parameters."""
        value, found = subject.model.value_and_grad(
            numbers.x, numbers.target, loss=subject.loss, **self._derived(numbers)
        )
        return {"loss": np.asarray(value)} | named("parameters", found)

    def whole_step(self, subject: Subject, numbers: Numbers) -> Results:
        """The same, with the run."""
        value, found, run = subject.model.value_grad_and_run(
            numbers.x, numbers.target, loss=subject.loss, **self._derived(numbers)
        )
        return {"loss": np.asarray(value), "y": run.y} | named("parameters", found) | named("state", run.state)

    def gradient_by_some(self, subject: Subject, numbers: Numbers) -> Results:
        """The loss and its gradient by a part of everything."""
        some = tuple(g for i, g in enumerate(self.wrt) if (self.around.seed >> i) % 2 or i == self.around.seed % 3)
        return replace_wrt(self, some or self.wrt[-1:]).gradient(subject, numbers)

    def again(self, subject: Subject, numbers: Numbers) -> Results:
        """A training step after two others: one on other numbers, by other parameters, and one in another shape."""
        self.training_step(subject, numbers)
        model = subject.model
        values = [*model.parameters.values(), *model.frozen.values()]
        before = [value.copy() for value in values]
        for value in values:
            value *= 0.5
        self.training_step(subject, self._others(numbers))
        for value, kept in zip(values, before, strict=True):
            value[...] = kept
        if self.around.time > 1:
            attrs.evolve(self, around=attrs.evolve(self.around, truncate=None)).training_step(
                subject, _shorter(numbers, self.around)
            )
        return self.training_step(subject, numbers)

    def _others(self, numbers: Numbers) -> Numbers:
        """Numbers of the same shapes, with other lengths and resets."""
        rng, around = np.random.default_rng(self.around.seed), self.around
        more = {name: value for name, value in numbers.more.items() if name not in ("lengths", "resets")}
        if around.batch and rng.random() < 0.7:
            more["lengths"] = rng.integers(1, around.time + 1, around.batch)
        lead = ((around.batch,) if around.batch else ()) + (around.time,)
        if rng.random() < 0.5:
            more["resets"] = rng.random(lead) < 0.3
        feeds = {name: filled(value) for name, value in numbers.feeds.items()}
        return Numbers(filled(numbers.x) * 0.5, filled(numbers.target) + 0.25, feeds, more)

    def on_other_threads(self, subject: Subject, numbers: Numbers) -> Results:
        """The same step on another number of threads."""
        nl.set_num_threads(3 - self.around.threads)
        try:
            return self.whole_step(subject, numbers)
        finally:
            nl.set_num_threads(self.around.threads)

    def tangent(self, subject: Subject, numbers: Numbers) -> Results:
        """Outputs, and how they change in a direction."""
        more = {name: value for name, value in self._derived(numbers).items() if name != "steps"}
        y, dy = subject.model.jvp(numbers.x, nested(self.direction), wrt=self.wrt, **more)
        return {"y": y, "dy": dy}

    def tangent_of_loss(self, subject: Subject, numbers: Numbers) -> Results:
        """The loss, and how it changes in a direction."""
        value, derivative = subject.model.jvp(
            numbers.x,
            nested(self.direction),
            numbers.target,
            loss=subject.loss,
            wrt=self.wrt,
            **self._derived(numbers),
        )
        return {"loss": np.asarray(value), "derivative": np.asarray(derivative)}

    def curvature(self, subject: Subject, numbers: Numbers) -> Results:
        """How the gradient changes in a direction."""
        found = subject.model.hvp(
            numbers.x,
            numbers.target,
            nested(self.direction),
            loss=subject.loss,
            wrt=self.wrt,
            **self._derived(numbers),
        )
        return {f"{g} {k}".rstrip(): v for (g, k), v in flat(found).items()}

    def stepped(self, subject: Subject, numbers: Numbers) -> Results:
        """Outputs and last states of a stepper, without lengths, resets and masks."""
        more = {"initial": numbers.more["initial"]} if "initial" in numbers.more else {}
        stepper = subject.model.stepper(batch=self.around.batch or None, **more)
        x, feeds = np.asarray(numbers.x), {name: np.asarray(value) for name, value in numbers.feeds.items()}
        axis = 1 if self.around.batch else 0
        y = [
            stepper(np.take(x, t, axis), **{name: np.take(v, t, axis) for name, v in feeds.items()})
            for t in range(self.around.time)
        ]
        return {"y": np.stack(y, axis)} | named("state", stepper.state)

    def not_stepped(self, subject: Subject, numbers: Numbers) -> Results:
        """The same of a run over all steps."""
        more = {name: value for name, value in numbers.call().items() if name not in ("lengths", "resets", "rng")}
        y, state = subject.model(numbers.x, return_state=True, **more)
        return {"y": y} | named("state", state)

    def ensemble(self, subject: Subject, numbers: Numbers) -> Results:
        """Outputs of two members: the model, and one with other parameters."""
        members = _members(subject)
        more = {name: value for name, value in numbers.call().items() if name not in ("initial", "rng")}
        return {"y": nl.Ensemble(members)(numbers.x, **more)}

    def members_alone(self, subject: Subject, numbers: Numbers) -> Results:
        """The same, one after the other."""
        more = {name: value for name, value in numbers.call().items() if name not in ("initial", "rng")}
        return {"y": np.stack([member(numbers.x, **more) for member in _members(subject)])}

    def trained_together(self, subject: Subject, numbers: Numbers) -> Results:
        """The parameters of two members after an epoch of training side by side."""
        members = _members(subject)
        nl.Ensemble(members).fit(self._data(numbers), **self._fitting(subject))
        return self._parameters_of(members)

    def trained_alone(self, subject: Subject, numbers: Numbers) -> Results:
        """The same, one after the other."""
        members = _members(subject)
        for member in members:
            nl.fit(member, self._data(numbers), **self._fitting(subject))
        return self._parameters_of(members)

    def _data(self, numbers: Numbers) -> dict[str, Any]:
        more = {name: value for name, value in numbers.more.items() if name in ("lengths", "resets")}
        return {"x": numbers.x, "target": numbers.target, **more, **numbers.feeds}

    def _fitting(self, subject: Subject) -> dict[str, Any]:
        around = self.around
        return {
            "loss": subject.loss,
            "optimizer": "sgd(lr=0.1)",
            "epochs": 1,
            "batch_size": max(1, around.batch // 2),
            "truncate": around.truncate,
            "steps": "last" if around.last else "all",
            "rng": around.seed,
            "progress": False,
        }

    def _parameters_of(self, members: list[Any]) -> Results:
        return {
            f"member {i} {name}": np.array(value)
            for i, member in enumerate(members)
            for name, value in member.parameters.items()
        }


def _shorter(numbers: Numbers, around: Surroundings) -> Numbers:
    """The first steps of fewer sequences."""
    steps, some = max(1, around.time // 2), slice(max(1, around.batch // 2))
    place = (some, slice(steps)) if around.batch else slice(steps)
    more = {name: value for name, value in numbers.more.items() if name == "rng"}
    if "initial" in numbers.more:
        initial = numbers.more["initial"]
        more["initial"] = {name: value[some] if around.batch else value for name, value in initial.items()}
    feeds = {name: filled(value)[place] for name, value in numbers.feeds.items()}
    target = filled(numbers.target)
    target = (target[some] if around.batch else target) if around.last else target[place]
    return Numbers(filled(numbers.x)[place], target, feeds, more)


def filled(value: Any) -> Array:
    """The numbers of an array, with something in the place of padding."""
    found: Array = np.nan_to_num(np.asarray(value, float))
    return found


def replace_wrt(runs: Runs, wrt: tuple[str, ...]) -> Runs:
    """The same calls by something else."""
    return attrs.evolve(runs, wrt=wrt)


def _members(subject: Subject) -> list[Any]:
    """Two models: copies, of which one has other parameters."""
    members = [copy.deepcopy(subject.model), copy.deepcopy(subject.model)]
    for value in members[1].parameters.values():
        value *= 0.5
    return members
