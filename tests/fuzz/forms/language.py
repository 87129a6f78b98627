"""Forms of the cell language: gates of every weight and kind, and the patterns that published cells use."""

from __future__ import annotations

import math

from ..builder import MOST, Builder, Value
from ..program import Field
from .products import matrix_of, vector_of
from .table import form

ACTIVATIONS = {
    "np.tanh": (-1, 1),
    "sigmoid": (0, 1),
    "identity": (-math.inf, math.inf),
    "softplus": (0, math.inf),
    "softmax": (0, 1),
    "relu": (0, math.inf),
    "np.sin": (-1, 1),
    "lambda a: 0.9 * np.tanh(a)": (-1, 1),
}


def _weight(b: Builder, value: Value, size: int, taken: dict[str, tuple[str, int, int]]) -> str:
    """The declaration of a weight that multiplies `value` in a gate of `size`; `taken` are weights by form."""
    width = value.shape[0]
    forms = ["dense", "dense", "dense"]
    heads = [n for n in (1, 2, 3, 4) if size % n == 0 and width % n == 0]
    forms += ["blocks"] * 2 if heads else []
    forms += ["diagonal"] * 2 if size == width else []
    shared = [key for key, (kind, s, w) in taken.items() if kind == "dense" and (s, w) == (size, width)]
    forms += ["tied"] * 2 if shared else []
    reads = repr(width_name(b, width))
    match b.choose(forms):
        case "blocks":
            return f"blocks({reads}, {b.choose(heads)})"
        case "diagonal":
            return f"diagonal({reads})"
        case "tied":
            return f"tied({b.choose(shared)!r})"
    return reads


def width_name(b: Builder, width: int) -> str:
    """The name of a field of the class that holds `width`."""
    name = f"width_{width}"
    if name not in b.fields:
        b.fields = {name: Field("int", name, (str(width),)), **b.fields}
    return name


def new_gate(b: Builder, size: int, values: list[Value]) -> tuple[str, str]:
    """Declare a gate of `size` with one weight for each of `values`; its name and activation."""
    name, activation = b.fresh("gate"), b.choose(list(ACTIVATIONS))
    taken = {
        f"{field.name}.{key}": ("dense", int(dict(field.options)["size"]), int(text.split("_")[1].strip("'")))
        for field in b.fields.values()
        if field.kind == "gate"
        for key, text in field.options
        if text.startswith("'width_")
    }
    words = ["U", "W", "P", "Q"][: max(2, len(values))]
    options = [("size", str(size))]
    values = list(values)
    if len(values) == 1 and b.chance(0.5):
        options.append(("W", "None"))
        options.append(("U", _weight(b, values[0], size, taken)))
    elif len(values) == 1:
        options.append(("U", "None"))
        options.append(("W", _weight(b, values[0], size, taken)))
    else:
        options += [(word, _weight(b, v, size, taken)) for word, v in zip(words, values, strict=True)]
    if b.chance(0.25):
        options.append(("bias", "False"))
    elif b.chance(0.2) and (biased := [f.name for f in b.fields.values() if f.kind == "gate" and _has_bias(f, size)]):
        options.append(("bias", f"tied({b.choose(biased) + '.b'!r})"))
    if b.chance(0.15):
        options.append(("kind", b.choose(("NormGate", "SummedGate"))))
    if b.chance(0.1):
        options.append(("frozen", "True"))
    if b.chance(0.7):
        options.append(("init", b.choose(("nl.uniform(-1.0, 1.0)", "nl.glorot()"))))
    b.fields[name] = Field("gate", name, (activation,), tuple(options))
    for key, text in options:  # a weight is a value like any other
        if key in ("U", "W") and text.startswith("'"):
            width = int(text.split("_")[1].strip("'"))
            b.pool.append(Value(f"self.{name}.{key}", (size, width), lead=False))
    return name, activation


def _has_bias(field: Field, size: int) -> bool:
    options = dict(field.options)
    return "bias" not in options and options["size"] == str(size)


def _values(b: Builder, v: Value, count: int) -> list[Value]:
    others = [b.pick(lambda c: not c.boolean and c.lead) or v for _ in range(count - 1)]
    values = [vector_of(b, value) for value in (v, *others)]
    order = b.rng.permutation(len(values))
    return [values[i] for i in order]


def _called(b: Builder, v: Value, template: str, count: int, size: int) -> Value:
    values = _values(b, v, count)
    name, activation = new_gate(b, size, values)
    low, high = ACTIVATIONS[activation] if "preact" not in template else (-math.inf, math.inf)
    words = ", ".join(f"{{{i}}}" for i in range(len(values)))
    kind = dict(b.fields[name].options).get("kind", "")
    typical = 0.7 if math.isfinite(low) and math.isfinite(high) else 1.0 + sum(x.size for x in values)
    if kind == "NormGate" or (template == "self.{n}({w})" and activation == "softplus"):
        typical = 1.2
    if kind == "NormGate" and "preact" not in template:
        low, high = (min(low, -1.5), max(high, 1.5))
        low, high = low * 1.5, high * 1.5
    text = template.replace("{n}", name).replace("{w}", words)
    return b.emit(text, *values, shape=(size,), lead=True, low=low, high=high, size=typical)


def _size(b: Builder) -> int:
    return int(b.choose([n for n in b.sizes if n <= 33] or [3]))


