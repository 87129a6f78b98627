"""What all ways of running a case are measured by: the author's step in a loop, and differences of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm.checking.differences import Difference, differences

from .case import Array, Case, Numbers, Subject

Place = tuple[str, str]
"""What a derivative is taken by: a group of `wrt`, and a name in it ("" where the group is one array)."""

Values = dict[Place, Array]

DIFFERENCES = 2e-6
"""How far a derivative may be from differences, relative to the largest of its kind."""


def flat(nested: Mapping[str, Any]) -> Values:
    """A gradient, or anything of its structure, by place."""
    found: Values = {}
    for group, value in nested.items():
        if isinstance(value, Mapping):
            found |= {(group, key): np.asarray(one) for key, one in value.items()}
        else:
            found[group, ""] = np.asarray(value)
    return found


def nested(values: Values) -> dict[str, Any]:
    """The inverse of `flat`."""
    found: dict[str, Any] = {}
    for (group, key), value in values.items():
        if group in ("parameters", "frozen", "initial"):
            found.setdefault(group, {})[key] = value
        else:
            found[group] = value
    return found


@attrs.define(eq=False)
class Reference:
    """A case at one point, run step by step.

    Attributes:
        subject: in float64.
        numbers: what it is called with.
        values: everything that derivatives are taken by.
    """

    case: Case
    subject: Subject
    numbers: Numbers
    values: Values = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        model, numbers = self.subject.model, self.numbers
        structure: dict[str, Any] = {"parameters": dict(model.parameters), "x": numbers.x}
        if len(model.frozen):
            structure["frozen"] = dict(model.frozen)
        structure |= numbers.feeds
        if "initial" in numbers.more:
            structure["initial"] = numbers.more["initial"]
        self.values = {place: np.array(value, float) for place, value in flat(structure).items()}

    @property
    def wrt(self) -> tuple[str, ...]:
        """The groups that derivatives are taken by."""
        return tuple(dict.fromkeys(group for group, _ in self.values))

    def direction(self, seed: int) -> Values:
        """A random direction in which everything changes."""
        rng = np.random.default_rng([self.case.seed, 5, seed])
        return {place: np.asarray(rng.normal(size=value.shape)) for place, value in self.values.items()}

    def at(self, values: Values) -> Numbers:
        """The arguments of a call at `values`, after the model has been given its parameters."""
        model, whole = self.subject.model, nested(values)
        for own, group in ((model.parameters, "parameters"), (model.frozen, "frozen")):
            for key, value in whole.get(group, {}).items():
                own[key][...] = value
        more = {**self.numbers.more, **({"initial": whole["initial"]} if "initial" in whole else {})}
        feeds = {name: whole[name] for name in self.numbers.feeds}
        return Numbers(whole["x"], self.numbers.target, feeds, more)

    def moved(self, direction: Values, s: float) -> Values:
        """The point `s` along a direction."""
        return {place: value + s * direction[place] for place, value in self.values.items()}

    def loss(self, y: Array) -> Array:
        """The loss of an output."""
        around, target = self.case.surroundings, self.numbers.target
        if not around.batch:
            y, target = y[None], target[None]
        ends = np.array(around.lengths or (around.time,) * len(y))
        if around.last:
            predicted, true = y[np.arange(len(y)), ends - 1], target
        else:
            valid = np.arange(around.time) < ends[:, None]
            predicted, true = y[valid], target[valid]
        return np.asarray(self.subject.loss(predicted, true))

    @property
    def can_be_differenced(self) -> bool:
        """Whether there is a function whose derivative the gradient is: with `truncate`, one of chunks."""
        around = self.case.surroundings
        cut = around.truncate is not None and around.truncate < around.time
        return not cut or not (around.bidirectional or around.noise is not None)

    def output(self, values: Values) -> Array:
        """The output at `values`, chunk by chunk if gradients stop in between."""
        around, numbers = self.case.surroundings, self.at(values)
        if around.truncate is None or around.truncate >= around.time:
            return np.asarray(self.subject.model(numbers.x, **numbers.call()))
        y = np.zeros((*numbers.x.shape[:-1], self.subject.model.outputs))
        for chunk, place in self._chunks(numbers):
            y[place] = self.subject.model(chunk.x, **chunk.call())
        return y

    def differences(self, direction: Values) -> list[Difference]:
        """The derivatives of the loss and of the output along `direction`."""

        def at(s: float) -> list[Array]:
            y = self.output(self.moved(direction, s))
            return [self.loss(y), y]

        return differences(at, DIFFERENCES)

    def _chunks(self, numbers: Numbers) -> Iterator[tuple[Numbers, Any]]:
        """The parts between which no gradient goes: each starts from the states of the point itself."""
        around = self.case.surroundings
        time, batched = around.time, bool(around.batch)
        cuts = [*range(0, time, around.truncate or time), time]
        lengths = np.array(around.lengths or (time,) * max(around.batch, 1))
        for begin, end, border in zip(cuts, cuts[1:], self._borders(cuts), strict=False):
            going = np.flatnonzero(lengths > begin)
            if not len(going):
                return
            place = (going, slice(begin, end)) if batched else slice(begin, end)
            more = dict(numbers.more)
            if "resets" in more:
                more["resets"] = more["resets"][place]
            if batched:
                more["lengths"] = np.minimum(lengths[going], end) - begin
            if begin:
                more["initial"] = {name: value[going] if batched else value for name, value in border.items()}
            feeds = {name: value[place] for name, value in numbers.feeds.items()}
            yield Numbers(numbers.x[place], numbers.target, feeds, more), place

    _kept_borders: list[Mapping[str, Array]] = attrs.field(factory=list, init=False)

    def _borders(self, cuts: list[int]) -> list[Mapping[str, Array]]:
        """The states at the beginning of each chunk, at the point itself."""
        if not self._kept_borders:
            model, around = self.subject.model, self.case.surroundings
            kept = {key: value.copy() for key, value in self._parameters().items()}
            numbers = self.at(self.values)
            lengths = np.array(around.lengths or (around.time,) * max(around.batch, 1))
            borders: list[Mapping[str, Array]] = [{}]
            for end in cuts[1:-1]:
                place: Any = (slice(None), slice(end)) if around.batch else slice(end)
                more = dict(numbers.more)
                if "resets" in more:
                    more["resets"] = more["resets"][place]
                if around.batch:
                    more["lengths"] = np.minimum(lengths, end)
                feeds = {name: value[place] for name, value in numbers.feeds.items()}
                borders.append(model(numbers.x[place], return_state=True, **more, **feeds)[1])
            self._kept_borders = borders
            for key, value in kept.items():
                self._parameters()[key][...] = value
        return self._kept_borders

    def _parameters(self) -> Values:
        return flat({"parameters": dict(self.subject.model.parameters), "frozen": dict(self.subject.model.frozen)})
