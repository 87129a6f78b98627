"""Random programs: states, feeds and masks, then pairs of forms in which one reads what the other made.

Every ordered pair of forms has its turn: a program of seed s is built around the next few pairs of one fixed shuffled
list of all of them, so that any stretch of seeds covers the pairs evenly, and a seed alone says what its program is.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from .builder import WITHOUT, Builder, Value
from .forms import FORMS
from .program import Field, Program

PAIRS = 5
"""How many pairs of forms a program is built around."""

HIDDEN = {1: 4, 2: 8, 3: 10, 4: 8, 5: 6, 6: 6, 7: 3, 8: 10, 9: 3, 12: 3, 16: 4, 17: 3, 33: 2, 175: 1}
"""Hidden sizes and how often they are drawn, against each other."""


KINDS: tuple[str, ...] = ("plain", "plain", "plain", "odd", "matrix", "number")
"""Shapes of states."""

if "number states" in WITHOUT:
    KINDS = KINDS[:-1]


@cache
def _pairs() -> list[tuple[str, str]]:
    """All ordered pairs of forms, shuffled."""
    names = list(FORMS)
    pairs = [(one, other) for one in names for other in names]
    np.random.default_rng(0).shuffle(pairs)
    return [(str(one), str(other)) for one, other in pairs]


def pairs_of(seed: int, count: int = PAIRS) -> list[tuple[str, str]]:
    """The pairs of forms whose turn it is."""
    pairs = _pairs()
    return [pairs[(seed * count + i) % len(pairs)] for i in range(count)]


def drawn(rng: np.random.Generator, weights: dict[int, int]) -> int:
    """One of the keys."""
    chances = np.array(list(weights.values()), float)
    return int(rng.choice(list(weights), p=chances / chances.sum()))


def generate(seed: int, *, inputs: int | None = None, hidden: int | None = None, name: str = "Fuzzed") -> Program:
    """The program of a seed; `inputs` and `hidden` are sizes that it has to have."""
    rng = np.random.default_rng([seed, 1])
    hidden = hidden or drawn(rng, HIDDEN)
    inputs = inputs or drawn(rng, {1: 3, 2: 5, 3: 4, 5: 2, 8: 1, 9: 1})
    extra = drawn(rng, {1: 1, 2: 3, 3: 3, 4: 3, 5: 2, 8: 2, 9: 1})
    b = Builder(rng, tuple(dict.fromkeys((hidden, inputs, extra))))
    b.take("top")
    b.pool.append(Value("x", (inputs,), low=-1.5, high=1.5))
    states = _states(b, hidden, extra)
    highest = _running_maximum(b) if states and b.chance(0.08) else None
    arguments = [*states, *_beside(b, hidden), *([highest[0]] if highest else [])]
    order = [arguments[i] for i in b.rng.permutation(len(arguments))]
    for one, other in pairs_of(seed)[: b.whole(2, PAIRS)]:
        start = b.pick(lambda v: v.lead or b.chance(0.1)) or b.pool[0]
        made = _built(b, one, start)
        _built(b, other, made)
    b.form = "return"
    returned = _returned(b, {name: states[name] for name in order if name in states})
    if highest:
        returned.insert(1 + sum(name in states for name in order[: order.index(highest[0])]), highest[1])
    program = Program(
        name=name,
        fields=tuple(b.fields.values()),
        arguments=tuple(order),
        statements=tuple(b.statements),
        returned=tuple(returned),
        inputs=inputs,
        hidden=hidden,
        settings=() if highest else _settings(b, states),
        rebinding=b.chance(0.3),
    )
    return program.live()


def _built(b: Builder, name: str, value: Value) -> Value:
    """The form `name` around `value`, which is brought to a size that can be worked with."""
    b.form = name
    while value.rank > 2 or value.elements > 400:
        value = b.of_rank(value, value.rank - 1)
    return FORMS[name].build(b, value)


def _states(b: Builder, hidden: int, extra: int) -> dict[str, Value]:
    count = drawn(b.rng, {0: 1, 1: 10, 2: 8, 3: 4, 4: 2})
    names = ["h", "c", "S", "m"][:count]
    states: dict[str, Value] = {}
    for name in names:
        kind = b.choose(KINDS) if name != "h" else "plain"
        if name == "h" and b.chance(0.25):
            kind = b.choose(KINDS[3:])
        shape = {
            "plain": (hidden,),
            "odd": (b.choose((1, 2, 3, 5, extra)),),
            "matrix": (b.choose((1, 2, 3, extra)), b.choose((1, 2, 4, hidden))),
            "number": (),
        }[kind]
        if kind == "matrix" and math.prod(shape) > 100:
            shape = (2, 3)
        options = []
        start = b.choose(("", "", "", "0.3", "learned"))
        if start == "learned":
            first = b.param(shape)
            options.append(("start", repr(first.name.removeprefix("self."))))
        elif start:
            options.append(("start", start))
        if kind != "plain" or options:
            text = repr(shape if len(shape) != 1 else shape[0]) if kind != "plain" else "'hidden'"
            b.fields[name] = Field("state", name, (text,), tuple(options))
        b.take(name)
        states[name] = Value(name, shape, low=-2.0, high=2.0)
        b.pool.append(states[name])
    return states


def _running_maximum(b: Builder) -> tuple[str, str]:
    """A state that starts at -inf and is only compared, as stabilised exponential gates have it; its new value."""
    b.form = "running maximum"
    b.fields["top"] = Field("state", "top", ("1",), (("start", "-np.inf"),))
    old = Value("top", (1,))
    value = b.within(b.adapted(b.pool[-1], (1,), lead=True), -2, 2)
    new = b.emit("np.maximum({0}, {1})", old, value, shape=(1,), low=-2, high=2)
    rate = b.emit("np.exp({0} - {1})", value, new, shape=(1,), low=0, high=1)
    forget = b.emit("np.exp({0} - {1})", old, new, shape=(1,), low=0, high=1)
    b.emit("{0} + 0.5 * {1}", rate, forget, shape=(1,), low=0, high=1.5)
    return "top", new.name


def _beside(b: Builder, hidden: int) -> list[str]:
    """Feeds and masks."""
    names = []
    if b.chance(0.25):
        size = b.choose((1, 1, 2, 3))
        default = () if b.chance(0.5) else (("default", "0.8"),)
        b.fields["dt"] = Field("feed", "dt", (str(size),), default)
        b.pool.append(Value("dt", (size,), low=0.2, high=2.0, size=1.0))
        names.append("dt")
    if b.chance(0.2):
        options = [("per", repr(b.choose(("step", "sequence"))))]
        if inverted := b.chance(0.3):
            options.append(("inverted", "True"))
        b.fields["keep"] = Field("noise", "keep", ("0.7", str(hidden)), tuple(options))
        b.pool.append(Value("keep", (hidden,), low=0.0, high=1.5 if inverted else 1.0, size=0.8))
        names.append("keep")
    b.take(*names)
    return names


def _returned(b: Builder, states: dict[str, Value]) -> list[str]:
    """The output and the new states, made of what nothing has read yet."""
    unread = [
        v for v in b.pool if v.name not in b.read and (v.lead or not v.name.startswith("self.")) and v.name != "x"
    ]
    width = drawn(b.rng, {1: 3, 2: 3, 3: 3, b.sizes[0]: 5})
    unread = [v for v in unread if v.name != "top"]
    shapes = [(width,), *(state.shape for state in states.values())]
    results: list[Value | None] = [None] * len(shapes)
    first = next(iter(states.values()), None)
    shared = first is not None and first.rank == 1 and b.chance(0.4)  # the output is what the first state becomes
    for value in unread:  # shared out, so that nothing is computed in vain
        at = (
            int(shared) if b.chance(0.6) else b.whole(int(shared), len(shapes) - 1)
        )  # of a state the last step goes to nowhere
        results[at] = _added(b, results[at], value, shapes[at])
    names: list[str] = []
    for shape, found, old in zip(shapes, results, (None, *states.values()), strict=True):
        value = found or b.pick(lambda v: v.lead and not v.boolean) or b.pool[0]
        value = b.adapted(b.as_number(value), shape, lead=True)
        if old is not None:
            if b.chance(0.7):
                value = (
                    b.emit("0.6 * {0} + 0.4 * {1}", old, value, shape=shape, low=-2, high=2)
                    if max(abs(value.low), abs(value.high)) <= 2
                    else b.emit("0.6 * {0} + 0.4 * {1}", old, value, shape=shape)
                )
            value = b.within(value, *b.choose(((-1, 1), (-1.2, 1.2), (-2, 2))))
            if b.chance(0.07) and not (shared and len(names) == 1):
                alike = [v for v in states.values() if v.shape == shape]
                value = b.choose(alike)  # a state that takes over another, or stays
            order = list(states)
            if value.name in order and order.index(value.name) > order.index(old.name):  # no ring of exchanged states
                value = b.emit("1.0 * {0}", value, shape=shape, low=value.low, high=value.high)
        names.append(value.name)
    if shared:
        names[0] = names[1]
    return names


def _added(b: Builder, sum_: Value | None, value: Value, shape: tuple[int, ...]) -> Value:
    value = b.adapted(b.as_number(value), shape, lead=True)
    if sum_ is None:
        return value
    text = b.choose(("{0} + {1}", "{0} - {1}", "0.5 * ({0} + {1})", "np.tanh({0}) + 0.7 * {1}", "{0} + np.sin({1})"))
    return b.emit(text, sum_, value, shape=shape, size=math.hypot(sum_.size, value.size))


def _settings(b: Builder, states: dict[str, Value]) -> tuple[tuple[str, str], ...]:
    """Dropout and zoneout, now and then."""
    settings = []
    if b.chance(0.05):
        settings.append(("input_dropout", "0.3"))
    if b.chance(0.05):
        settings.append(("output_dropout", "0.2"))
    if states and all(s.rank == 1 for s in states.values()) and b.chance(0.05):
        settings.append(("zoneout", "0.2"))
    return tuple(settings)
