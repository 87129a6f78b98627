"""The state of a program that is being generated: values to choose from, statements and fields so far."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from .program import Field, Place, Statement
from .values import INFINITE, Value

FLAT = {
    *("floor", "ceil", "trunc", "sign", "equal", "not_equal", "floor_divide", "astype of a mask", "one minus a mask"),
    *("sum of a mask", "isfinite"),
}
"""Forms whose result does not change where their operand does a little: no derivative goes through them."""

LARGEST = 3.0
"""The typical size from which on a value is brought back by a bounded function."""

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


@attrs.define(eq=False)
class Draft:
    """Statements and fields so far.

    Attributes:
        rng: decides everything.
        sizes: the sizes of axes that this program uses.
        pool: the values that may be read.
        statements: so far.
        fields: so far, by name.
        read: the names that something reads through which a derivative goes.
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
        if not boolean and self.form not in FLAT:
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
        text, value = self.choose(
            (
                ("0.5", 0.5),
                ("-0.7", -0.7),
                ("1.5", 1.5),
                ("2", 2.0),
                ("0.3", 0.3),
                ("1", 1.0),
                ("np.sqrt(2.0)", 2.0**0.5),
                ("np.float64(0.6)", 0.6),
            )
        )
        return Value(text, (), lead=False, low=value, high=value, size=abs(value), constant=True)

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
