"""The state of a program that is being generated: values to choose from, and how one is made to fit another."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from .program import Field, Place, Statement

INFINITE = math.inf
LARGEST = 3.0
"""The typical size from which on a value is brought back by a bounded function."""

MOST = 400
"""How many elements a value has at most."""

WITHOUT = set(os.environ.get("NANOLSTM_FUZZ_WITHOUT", "").split(","))
"""What is left out, so that a fault that is known does not hide others: "number states", or names of variables."""

RESERVED = {
    *("x", "self", "np", "nl", "found", "t", "sum", "abs", "part", "blocks", "diagonal", "feed", "gate", "identity"),
    *("layer_norm", "merge", "noise", "param", "relu", "sigmoid", "softmax", "softplus", "split", "state", "tied"),
    *("erf", "expit", "log_expit"),
}
"""Names that mean something in a rendered module."""

WORDS = (
    *("f", "g", "n", "r", "t", "total", "room", "scratch", "first", "last", "begin", "rows", "real"),
    *("h_r", "c_j", "w_at", "out", "mix", "new", "score", "memory", "before", "after", "packed", "call", "dtype"),
)
"""Names of variables that generated code uses itself, or that are an author's ordinary words."""


@attrs.frozen
class Value:
    """A value that an expression may read.

    Attributes:
        name: as it is read.
        shape: of its features.
        lead: whether it has a value for each example.
        boolean: whether it is a mask.
        low: a bound that it never falls below.
        high: a bound that it never exceeds.
        size: how large it typically is.
        constant: whether it is made of literals alone.
    """

    name: str
    shape: tuple[int, ...] = ()
    lead: bool = True
    boolean: bool = False
    low: float = -INFINITE
    high: float = INFINITE
    size: float = 0.6
    constant: bool = False

    @property
    def rank(self) -> int:
        """How many feature axes it has."""
        return len(self.shape)

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@attrs.define(eq=False)
class Builder:
    """Statements and fields so far.

    Attributes:
        rng: decides everything.
        sizes: the sizes of axes that this program uses.
        pool: the values that may be read.
        statements: so far.
        fields: so far, by name.
        read: the names that something reads.
        form: the row of the table of forms that is being built.
    """

    rng: np.random.Generator
    sizes: tuple[int, ...]
    pool: list[Value] = attrs.field(factory=list)
    statements: list[Statement] = attrs.field(factory=list)
    fields: dict[str, Field] = attrs.field(factory=dict)
    read: set[str] = attrs.field(factory=set)
    form: str = ""
    plain: bool = False
    _taken: set[str] = attrs.field(factory=lambda: RESERVED | WITHOUT)

    # Chance.

    def chance(self, probability: float) -> bool:
        """True with `probability`."""
        return bool(self.rng.random() < probability)

    def choose(self, options: Sequence[Any]) -> Any:
        """One of `options`."""
        return options[int(self.rng.integers(len(options)))]

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        return int(self.rng.integers(low, high + 1))

    # Values.

    def emit(
        self,
        text: str,
        *operands: Value | str,
        shape: tuple[int, ...],
        numbers: tuple[int, ...] = (),
        lead: bool | None = None,
        boolean: bool = False,
        low: float = -INFINITE,
        high: float = INFINITE,
        size: float = 0.6,
        loop: bool = False,
    ) -> Value:
        """A new statement; `loop` is whether it may be repeated with its result as the first operand."""
        given = [o if isinstance(o, Value) else Value(o, lead=False) for o in operands]
        lead = any(o.lead for o in given) if lead is None else lead
        place: Place = self.choose(("named", "named", "named", "inline", "inline", "helper", "method"))
        if loop and given and (given[0].shape, given[0].lead) == (shape, lead) and self.chance(0.15):
            place = "loop"
        name = self.fresh(self.choose(WORDS) if self.chance(0.3) else "t")
        if name.rstrip("0123456789") in WITHOUT:
            name = self.fresh("t")
        self.read.update(o.name for o in given)
        self.statements.append(
            Statement(name, text, tuple(o.name for o in given), numbers, self.form, place, shape, lead, boolean)
        )
        constant = bool(given) and all(o.constant for o in given)
        value = Value(name, shape, lead, boolean, low, high, size, constant)
        if constant:
            return value
        if not boolean and size > LARGEST and not self.plain:
            return self.tamed(value)
        self.pool.append(value)
        return value

    def tamed(self, value: Value) -> Value:
        """`value` brought back to a size of about one."""
        if self.chance(0.5):
            return self.emit("np.tanh({0})", value, shape=value.shape, low=-1, high=1)
        factor = round(1 / value.size, 4)
        return self.emit(
            f"{{0}} * {factor}", value, shape=value.shape, low=value.low * factor, high=value.high * factor, size=1.0
        )

    def fresh(self, word: str) -> str:
        """A name that begins with `word` and is not taken."""
        name, number = word, 1
        while name in self._taken:
            number += 1
            name = f"{word}{number}"
        self._taken.add(name)
        return name

    def take(self, *names: str) -> None:
        """Let nothing else be called so."""
        self._taken.update(names)

    def pick(self, accept: Callable[[Value], bool] = lambda value: True) -> Value | None:
        """A value of the pool that is accepted, rather a late one, and rather one that nothing has read yet."""
        found = [value for value in self.pool if accept(value)]
        if not found:
            return None
        weights = np.array([1.0 + i / len(found) + 2 * (v.name not in self.read) for i, v in enumerate(found)])
        return found[int(self.rng.choice(len(found), p=weights / weights.sum()))]

    def number(self) -> Value:
        """A Python number."""
        value = self.choose((0.5, -0.7, 1.5, 2, 0.3, 1))
        return Value(str(value), (), lead=False, low=value, high=value, size=abs(value), constant=True)

    def vector(self, size: int) -> Value:
        """A constant array of one axis."""
        values = [round(float(v), 2) for v in self.rng.uniform(0.2, 1.0, size)]
        return Value(f"np.array({values})", (size,), lead=False, low=0.2, high=1.0, constant=True)

    def param(self, shape: tuple[int, ...]) -> Value:
        """A parameter of `shape`: one that is there already, or a new one."""
        if self.chance(0.5):
            known = self.pick(lambda v: not v.lead and v.name.startswith("self.") and v.shape == shape)
            if known is not None:
                return known
        name = self.fresh("p")
        text = str(shape) if len(shape) != 1 else str(shape[0])
        frozen = (("frozen", "True"),) if self.chance(0.15) else ()
        self.fields[name] = Field("param", name, (text, "nl.uniform(-1.0, 1.0)"), frozen)
        value = Value(f"self.{name}", shape, lead=False, low=-1.5, high=1.5)
        self.pool.append(value)
        return value

    # Making a value fit.

    def within(self, value: Value, low: float, high: float) -> Value:
        """A value that is surely between `low` and `high`: `value` itself, or a bounded function of it."""
        if value.low >= low and value.high <= high:
            return value
        centre, radius = (low + high) / 2, (high - low) / 2
        if low >= 0 and self.chance(0.5):
            text, bounds = f"{low} + {high - low} * sigmoid({{0}})", (low, high)
        elif (low, high) == (-1, 1):
            text, bounds = "np.tanh({0})", (-1, 1)
        else:
            text, bounds = f"{centre} + {radius} * np.tanh({{0}})", (low, high)
        return self.emit(
            text, self.as_number(value), shape=value.shape, low=bounds[0], high=bounds[1], size=max(abs(centre), 0.5)
        )

    def positive(self, value: Value, least: float = 0.1) -> Value:
        """A value that is surely at least `least`, and not large."""
        if value.low >= least and value.high <= 20:
            return value
        value = self.as_number(value)
        text = self.choose(
            ("np.square(np.tanh({0})) + 0.31", "0.33 + sigmoid({0})", "softplus(np.tanh({0}))", "np.exp(np.tanh({0}))")
        )
        return self.emit(text, value, shape=value.shape, low=0.3, high=2.8, size=1.0)

    def traced(self, value: Value) -> Value:
        """`value`, or a parameter in the place of a constant array, which NumPy's functions would not trace."""
        return self.param(value.shape) if value.constant else value

    def as_number(self, value: Value) -> Value:
        """`value`, or the numbers 1 and 0 for a mask."""
        if not value.boolean:
            return value
        return self.emit("np.where({0}, 0.87, -0.41)", value, shape=value.shape, low=-0.41, high=0.87)

    def with_lead(self, value: Value) -> Value:
        """`value`, repeated for each example if there is one for all."""
        if value.lead:
            return value
        value = self.traced(value)
        sizes = ", ".join(f"{{s[{i}]}}" for i in range(value.rank))
        return self.emit(
            f"np.broadcast_to({{0}}, (*x.shape[:-1], {sizes}))",
            value,
            shape=value.shape,
            numbers=value.shape,
            lead=True,
            low=value.low,
            high=value.high,
            size=value.size,
            boolean=value.boolean,
        )

    def kept(self, value: Value, text: str, shape: tuple[int, ...], *numbers: int, **more: Any) -> Value:
        """A statement that only puts the elements of `value` in other places."""
        value = self.traced(value)
        bounds = {"low": value.low, "high": value.high, "size": value.size, "boolean": value.boolean}
        return self.emit(text, value, shape=shape, numbers=numbers, **(bounds | more))

    def of_rank(self, value: Value, rank: int) -> Value:
        """`value` with `rank` feature axes."""
        while value.rank < rank:
            at = self.whole(0, value.rank) if value.rank else 0
            index = ", ".join(["...", "None", *[":"] * (value.rank - at)])
            value = self.kept(value, f"{{0}}[{index}]", (*value.shape[:at], 1, *value.shape[at:]))
        while value.rank > rank:
            value = self._flatter(value)
        return value

    def _flatter(self, value: Value) -> Value:
        """`value` with one axis less."""
        *front, before, last = value.shape if value.rank > 1 else (1, *value.shape)
        if value.rank > 1 and value.lead and self.chance(0.3) and before * last <= 64:
            shape = (*front, before * last)
            sizes = ", ".join(f"{{s[{i}]}}" for i in range(len(shape)))
            return self.kept(value, f"np.reshape({{0}}, (*x.shape[:-1], {sizes}))", shape, *shape)
        if self.chance(0.4) and value.lead:
            place = self.whole(0, last - 1)
            return self.kept(value, "{0}[..., {s[0]}]", value.shape[:-1], place)
        value = self.as_number(value)
        word = self.choose(("mean", "max", "sum", "mean"))
        size = value.size * (math.sqrt(last) if word == "sum" else 1)
        low, high = (value.low * last, value.high * last) if word == "sum" else (value.low, value.high)
        return self.emit(f"np.{word}({{0}}, axis=-1)", value, shape=value.shape[:-1], low=low, high=high, size=size)

    def resized(self, value: Value, axis: int, size: int) -> Value:
        """`value` with `size` on the negative `axis`."""
        now = value.shape[axis]
        if now == size:
            return value
        if size > 33 and now != 1:
            return self.resized(self.resized(value, axis, 1), axis, size)
        shape = (*value.shape[:axis], size, *value.shape[value.rank + axis + 1 :])
        tail = "".join(", :" for _ in range(-1 - axis))
        ways: list[str] = ["take"] if size <= 12 else []
        if now > size:
            ways += ["slice", "end", "step"]
        if size % now == 0 and size <= 33:
            ways += ["repeat", "concatenate"]
        if now == 1:
            ways += ["broadcast"] * 2
        if not ways:
            return self.resized(self.resized(value, axis, 1), axis, size)
        match self.choose(ways):
            case "slice":
                start = self.whole(0, now - size)
                return self.kept(value, f"{{0}}[..., {{s[0]}}:{{s[1]}}{tail}]", shape, start, start + size)
            case "end":
                return self.kept(value, f"{{0}}[..., -{{s[0]}}:{tail}]", shape, size)
            case "step":
                step = self.whole(1, max(1, (now - 1) // max(size - 1, 1)))
                if self.chance(0.5):  # from behind
                    stop = now - 1 - (size - 1) * step - 1
                    ending = "" if stop < 0 else "{s[1]}"
                    return self.kept(
                        value, f"{{0}}[..., {{s[0]}}:{ending}:-{{s[2]}}{tail}]", shape, now - 1, max(stop, 0), step
                    )
                stop = (size - 1) * step + 1
                return self.kept(value, f"{{0}}[..., :{{s[0]}}:{{s[1]}}{tail}]", shape, stop, step)
            case "repeat":
                return self.kept(value, f"np.repeat({{0}}, {{s[0]}}, axis={axis})", shape, size // now)
            case "concatenate":
                again = ", ".join(["{0}"] * (size // now))
                if size // now > 8:
                    return self.kept(value, f"np.repeat({{0}}, {{s[0]}}, axis={axis})", shape, size // now)
                return self.kept(value, f"np.concatenate([{again}], axis={axis})", shape)
            case "broadcast":
                value = self.traced(value)
                sizes = ", ".join(f"{{s[{i}]}}" for i in range(value.rank))
                whole = f"(*x.shape[:-1], {sizes})" if value.lead else f"({sizes},)"
                return self.kept(value, f"np.broadcast_to({{0}}, {whole})", shape, *shape)
        places = [int(p) for p in self.rng.integers(0, now, size)]
        listed = ", ".join(f"{{s[{i}]}}" for i in range(size))
        return self.kept(value, f"np.take({{0}}, [{listed}], axis={axis})", shape, *places)

    def adapted(self, value: Value, shape: tuple[int, ...], *, loosely: bool = False, lead: bool = False) -> Value:
        """`value` with `shape`; `loosely`, axes may have length 1. With `lead` there is one for each example."""
        if lead:
            value = self.with_lead(value)
        if value.shape == shape:
            return value
        if value.rank == 2 and value.shape[::-1] == shape and self.chance(0.7):
            return self.kept(value, self.choose(("np.swapaxes({0}, -1, -2)", "{0}.mT")), shape)
        value = self.of_rank(value, len(shape))
        for axis in range(-len(shape), 0):
            if value.shape[axis] != shape[axis]:
                if loosely and value.shape[axis] == 1:
                    continue
                if loosely and self.chance(0.3):
                    value = self.emit(
                        f"np.{self.choose(('mean', 'max', 'min'))}({{0}}, axis={axis}, keepdims=True)",
                        self.as_number(value),
                        shape=(*value.shape[:axis], 1, *value.shape[value.rank + axis + 1 :]),
                        low=value.low,
                        high=value.high,
                        size=value.size,
                    )
                    continue
                value = self.resized(value, axis, shape[axis])
        return value

    def varied(self, value: Value) -> Value:
        """`value` as it is, or now and then seen another way with the same shape."""
        if value.rank == 0 or not self.chance(0.2):
            return value
        axis = self.choose(range(-value.rank, 0))
        size, tail = value.shape[axis], "".join(", :" for _ in range(-1 - axis))
        match self.choose(("flip", "flipped", "roll", "twice", "back")):
            case "flip":
                return self.kept(value, f"{{0}}[..., ::-1{tail}]", value.shape)
            case "flipped":
                return self.kept(value, f"np.flip({{0}}, axis={axis})", value.shape)
            case "roll":
                return self.kept(value, f"np.roll({{0}}, {{s[0]}}, axis={axis})", value.shape, self.whole(1, 3))
            case "twice" if size % 2 == 0:
                half = self.resized(value, axis, size // 2)
                return self.kept(half, f"np.concatenate([{{0}}, {{0}}], axis={axis})", value.shape)
            case "back" if value.rank == 2:
                turned = self.kept(value, "np.swapaxes({0}, -1, -2)", value.shape[::-1])
                return self.kept(turned, "{0}.mT", value.shape)
        return value

    def fellow(self, value: Value) -> Value:
        """Something that goes together with `value` element by element: of its shape, or broadcast to it."""
        way = self.choose(("same", "same", "other", "other", "param", "narrow", "number", "itself", "vector", "wide"))
        match way:
            case "same":
                found = self.pick(lambda v: v.shape == value.shape and not v.boolean and v is not value)
                if found is not None:
                    return self.varied(found)
            case "other":
                found = self.pick(lambda v: not v.boolean and v.lead)
                if found is not None:
                    return self.varied(self.adapted(found, value.shape, loosely=True))
            case "narrow" if value.rank:
                found = self.pick(lambda v: not v.boolean and v.rank > 0)
                if found is not None:
                    axis = self.choose(range(-value.rank, 0))
                    narrow = (*value.shape[:axis], 1, *value.shape[value.rank + axis + 1 :])
                    return self.adapted(found, narrow)
            case "wide" if 1 in value.shape:
                found = self.pick(lambda v: not v.boolean and v.rank == value.rank and goes_together(v, value))
                if found is not None:
                    return found
            case "number":
                return self.number()
            case "itself":
                return value
            case "vector" if value.rank and value.shape[-1] <= 9:
                return self.vector(value.shape[-1])
        if value.elements > 64:
            return self.param(value.shape[-1:])
        return self.param(value.shape if self.chance(0.6) else value.shape[self.whole(0, value.rank) :])


def goes_together(one: Value, other: Value) -> bool:
    """Whether two values of equal rank can be broadcast to a common shape that is not too large."""
    if any(a != b and 1 not in (a, b) for a, b in zip(one.shape, other.shape, strict=True)):
        return False
    return math.prod(max(a, b) for a, b in zip(one.shape, other.shape, strict=True)) <= MOST