@form("gate")
def gate(b: Builder, v: Value) -> Value:
    return _called(b, v, "self.{n}({w})", 1, _size(b))


@form("gate of two")
def gate_of_two(b: Builder, v: Value) -> Value:
    return _called(b, v, "self.{n}({w})", 2, _size(b))


@form("gate of three")
def gate_of_three(b: Builder, v: Value) -> Value:
    return _called(b, v, "self.{n}({w})", 3, _size(b))


@form("gate of one unit")
def gate_of_one_unit(b: Builder, v: Value) -> Value:
    return _called(b, v, "self.{n}({w})", 2, 1)


@form("preactivation")
def preactivation(b: Builder, v: Value) -> Value:
    return _called(b, v, "self.{n}.preactivation({w})", 2, _size(b))


@form("terms")
def terms(b: Builder, v: Value) -> Value:
    return _called(b, v, "sum(self.{n}.terms({w}))", 2, _size(b))


@form("mean of a gate")
def mean_of_a_gate(b: Builder, v: Value) -> Value:
    values = _values(b, v, 1)
    name, activation = new_gate(b, _size(b), values)
    low, high = ACTIVATIONS[activation]
    text = b.choose(("np.mean(self.N({0}), axis=-1, keepdims=True)", "np.max(self.N({0}), axis=-1, keepdims=True)"))
    return b.emit(text.replace("N", name), *values, shape=(1,), low=1.5 * low, high=1.5 * high, size=1.0)


@form("gate twice")
def gate_twice(b: Builder, v: Value) -> Value:
    """One gate called on two values."""
    one = vector_of(b, v)
    other = b.adapted(b.pick(lambda c: not c.boolean and c.lead) or v, one.shape, lead=True)
    name, activation = new_gate(b, _size(b), [one])
    size = int(dict(b.fields[name].options)["size"])
    del activation
    text = f"np.tanh(self.{name}({{0}})) - 0.4 * np.tanh(self.{name}({{1}}))"
    return b.emit(text, one, other, shape=(size,), low=-1.4, high=1.4)


@form("gated update")
def gated_update(b: Builder, v: Value) -> Value:
    """A convex combination of two values by a third."""
    v = b.as_number(v)
    f, z = b.fellow(v), b.within(b.fellow(v), 0, 1)
    f = b.adapted(f, v.shape, loosely=True) if f.rank == v.rank else f
    if z.rank == v.rank:
        z = b.adapted(z, v.shape, loosely=True)
    low, high = min(v.low, f.low), max(v.high, f.high)
    return b.emit("{2} * {0} + (1 - {2}) * {1}", v, f, z, shape=v.shape, low=low, high=high, size=max(v.size, f.size))


@form("delta rule")
def delta_rule(b: Builder, v: Value) -> Value:
    """A matrix changed by an outer product of what it misses."""
    m = matrix_of(b, v)
    if m.elements > MOST // 4:
        m = b.resized(b.resized(m, -1, 5), -2, 5)
    key = b.adapted(b.pick(lambda c: not c.boolean) or m, m.shape[1:], lead=True)
    value = b.adapted(b.pick(lambda c: not c.boolean) or m, m.shape[:1], lead=True)
    key = b.emit("softmax({0})", key, shape=key.shape, low=0, high=1, size=0.5)
    missed = b.emit("{0} - np.matvec({1}, {2})", value, m, key, shape=value.shape, size=1.0)
    text = "{0} + 0.5 * {1}[..., :, None] * {2}[..., None, :]"
    return b.emit(text, m, missed, key, shape=m.shape, size=m.size + 0.3)


@form("attention")
def attention(b: Builder, v: Value) -> Value:
    m = matrix_of(b, v)
    if m.elements > MOST // 4:
        m = b.resized(b.resized(m, -1, 5), -2, 5)
    query = b.adapted(b.pick(lambda c: not c.boolean) or m, m.shape[1:], lead=True)
    score = b.emit("softmax(np.matvec({0}, {1}))", m, query, shape=m.shape[:1], low=0, high=1, size=0.5)
    return b.emit("np.vecmat({0}, {1})", score, m, shape=m.shape[1:], size=m.size)


@form("expression in one line")
def expression(b: Builder, v: Value) -> Value:
    """Several operations without names between them."""
    v = b.within(v, -2, 2)
    f = b.within(b.fellow(v), -2, 2)
    shape = tuple(max(p, q) for p, q in zip(v.shape, f.shape, strict=True)) if f.rank == v.rank else v.shape
    text = b.choose(
        (
            "np.tanh({0} * {1} + 0.5) * np.exp(-np.square({0})) + np.where({0} > {1}, {1}, 0.2)",
            "sigmoid({0}) * {1} + (1 - sigmoid({0})) * np.maximum({0}, {1})",
            "(np.abs({0}) + 0.2) / (1 + np.square({1})) - np.minimum({0}, 0.3)",
        )
    )
    return b.emit(text, v, f, shape=shape, low=-6, high=6, size=1.2)


@form("loop over a field")
def loop_over_a_field(b: Builder, v: Value) -> Value:
    """As many features as a field of the class says, one after the other."""
    v = b.of_rank(b.as_number(v), max(v.rank, 1))
    count = b.whole(1, min(4, v.shape[-1]))
    text = f"sum({{0}}[..., place] * (0.5 + place) for place in range(self.{width_name(b, count)}))"
    return b.emit(text, v, shape=v.shape[:-1], size=v.size * 2)
