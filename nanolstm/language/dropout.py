"""Dropout and zoneout of any cell: masks that are drawn beside those of its step, and a step around its own.

The step around is traced, derived and compiled like any other, so that a cell stays one kernel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np

from nanolstm.errors import CellError, InputError, nearest
from nanolstm.language.anatomy import Anatomy, MaskAnatomy, NoiseAnatomy, StateAnatomy
from nanolstm.language.declaration import fields_of
from nanolstm.language.functions import Array
from nanolstm.language.gate import Diagonal
from nanolstm.language.observe import Locals, Watch, call_with_locals

if TYPE_CHECKING:
    from nanolstm.language.cell import Cell


SETTINGS = ("input_dropout", "output_dropout", "recurrent_dropout", "zoneout", "variational")
"""The fields of every cell that this is about."""


def unused_settings(cell: Cell) -> set[str]:
    """Those of them that ask for nothing, which is usual and need not be told."""
    return {f.name for f in fields_of(type(cell)) if f.name in SETTINGS and not (f.default or getattr(cell, f.name))}


def with_masks(cell: Cell, own: Anatomy) -> Anatomy:
    """The anatomy of `cell` with the masks that its settings ask for, `own` being that of its step.

    Raises:
        InputError: a rate that is none.
        CellError: a setting that has nothing to act on, or a mask whose name the cell needs for something else.
    """
    masks: dict[str, MaskAnatomy] = {}
    noises = dict(own.noises)
    for name, mask, noise in _asked_for(cell, own):
        if name in (*own.arguments, *own.gates, *own.params):
            raise CellError(
                f"{type(cell).__name__}: {mask.setting} draws a mask called {name!r}, which is a name of the cell's "
                "own; give that another one"
            )
        masks[name], noises[name] = mask, noise
    return attrs.evolve(own, arguments=(*own.arguments, *masks), noises=noises, masks=masks) if masks else own


def _asked_for(cell: Cell, own: Anatomy) -> Iterator[tuple[str, MaskAnatomy, NoiseAnatomy]]:
    if not isinstance(cell.variational, bool):
        raise InputError(f"{type(cell).__name__}(variational={cell.variational!r}): expected True or False")
    per: Literal["step", "sequence"] = "sequence" if cell.variational else "step"
    if rate := _rate(cell, "input_dropout", cell.input_dropout):
        yield "keep_x", MaskAnatomy("input_dropout", "x"), NoiseAnatomy(cell.inputs, 1 - rate, per, inverted=True)
    if rate := _rate(cell, "recurrent_dropout", cell.recurrent_dropout):
        for state in _states_that_gates_read(cell, own):
            noise = NoiseAnatomy(own.states[state].shape[0], 1 - rate, "sequence", inverted=True)
            yield f"keep_{state}", MaskAnatomy("recurrent_dropout", state), noise
    for state, rate in _states_to_hold(cell, own).items():
        yield f"hold_{state}", MaskAnatomy("zoneout", state), NoiseAnatomy(own.states[state].shape[0], rate, "step")
    # A cell that is being made has no width of its output yet, and asks again once it has.
    if (rate := _rate(cell, "output_dropout", cell.output_dropout)) and "outputs" in cell.__dict__:
        mask = MaskAnatomy("output_dropout", "output")
        yield "keep_output", mask, NoiseAnatomy(cell.outputs, 1 - rate, per, inverted=True)


def _rate(cell: Cell, setting: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < 1:
        raise InputError(f"{type(cell).__name__}({setting}={value!r}): expected a number from 0 on, and below 1")
    return float(value)


def _states_that_gates_read(cell: Cell, own: Anatomy) -> list[str]:
    """The states that a matrix of a gate multiplies. What a peephole sees is the memory, which is never dropped."""
    products = [product for part in own.gates.values() for product in part.products]
    read = {product.form.reads for product in products if not isinstance(product.form, Diagonal)}
    states = [state for state in own.states if state in read]
    if not states:
        raise CellError(
            f"{type(cell).__name__}(recurrent_dropout={cell.recurrent_dropout!r}): no gate has a weight that "
            "multiplies a state, so there is nothing to drop; lay a mask on it in the step: "
            "`keep: Array = noise(0.9, per='sequence', inverted=True)`"
        )
    return states


def _states_to_hold(cell: Cell, own: Anatomy) -> dict[str, float]:
    asked = f"{type(cell).__name__}(zoneout={cell.zoneout!r})"
    if isinstance(cell.zoneout, Mapping):
        rates = {state: _rate(cell, f"zoneout of {state!r}", rate) for state, rate in cell.zoneout.items()}
    else:
        rate = _rate(cell, "zoneout", cell.zoneout)
        rates = dict.fromkeys(own.states, rate)
        if rate and not rates:
            raise CellError(f"{asked}: this cell has no state that could be held")
    for state in rates:
        if state not in own.states:
            raise CellError(f"{asked}: there is no state {state!r}; {nearest(state, own.states, 'states')}")
    rates = {state: rate for state, rate in rates.items() if rate}
    can = [state for state, part in own.states.items() if not _cannot_be_held(part)]
    for state in rates:
        if why := _cannot_be_held(own.states[state]):
            instead = f"name those that can: zoneout={dict.fromkeys(can, 0.1)}" if can else "leave it out"
            raise CellError(f"{asked}: state {state!r} {why}; {instead}")
    return rates


def _cannot_be_held(part: StateAnatomy) -> str:
    if len(part.shape) != 1:
        return f"has shape {part.shape}, and a mask is a vector"
    if not isinstance(part.start, str) and not np.isfinite(part.start).all():
        return f"starts at {part.start}, of which no part can be held"
    return ""


def step_of(cell: Cell) -> Callable[..., Any]:
    """The step of `cell` as a function of (cell, x, *anatomy.arguments): its own, within the masks of its settings."""
    own: Callable[..., Any] = type(cell).step
    if not cell.anatomy.masks:
        return own

    # Whoever looks for the local variables, or the place, of a step finds the author's.
    @functools.wraps(own)
    def step(reading: Cell, x: Array, *arguments: Array) -> Any:
        given = dict(zip(reading.anatomy.arguments, arguments, strict=True))
        laid: dict[str, dict[str, Array]] = {}
        for name, mask in reading.anatomy.masks.items():
            laid.setdefault(mask.setting, {})[mask.on] = given.pop(name)
        if "input_dropout" in laid:
            x = x * laid["input_dropout"]["x"]
        result = own(_seeing(reading, laid.get("recurrent_dropout", {})), x, *given.values())
        return _held(reading, result, given, laid)

    return step


def watched_step(reading: Cell, x: Any, arguments: Mapping[str, Any], watch: Watch | None = None) -> tuple[Any, Locals]:
    """What the step of `reading` returns, and its local variables, among them the masks that it was given."""
    result, found = call_with_locals(step_of(reading), reading, x, *arguments.values(), watch=watch)
    found.update({name: arguments[name] for name in reading.anatomy.masks})
    return result, found


def _held(reading: Cell, result: Any, given: Mapping[str, Array], laid: Mapping[str, Mapping[str, Array]]) -> Any:
    """What a step returned, with its states held and its output dropped."""
    states = list(reading.anatomy.states)
    y, *new = result if isinstance(result, tuple) else (result,)
    if len(new) != len(states):  # which whoever asked will say
        return result
    for place, state in enumerate(states):
        if state in laid.get("zoneout", {}):
            hold, value = laid["zoneout"][state], new[place]
            new[place] = hold * given[state] + (1 - hold) * value
            y = new[place] if y is value else y  # an output that is a state is so after it was held, too
    if "output_dropout" in laid:
        y = y * laid["output_dropout"]["output"]
    return (y, *new)


def _seeing(cell: Cell, keep: Mapping[str, Array]) -> Cell:
    """`cell` for one step, its gates seeing what stands in the place of a state through that state's mask."""
    if not keep:
        return cell
    twin = object.__new__(type(cell))
    twin.__dict__.update(cell.__dict__)
    for name, part in cell.anatomy.gates.items():
        masks = [None if isinstance(p.form, Diagonal) else keep.get(p.form.reads) for p in part.products]
        if any(mask is not None for mask in masks):
            twin.__dict__[name] = _Seeing(cell.__dict__[name], masks)
    return twin


class _Seeing:
    """A gate that sees some of its values through masks."""

    def __init__(self, gate: Any, masks: list[Array | None]) -> None:
        self._gate, self._masks = gate, masks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)

    def __call__(self, *values: Any) -> Any:
        return self._gate(*self._seen(values))

    def preactivation(self, *values: Any) -> Any:
        return self._gate.preactivation(*self._seen(values))

    def terms(self, *values: Any) -> Any:
        return self._gate.terms(*self._seen(values))

    def _seen(self, values: tuple[Any, ...]) -> list[Any]:
        masked = [v if mask is None else v * mask for v, mask in zip(values, self._masks, strict=False)]
        return [*masked, *values[len(masked) :]]
