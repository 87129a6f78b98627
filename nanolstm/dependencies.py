"""What the trace of a cell or of a loss depends on, besides what it is given."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from functools import cached_property

from nanolstm.errors import KernelWarning
from nanolstm.graph.captured import Look
from nanolstm.language.cell import Cell
from nanolstm.language.gate import Gate
from nanolstm.losses import Loss

_OWN = {
    *("parameters", "frozen", "_buffer", "_comparing", "_examples_are_separate", "_held", "_running"),
}
"""Attributes of a cell in whose place a step finds tracers, or that it cannot read."""

_CALLED = {name for name in vars(Gate) if not name.startswith("__")}
"""Methods of a gate that `Gate` itself calls, and a subclass may override."""


def look_at_cell(cell: Cell) -> Look:
    """Look at everything that the step of a cell and its gates may read."""
    look, kind, own = Look(), type(cell), cell.anatomy
    look.relevance.names.update({"step"}, _CALLED)
    reserved = {"anatomy"} if isinstance(cell.rng, int | None) else {"anatomy", "rng"}
    derived = {name for name in cell.__dict__ if isinstance(getattr(kind, name, None), cached_property)}
    look.attributes(cell, {*_OWN, *own.gates, *own.params, *derived}, reserved)
    look.members(kind)
    for part in own.gates.values():
        look.value(part.activation)
        if part.kind is not Gate:
            look.members(part.kind)
            look.named(part.options)
            look.value(part.kind.__init__)  # fields may have converters, and defaults that are computed
    return look


def layout_of(cell: Cell) -> tuple[Hashable, ...]:
    """What the graph of a cell takes from its declarations."""
    own = cell.anatomy
    return (
        cell.outputs,
        cell.dtype,
        own.arguments,
        tuple((name, state.shape) for name, state in own.states.items()),
        tuple((name, feed.size) for name, feed in own.feeds.items()),
        tuple((name, noise.size) for name, noise in own.noises.items()),
        tuple(own.masks.items()),
        tuple((name, part.size, part.products, *part.keys.items()) for name, part in own.gates.items()),
        tuple(own.params.items()),
        tuple((key, part.shape) for key, part in own.parameters.items()),
    )


def look_at_loss(loss: Loss) -> Look:
    """Look at everything that a loss may read."""
    look = Look()
    look.value(loss.function)
    for value in loss.parameters.values():
        look.value(value)
    return look


_told: set[tuple[str, str]] = set()


def tell_once(subject: str, unknown: str) -> None:
    """Warn that a step or a loss is traced at each call because it reads what is `unknown`, once for each reason."""
    if (subject, unknown) not in _told:
        _told.add((subject, unknown))
        warnings.warn(
            f"{subject} is traced anew at each call, which takes longer than running it: it reads {unknown}, which may "
            "change unnoticed. If it never does, declare that with nl.static; otherwise read it elsewhere, and hand it "
            "over in a field or a global variable",
            KernelWarning,
            stacklevel=2,
        )
