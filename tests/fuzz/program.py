"""A random step as data: statements that can be rendered to the source of a `Cell` and edited by the shrinker."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import attrs
import numpy as np

Place = Literal["named", "inline", "helper", "method", "loop"]
"""How a statement is written: assigned to a variable, inside its only reader, in a function, a method or a loop."""

ANNOTATIONS = {"gate": "Gate", "param": "Array", "state": "State", "feed": "Array", "noise": "Array", "int": "int"}

HEAD = """\
import numpy as np
import nanolstm as nl
from nanolstm import (Array, Cell, Gate, State, blocks, diagonal, feed, gate, identity, layer_norm, merge, noise,
                      param, relu, sigmoid, softmax, softplus, split, state, tied)
from scipy.special import erf, expit, log_expit


class NormGate(Gate):
    gain: Array = param("size", nl.uniform(0.5, 1.5))

    def __call__(self, *values):
        return self.activation(layer_norm(self.preactivation(*values), 0.1) * self.gain)


class SummedGate(Gate):
    share: Array = param((), 0.5)

    def __call__(self, *values):
        first, *others = self.terms(*values)
        return self.activation(self.share * first + sum(others))

"""
"""What stands above every rendered cell."""


@attrs.frozen
class Field:
    """A field of the class: `name: Gate = gate(*arguments, **options)`."""

    kind: Literal["gate", "param", "state", "feed", "noise", "int"]
    name: str
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def render(self) -> str:
        """The line in the body of the class."""
        value = self.arguments[0] if self.kind == "int" else f"{self.kind}({', '.join(self._words())})"
        return f"{self.name}: {ANNOTATIONS[self.kind]} = {value}"

    def _words(self) -> Iterator[str]:
        yield from self.arguments
        yield from (f"{key}={value}" for key, value in self.options)


@attrs.frozen
class Statement:
    """`target = text`, where `{0}`, `{1}`, ... stand for the operands and `{s[0]}`, `{s[1]}`, ... for the numbers.

    Attributes:
        target: the variable.
        text: the template of its value.
        operands: variables, arguments of the step, parameters ("self.p") and Python numbers.
        numbers: sizes, places and indices, kept apart so that the shrinker can change a size everywhere.
        form: the row of the table of forms that made it.
        place: how it is written.
        shape: the shape of its features when it was generated; () where the shrinker has changed sizes since.
        lead: whether it has a value for each example.
        boolean: whether it is a mask.
    """

    target: str
    text: str
    operands: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    form: str = ""
    place: Place = "named"
    shape: tuple[int, ...] = ()
    lead: bool = True
    boolean: bool = False

    def value(self, words: Sequence[str]) -> str:
        """The right-hand side, with `words` for the operands."""
        return self.text.format(*words, s=self.numbers)


@attrs.frozen
class Program:
    """A cell class.

    Attributes:
        name: of the class.
        fields: its fields, in order.
        arguments: of `step` after `x`.
        statements: the body of `step`, each after its operands.
        returned: the output, then the new states in the order of the arguments.
        inputs: the width of x.
        hidden: the hidden size.
        settings: further keyword arguments of the class, as source.
        rebinding: whether a new state takes over the variable of the old one where that can be, as authors have it.
        rounding: by how much, relatively, every number that is computed is off, as if it had been rounded otherwise.
    """

    name: str
    fields: tuple[Field, ...]
    arguments: tuple[str, ...]
    statements: tuple[Statement, ...]
    returned: tuple[str, ...]
    inputs: int
    hidden: int
    settings: tuple[tuple[str, str], ...] = ()
    rebinding: bool = False
    rounding: float = 0.0

    def uses(self) -> dict[str, int]:
        """How often each name is read."""
        counts: dict[str, int] = {}
        for name in (*self.returned, *(name for s in self.statements for name in s.operands)):
            counts[name] = counts.get(name, 0) + 1
        return counts

    def live(self) -> Program:
        """The same without statements and fields that nothing reads."""
        needed, kept = set(self.returned), []
        for statement in reversed(self.statements):
            if statement.target in needed:
                needed.update(statement.operands)
                kept.append(statement)
        words = {*self.arguments, *self.returned}
        for statement in kept:
            words.update(re.findall(r"\w+", " ".join((statement.text, *statement.operands))))
        fields: list[Field] = []
        for field in reversed(self.fields):  # a field names those before it
            if field.name in words:
                words.update(re.findall(r"\w+", field.render()))
                fields.insert(0, field)
        return attrs.evolve(self, statements=tuple(kept[::-1]), fields=tuple(fields))

    def render(self) -> str:
        """The class, and the functions that its step calls."""
        helpers: list[str] = []
        methods: list[str] = []
        body = "".join(f"        {line}\n" for line in self._body(helpers, methods))
        fields = "".join(f"    {field.render()}\n" for field in self.fields)
        arguments = ", ".join(("self", "x", *self.arguments))
        methods_text = "".join(f"\n{text}" for text in methods)
        head = f"class {self.name}(Cell):\n{fields}" + ("\n" if fields else "")
        return "\n\n".join(["", *helpers, ""])[1:] + f"{head}    def step({arguments}):\n{body}{methods_text}"

    def source(self) -> str:
        """A module with everything that it needs."""
        return f"{HEAD}\n{self.render()}"

    def creation(self, **more: Any) -> str:
        """The call that makes a cell."""
        options = dict(self.settings) | {key: repr(value) for key, value in more.items()}
        words = [f"inputs={self.inputs}", f"hidden={self.hidden}", *(f"{k}={v}" for k, v in options.items())]
        return f"{self.name}({', '.join(words)})"

    def _rebound(self) -> dict[str, str]:
        """The variables of new states that may be called as the old ones are, which nothing reads afterwards."""
        fields = {field.name: field.kind for field in self.fields}
        states = [name for name in self.arguments if fields.get(name, "state") == "state"]
        made = {s.target: place for place, s in enumerate(self.statements)}
        found: dict[str, str] = {}
        for state, new in zip(states, self.returned[1:], strict=False):
            if new in made and new not in found and state not in self.returned:
                readers = [i for i, s in enumerate(self.statements) if state in s.operands]
                late = any(i > made[new] or self.statements[i].place == "inline" for i in readers)
                if not late and self.statements[made[new]].place != "loop":
                    found[new] = state
        return found

    def _body(self, helpers: list[str], methods: list[str]) -> Iterator[str]:
        if self.rebinding and (found := self._rebound()):
            # An expression that is written where it is read may not move behind the new value.
            place = {s.target for s in self.statements if s.target in found}
            statements = tuple(
                attrs.evolve(
                    s,
                    target=found.get(s.target, s.target),
                    operands=tuple(found.get(name, name) for name in s.operands),
                    place="named" if s.target in place else s.place,
                )
                for s in self.statements
            )
            returned = tuple(found.get(name, name) for name in self.returned)
            yield from attrs.evolve(self, statements=statements, returned=returned, rebinding=False)._body(
                helpers, methods
            )
            return
        uses, inside = self.uses(), dict[str, str]()
        factors = 1.0 + self.rounding * np.random.default_rng(0).standard_normal(len(self.statements))
        for factor, original in zip(factors, self.statements, strict=True):
            statement = original
            if self.rounding and not statement.boolean:
                statement = attrs.evolve(original, text=f"({original.text}) * {float(factor)!r}")
            words = [inside.get(name, name) for name in statement.operands]
            name = statement.target
            match statement.place:
                case "inline" if uses.get(name) == 1 and name not in self.returned:
                    inside[name] = f"({statement.value(words)})"
                    continue
                case "helper" if not re.search(r"\b(self|x)\b", statement.text):
                    given = [f"a{i}" for i in range(len(words))]
                    value = statement.value(given)
                    helpers.append(f"def make_{name}({', '.join(given)}):\n    found = {value}\n    return found")
                    yield f"{name} = make_{name}({', '.join(words)})"
                case "method" if not re.search(r"\bx\b", statement.text):
                    given = [f"a{i}" for i in range(len(words))]
                    value = statement.value(given)
                    methods.append(f"    def compute_{name}({', '.join(('self', *given))}):\n        return {value}\n")
                    yield f"{name} = self.compute_{name}({', '.join(words)})"
                case "loop":
                    yield f"{name} = {words[0]}"
                    yield "for _ in range(3):"
                    again = [name if i == 0 else word for i, word in enumerate(words)]
                    yield f"    {name} = {statement.value(again)}"
                case _:
                    yield f"{name} = {statement.value(words)}"
        yield f"return {', '.join(self.returned)}"


def is_name(word: str) -> bool:
    """Whether `word` can be a variable."""
    return word.isidentifier() and not keyword.iskeyword(word)
