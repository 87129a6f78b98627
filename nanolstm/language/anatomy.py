"""What one cell consists of: the declarations of its class, resolved to names, widths and shapes for its sizes.

Everything that runs, draws, records or describes a cell reads this; only `resolve.py` reads the fields themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

from nanolstm.language.functions import Array
from nanolstm.language.gate import Gate, Product
from nanolstm.language.initialisers import Initialiser
from nanolstm.language.projections import Projection


@attrs.frozen
class StateAnatomy:
    """A state: the shape of its features and its first value, which may be the name of a parameter."""

    shape: tuple[int, ...]
    start: float | Array | str


@attrs.frozen
class FeedAnatomy:
    """An input beside `x`."""

    size: int
    default: float | None


@attrs.frozen
class NoiseAnatomy:
    """A random mask: `one` with probability `p`, otherwise 0."""

    size: int
    p: float
    per: Literal["step", "sequence"]
    inverted: bool = False

    @property
    def one(self) -> float:
        """What is drawn with probability `p`."""
        return 1 / self.p if self.inverted else 1.0

    @property
    def mean(self) -> float:
        """What every element is where nothing is drawn."""
        return 1.0 if self.inverted else self.p


@attrs.frozen
class MaskAnatomy:
    """A mask that a cell is given beside those of its step: which setting asks for it, and what it is laid on."""

    setting: str
    on: str


@attrs.frozen
class GateAnatomy:
    """A gate: how it is made, and under which key of the cell's parameters each of its attributes stands."""

    kind: type[Gate]
    activation: Callable[[Array], Array]
    size: int
    products: tuple[Product, ...]
    keys: Mapping[str, str]
    options: Mapping[str, Any]


@attrs.frozen
class ParameterAnatomy:
    """A parameter: its shape, how it is drawn, whether it is trained, and what brings it back where it belongs."""

    shape: tuple[int, ...]
    init: Initialiser
    frozen: bool = False
    project: Projection | None = None


@attrs.frozen
class Anatomy:
    """The parts of a cell, each by name, in the order of declaration (which is the order of drawing).

    Attributes:
        arguments: what a step is given after `x`: the arguments of `step`, then the masks of dropout and zoneout.
        states: those of them that are states, in their order.
        feeds: those that are further inputs.
        noises: those that are random masks.
        masks: those of these that `step` itself does not take.
        gates: the gates.
        params: free parameters of the cell itself: attribute name to key.
        parameters: all parameters by key, the tied ones once.
    """

    arguments: tuple[str, ...]
    states: Mapping[str, StateAnatomy]
    feeds: Mapping[str, FeedAnatomy]
    noises: Mapping[str, NoiseAnatomy]
    masks: Mapping[str, MaskAnatomy]
    gates: Mapping[str, GateAnatomy]
    params: Mapping[str, str]
    parameters: Mapping[str, ParameterAnatomy]

    def layout(self) -> dict[str, tuple[slice, tuple[int, ...], bool]]:
        """Where each parameter lies in the buffer, its shape, whether it is frozen: trained ones first."""
        places, begin = {}, 0
        for key in sorted(self.parameters, key=lambda key: self.parameters[key].frozen):
            part = self.parameters[key]
            end = begin + math.prod(part.shape)
            places[key] = (slice(begin, end), part.shape, part.frozen)
            begin = end
        return places

    def same_shapes(self, other: Anatomy) -> bool:
        """Whether a buffer made for the one fits the other."""
        ours, theirs = ({name: s.shape for name, s in a.states.items()} for a in (self, other))
        return self.layout() == other.layout() and ours == theirs
