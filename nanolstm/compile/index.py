"""Where an element stands: a place on each axis of features, as a sum of loop variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from nanolstm.graph.node import Shape


@attrs.frozen
class Affine:
    """A number plus multiples of loop variables."""

    const: int = 0
    terms: Mapping[str, int] = attrs.field(factory=dict)

    def __add__(self, other: Affine) -> Affine:
        terms = dict(self.terms)
        for name, factor in other.terms.items():
            terms[name] = terms.get(name, 0) + factor
        return Affine(self.const + other.const, {name: factor for name, factor in terms.items() if factor})

    def times(self, factor: int) -> Affine:
        """All of it, `factor` times."""
        return Affine(self.const * factor, {name: f * factor for name, f in self.terms.items() if factor})

    def stride(self, variable: str) -> int:
        """How far apart two neighbours along `variable` lie: 0 where the place does not depend on it (a broadcast)."""
        return self.terms.get(variable, 0)

    def __str__(self) -> str:
        words = [name if factor == 1 else f"{factor} * {name}" for name, factor in self.terms.items()]
        if self.const or not words:
            words.append(str(self.const))
        return " + ".join(words).replace("+ -", "- ")


Index = tuple[Affine, ...]


def flat(index: Index, shape: Shape) -> Affine:
    """The place in an array of `shape` that is laid out row by row."""
    place = Affine()
    for where, size in zip(index, shape, strict=True):
        place = place.times(size) + where
    return place


def element(variables: Sequence[str], shape: Shape) -> Index:
    """The element that loop variables mean: one for each axis that is longer than 1."""
    names = iter(variables)
    return tuple(Affine() if size == 1 else Affine(0, {next(names): 1}) for size in shape)


def broadcast(index: Index, shape: Shape) -> Index:
    """The element of an operand of `shape` that goes into the element `index` of the result, by NumPy's rules."""
    last = index[len(index) - len(shape) :]
    return tuple(Affine() if size == 1 else where for where, size in zip(last, shape, strict=True))


def is_contiguous(place: Affine, variable: str, size: int) -> bool:
    """Whether the `size` elements along `variable` lie next to each other; one element always does."""
    return size == 1 or place.stride(variable) == 1
