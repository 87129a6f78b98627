"""What a cell is run on: random points, and over each of them the same run eager and planned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.checking.differences import Difference, differences
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array
from nanolstm.sequence import Sequence

Place: TypeAlias = tuple[str, str]
"""What a derivative is taken by: a group of `wrt`, and a name in it ("" where the group is one array)."""

Values: TypeAlias = dict[Place, Array]

TRIES = 4
"""How many points are tried where differences cannot be trusted."""


@attrs.frozen
class Setting:
    """What a run is over; `truncate` in steps."""

    name: str
    batched: bool = True
    lengths: bool = True
    resets: bool = False
    initial: bool = False
    truncate: int | None = None


PLAIN = (Setting("one sequence", batched=False, lengths=False), Setting("a batch", lengths=False))
# Each adds to the one before, and the last to resets.
LENGTHS = Setting("+ lengths")
RESETS = Setting("+ resets", resets=True)
INITIAL = Setting("+ initial", resets=True, initial=True)
TRUNCATED = Setting("+ truncate", resets=True, truncate=2)


@attrs.define(eq=False)
class Bench:
    """One cell, and random points at which it is looked at; the first of them is used unless differences fail there."""

    cell: Cell
    time: int
    batch: int
    seed: int
    _first: int = attrs.field(default=0, init=False)
    _runs: dict[tuple[Setting, int], Run] = attrs.field(factory=dict, init=False)
    _drawn: Values = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._drawn = {("parameters", key): v.copy() for key, v in self.cell.parameters.items()}
        self._drawn |= {("frozen", key): v.copy() for key, v in self.cell.frozen.items()}

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Those that make a difference: a cell without states cannot be reset."""
        return (*PLAIN, LENGTHS, RESETS, INITIAL) if self.cell.anatomy.states else (*PLAIN, LENGTHS)

    def trace(self) -> Any:
        """The graph of the step."""
        from nanolstm.traced import trace

        return trace(self.cell)

    def settle(self, settings: Iterable[Setting]) -> bool:
        """Go to the first point at which every output is finite; False if there is none.

        Whatever an eager run raises is raised here, for it is the author's to see.
        """
        points = range(2 * TRIES)
        there = (point for point in points if all(self._at(setting, point).finite for setting in settings))
        self._first = next(there, len(points))
        return self._first < len(points)

    def zero_gradients(self) -> tuple[str, ...]:
        """What the loss does not depend on at all: every gradient by it is 0 everywhere, over every setting."""
        runs = [self.run(setting) for setting in self.settings]
        return tuple(
            label_of(place)
            for place in runs[0].places
            if all(not np.any(run.planned[1].get(place, 0.0)) for run in runs)
        )

    def run(self, setting: Setting, attempt: int = 0) -> Run:
        """The cell over `setting`, at one of the points."""
        return self._at(setting, self._first + attempt)

    def _at(self, setting: Setting, point: int) -> Run:
        if (setting, point) not in self._runs:
            self._runs[setting, point] = self._run(setting, np.random.default_rng([self.seed, point]), point)
        return self._runs[setting, point]

    def _run(self, setting: Setting, rng: np.random.Generator, point: int) -> Run:
        cell, shape = self.cell, (self.batch, self.time)
        _write(cell, {p: v + rng.normal(0.0, 0.1 / 2**point, v.shape) for p, v in self._drawn.items()})
        cell.project()  # an assumption that the author states may not be broken by noise
        values: Values = {("parameters", key): v.copy() for key, v in cell.parameters.items()}
        values |= {("frozen", key): v.copy() for key, v in cell.frozen.items()}
        before = {("x", ""): rng.uniform(-1.0, 1.0, (*shape, cell.inputs))}
        # Feeds are times and such: positive.
        feeds: Values = {(n, ""): rng.uniform(0.5, 1.5, (*shape, f.size)) for n, f in cell.anatomy.feeds.items()}
        here: Values = {("x", ""): rng.uniform(-1.0, 1.0, (*shape, cell.inputs)), **feeds}
        target = rng.uniform(-1.0, 1.0, (*shape, cell.outputs))
        resets = rng.uniform(size=shape) < 0.3
        resets[0, 1] = resets[-1, 0] = True
        if setting.initial:  # first states are such as the step makes: a count is a count
            _, last = Sequence(cell, backend="numpy")(**_arguments({**before, **feeds}), return_state=True)
            values |= {("initial", name): v for name, v in last.items()}
        if not setting.batched:
            here, target, resets = {p: v[0] for p, v in here.items()}, target[0], resets[0]
        lengths = self.time - (self.time - 1) * np.arange(self.batch) % self.time if setting.lengths else None
        noisy = cell.anatomy.noises and setting.truncate is None
        return Run(
            Sequence(cell, backend="numpy"),
            values | here,
            target,
            setting,
            fine=setting == self.settings[-1],
            lengths=lengths,
            resets=resets if setting.resets else None,
            rng=self.seed if noisy else None,
        )


