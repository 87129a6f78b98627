"""A case: cells and their surroundings, and the models and numbers that these mean."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

import nanolstm as nl

from .generate import generate
from .program import Field, Program
from .surroundings import LOSSES, Surroundings, surround

Array = np.ndarray[Any, np.dtype[Any]]

_numbers = itertools.count()


@attrs.frozen
class Case:
    """What is compared: one cell or a stack of two, in surroundings."""

    programs: tuple[Program, ...]
    surroundings: Surroundings

    @property
    def seed(self) -> int:
        """Of its numbers."""
        return self.surroundings.seed


@attrs.frozen(eq=False)
class Subject:
    """A model of a case, and a loss that belongs to it alone."""

    model: Any
    loss: Callable[..., Any]


@attrs.frozen(eq=False)
class Numbers:
    """What a model of a case is called with.

    Attributes:
        x: batch first.
        target: of the shape of the output, or of its last step.
        feeds: by name.
        more: `lengths`, `resets`, `initial`, `rng`, as far as the case has them.
    """

    x: Array
    target: Array
    feeds: Mapping[str, Array]
    more: Mapping[str, Any]

    def call(self) -> dict[str, Any]:
        """The keyword arguments of a run."""
        return {**self.more, **self.feeds}


def case_of(seed: int) -> Case:
    """The case of a seed."""
    program = generate(seed)
    around = surround(seed, states=bool(_states(program)))
    if all("start" in dict(field.options) for field in _states(program) if field is not None):
        around = attrs.evolve(around, learn_initial=False)  # nothing is left to learn
    case = Case((program,), around)
    if np.random.default_rng([seed, 3]).random() < 0.08:
        below = build(attrs.evolve(case, surroundings=attrs.evolve(around, readout=None, learn_initial=False)))
        upper = generate(seed + 1_000_000_007, inputs=below.model.outputs, name="Upper")
        feeds = [field for one in (program, upper) for field in one.fields if field.kind == "feed"]
        if len(set(feeds)) < 2 and _states(upper):  # a feed is one for all cells
            return attrs.evolve(case, programs=(program, upper))
    return case


def _states(program: Program) -> list[Field | None]:
    """The states, and the fields of those that have one."""
    fields = {field.name: field for field in program.fields}
    beside = {name for name, field in fields.items() if field.kind in ("feed", "noise")}
    return [fields.get(name) for name in program.arguments if name not in beside]


def build(case: Case, backend: Any = "numpy", *, dtype: str | None = None) -> Subject:
    """A new model of a case, of classes of its own, so that nothing that was made for another is met again."""
    around = case.surroundings
    cells = []
    for place, program in enumerate(case.programs):
        # One name each: what is remembered of a file or a class must not be that of another case.
        names: dict[str, Any] = {"__name__": f"fuzzed_{next(_numbers)}"}
        exec(compile(program.source(), f"<{program.name} of seed {case.seed}>", "exec"), names)
        cells.append(eval(program.creation(rng=case.seed + place, dtype=dtype or around.dtype), names))
    scope: dict[str, Any] = {"np": np}
    exec(f"def loss(prediction, target):\n    return {LOSSES[around.loss]}", scope)
    return Subject(nl.Sequence(cells, backend=backend, rng=case.seed + 9, **around.options()), scope["loss"])


def take_over(model: Any, other: Any) -> None:
    """Let the parameters of `model` be those of `other`."""
    for own, values in ((model.parameters, other.parameters), (model.frozen, other.frozen)):
        for key, value in values.items():
            own[key][...] = value


def shake(model: Any, case: Case) -> None:
    """Move the parameters of `model` to another random point nearby."""
    rng = np.random.default_rng([case.seed, 6, case.surroundings.draw])
    for values in (model.parameters, model.frozen):
        for value in values.values():
            value[...] = (value + rng.normal(0.0, 0.1, value.shape)).astype(np.float32)


def numbers_of(case: Case, model: Any) -> Numbers:
    """The numbers of a case: random, and in float32 such as float32 can hold."""
    around = case.surroundings
    rng = np.random.default_rng([case.seed, 4, around.draw])
    lead = ((around.batch,) if around.batch else ()) + (around.time,)
    x = rng.uniform(-1.0, 1.0, (*lead, model.inputs))
    target = rng.uniform(-1.0, 1.0, (*(lead[:-1] if around.last else lead), model.outputs))
    feeds = {}
    for name, part in model.feeds().items():
        value = rng.uniform(0.3, 1.7, (*lead, part.size))
        if part.default is None or rng.random() < 0.6:
            feeds[name] = value[..., 0] if part.size == 1 and rng.random() < 0.5 else value
    more: dict[str, Any] = {}
    if around.lengths:
        more["lengths"] = np.array(around.lengths)
    if around.resets:
        more["resets"] = rng.random(lead) < 0.3
    if around.initial:
        states = list(model.states().items())
        chosen = [pair for pair in states if rng.random() < 0.7] or states[:1]
        more["initial"] = {name: rng.uniform(-1.0, 1.0, (*lead[:-1], *part.shape)) for name, part in chosen}
    if around.noise is not None:
        more["rng"] = around.noise
    found = Numbers(x, target, feeds, more)
    return rounded(found) if around.dtype == "float32" or around.layout == "float32" else found


def rounded(numbers: Numbers) -> Numbers:
    """The same numbers as float32 holds them, still as float64."""

    def narrow(value: Array) -> Array:
        return value.astype(np.float32).astype(np.float64)

    more = dict(numbers.more)
    if "initial" in more:
        more["initial"] = {name: narrow(value) for name, value in more["initial"].items()}
    feeds = {name: narrow(value) for name, value in numbers.feeds.items()}
    return Numbers(narrow(numbers.x), narrow(numbers.target), feeds, more)


def laid_out(array: Array, layout: str) -> Any:
    """`array` with the same values, laid out in memory in another way."""
    match layout:
        case "read-only":
            array = array.copy()
            array.flags.writeable = False
        case "strided":
            wide = np.full((*array.shape, 2), np.nan)
            wide[..., 1] = array
            array = wide[..., 1]
        case "transposed":
            array = np.asfortranarray(array)
        case "reversed":
            array = array[..., ::-1].copy()[..., ::-1]
        case "float32":
            array = array.astype(np.float32)
        case "list":
            return array.tolist()
    return array


def in_layout(numbers: Numbers, layout: str) -> Numbers:
    """The same numbers, laid out in memory in another way; "padding" leaves NaN beyond the end of each sequence."""
    if layout == "padding" and "lengths" in numbers.more:
        return _with_padding(numbers)
    feeds = {name: laid_out(value, layout) for name, value in numbers.feeds.items()}
    return Numbers(laid_out(numbers.x, layout), laid_out(numbers.target, layout), feeds, numbers.more)


def _with_padding(numbers: Numbers) -> Numbers:
    beyond = np.arange(numbers.x.shape[1]) >= numbers.more["lengths"][:, None]

    def padded(value: Array) -> Array:
        value = value.copy()
        if value.shape[:2] == beyond.shape and value.ndim > 1:
            value[beyond] = np.nan
        return value

    feeds = {name: padded(value) for name, value in numbers.feeds.items()}
    scored_all = numbers.target.ndim == numbers.x.ndim
    target = padded(numbers.target) if scored_all else numbers.target
    return Numbers(padded(numbers.x), target, feeds, numbers.more)