@attrs.define(eq=False, slots=False)
class Run:
    """A cell over one setting at one point, eager and planned. The loss is the mean of squares."""

    model: Sequence
    values: Values
    target: Array
    setting: Setting
    fine: bool
    lengths: Array | None
    resets: Array | None
    rng: int | None
    _differences: dict[str, list[Difference]] = attrs.field(factory=dict, init=False)

    @cached_property
    def valid(self) -> Array:
        """Which steps are, (T,) or (B, T)."""
        steps = np.arange(self.target.shape[-2])
        if self.lengths is None:
            return np.ones(self.target.shape[:-1], bool)
        shown: Array = steps < self.lengths[:, None]
        return shown

    @cached_property
    def loss(self) -> Callable[[Any, Any], Any]:
        """A function of (prediction, target) as a model is given it; of a chunk, its part of the whole."""
        share = 1.0 / (int(self.valid.sum()) * self.target.shape[-1])
        return lambda prediction, target: np.sum(np.square(prediction - target)) * share

    @property
    def wrt(self) -> tuple[str, ...]:
        """The groups that derivatives are taken by."""
        return tuple(dict.fromkeys(group for group, _ in self.values))

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """What derivatives are taken by: everything but states that count."""
        return tuple(
            place
            for place, value in self.values.items()
            if place[0] != "initial" or (np.isfinite(value).all() and (value != np.round(value)).any())
        )

    def direction(self, seed: int) -> Values:
        """A random direction in which everything changes."""
        rng = np.random.default_rng(seed)
        drawn = {place: np.asarray(rng.normal(size=v.shape)) for place, v in self.values.items()}
        return {place: drawn[place] for place in self.places}

    @cached_property
    def directions(self) -> dict[str, Values]:
        """The directions of differences: by each place, or by each group."""
        parted: dict[str, Values] = {}
        for place, value in self.direction(1).items():
            parted.setdefault(label_of(place) if self.fine else place[0], {})[place] = value
        return parted

    @property
    def labels(self) -> set[str]:
        """Everything by which something is compared here."""
        return {*self.directions, *map(label_of, self.places)}

    def moved(self, direction: Values, s: float) -> Values:
        """The point `s` along a direction."""
        return {place: v + s * direction[place] if place in direction else v for place, v in self.values.items()}

    def whole(self, values: Values | None = None, **more: Any) -> dict[str, Any]:
        """The arguments of a call over all steps, after the cell has been given its parameters."""
        values = self.values if values is None else values
        _write(self.model.cells[0], values)
        return _arguments(values, lengths=self.lengths, resets=self.resets, rng=self.rng, **more)

    # Eager

    @cached_property
    def eager(self) -> tuple[Array, dict[str, Array]]:
        """The output and the last states."""
        return self.model(**self.whole(), return_state=True)

    @cached_property
    def finite(self) -> bool:
        """Whether there is anything to compare."""
        return bool(np.isfinite(self.eager[0]).all())

    @cached_property
    def _borders(self) -> list[Mapping[str, Array]]:
        """The states from which each chunk starts, of all sequences."""
        borders: list[Mapping[str, Array]] = [{}]
        whole = self.whole()
        for end in self._cuts[1:-1]:
            cut: dict[str, Any] = {n: v[:, :end] if _timed(n, v) else v for n, v in whole.items()}
            cut["lengths"] = np.minimum(cut["lengths"], end)
            borders.append(self.model(**cut, return_state=True)[1])
        return borders

    @property
    def _cuts(self) -> list[int]:
        time = self.target.shape[-2]
        return [*range(0, time, self.setting.truncate or time), time]

    def chunks(self, values: Values) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Where each chunk stands in (B, T), and the arguments of a call over it."""
        if self.setting.truncate is None or self.lengths is None:
            yield ..., self.whole(values)
            return
        borders = self._borders  # those of the point itself, wherever `values` are
        whole = self.whole(values)
        for begin, end, border in zip(self._cuts, self._cuts[1:], borders, strict=False):
            going = np.flatnonzero(self.lengths > begin)
            place = (going, slice(begin, end))
            chunk = {name: v[place] if _timed(name, v) else v for name, v in whole.items()}
            chunk["lengths"] = np.minimum(self.lengths[going], end) - begin
            yield place, chunk | ({"initial": {n: v[going] for n, v in border.items()}} if border else {})

    def outputs(self, values: Values) -> list[Array]:
        """The loss and the output of eager runs."""
        y = np.zeros_like(self.target)
        for place, chunk in self.chunks(values):
            y[place] = self.model(**chunk)
        return [np.asarray(self.loss(y[self.valid], self.target[self.valid])), y]

    def differences(self, label: str, allowed: float) -> list[Difference]:
        """Of the loss and of the output, along one of the directions."""
        if label not in self._differences:
            direction = self.directions[label]
            self._differences[label] = differences(lambda s: self.outputs(self.moved(direction, s)), allowed)
        return self._differences[label]

    # Planned

    @cached_property
    def planned(self) -> tuple[float, Values]:
        """The loss and its gradient."""
        return self.gradient()

    def gradient(self, **more: Any) -> tuple[float, Values]:
        """The same anew, with other options."""
        more = {"truncate": self.setting.truncate, **more}
        whole = self.whole()
        value, found = self.model.value_and_grad(
            whole.pop("x"), self.target, loss=self.loss, wrt=self.wrt, **whole, **more
        )
        return value, flat_values(found)

    def gradient_of_chunks(self, values: Values) -> Values:
        """The gradient without the option `truncate`: that of all chunks together."""
        total = {place: np.zeros_like(v) for place, v in values.items()}
        for place, chunk in self.chunks(values):
            x, target = chunk.pop("x"), self.target[place]
            _, found = self.model.value_and_grad(x, target, loss=self.loss, wrt=self.wrt, **chunk)
            for name, g in flat_values(found).items():
                total[name][place if _timed(name[0], g) else ...] += g
        return total

    def tangent(self, direction: Values, *, of_loss: bool = False, **more: Any) -> Any:
        """`jvp`: of the output, or of the loss."""
        goal: dict[str, Any] = {"target": self.target, "loss": self.loss} if of_loss else {}
        whole = self.whole(truncate=self.setting.truncate, **goal, **more)
        return self.model.jvp(whole.pop("x"), _nested(direction), wrt=self.wrt, **whole)[1]

    def curvature(self, direction: Values, **more: Any) -> Values:
        """`hvp`."""
        whole = self.whole(truncate=self.setting.truncate, **more)
        x = whole.pop("x")
        return flat_values(self.model.hvp(x, self.target, _nested(direction), loss=self.loss, wrt=self.wrt, **whole))


def _write(cell: Cell, values: Values) -> None:
    for (group, key), value in values.items():
        if group in ("parameters", "frozen"):
            own = cell.parameters if group == "parameters" else cell.frozen
            own[key][...] = value


def _arguments(values: Values, **more: Any) -> dict[str, Any]:
    """What a model is called with."""
    given = {group: value for (group, key), value in values.items() if not key}
    initial = {key: value for (group, key), value in values.items() if group == "initial"}
    return given | {k: v for k, v in more.items() if v is not None} | ({"initial": initial} if initial else {})


def _timed(name: str, value: Any) -> bool:
    """Whether an argument or a gradient has one value for each time step."""
    return name not in ("lengths", "initial", "rng", "parameters", "frozen") and isinstance(value, np.ndarray)


def flat_values(found: Mapping[str, Any]) -> Values:
    """Returns nested gradients with a (group, name) for each."""
    flat: Values = {}
    for group, value in found.items():
        flat |= {(group, k): v for k, v in value.items()} if isinstance(value, Mapping) else {(group, ""): value}
    return flat


def _nested(values: Values) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for (group, key), value in values.items():
        if key:
            nested.setdefault(group, {})[key] = value
        else:
            nested[group] = value
    return nested


def label_of(place: Place) -> str:
    """How a row calls it."""
    group, key = place
    return key if group in ("parameters", "frozen") else f"{group} {key}".rstrip()
