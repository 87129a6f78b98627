"""Structures that `wrt` chooses from: the point at which a model is derived, a direction, a gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import InputError, nearest
from nanolstm.gradient.batch import Batch
from nanolstm.inputs import numbers
from nanolstm.language.functions import Array
from nanolstm.language.stepping import start_states

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence

Structure = dict[str, Any]
"""What a gradient is by several: "parameters", "frozen" and "initial" by name, "x" and feeds as arrays."""


def point(model: Sequence, batch: Batch) -> Structure:
    """Everything that a gradient can be taken by, as it is: the structure that `wrt` chooses from.

    "parameters" and "frozen" by name, "x" and each feed as (T, *batch, size), "initial" by name as (*batch, ...).
    """
    initial = first_states(model, batch.inputs.batch, batch.initial)
    parameters, frozen = dict(model.parameters), dict(model.frozen)
    return {"parameters": parameters, "frozen": frozen, "x": batch.inputs.x, "initial": initial, **batch.inputs.feeds}


def first_states(model: Sequence, batch: tuple[int, ...], given: Mapping[str, Array]) -> dict[str, Array]:
    """The first state of each name, (*batch, ...): what was given, or where it starts."""
    initial = {}
    for part in model.parts():
        starts = start_states(part.cell) | model.starts_of(part)
        for name, value in starts.items():
            state = given.get(part.prefix + name)
            initial[part.prefix + name] = np.broadcast_to(value, (*batch, *value.shape)) if state is None else state
    return initial


def group_of(model: Sequence, key: str) -> str:
    """Where the parameter `key` stands."""
    return "parameters" if key in model.parameters else "frozen"


def names_of(model: Sequence, wrt: str | Iterable[str]) -> list[str]:
    """The names in `wrt`.

    Raises:
        InputError: one of them is none.
    """
    if wrt == "parameters":
        return ["parameters"]
    known = ["parameters", "frozen", "x", "initial", *model.feeds()]
    if not isinstance(wrt, str | list | tuple | set | frozenset):
        raise InputError(f"wrt={wrt!r}: expected one of {', '.join(known)}, or a tuple of them")
    names = [wrt] if isinstance(wrt, str) else list(wrt)
    for name in names:
        if name in model.states():
            raise InputError(f"wrt={wrt!r}: {name!r} is a state; write 'initial', and take [{name!r}] of the answer")
        if name in model.parameters:
            raise InputError(f"wrt={wrt!r}: write 'parameters', and take [{name!r}] of the answer")
        if name not in known:
            raise InputError(f"wrt={wrt!r}: no {name!r}; {nearest(str(name), known, 'a gradient can be taken by')}")
    if not names:
        raise InputError(f"wrt={wrt!r}: expected at least one of {', '.join(known)}")
    return names


def completed(model: Sequence, batch: Batch, wrt: str | Iterable[str], direction: Any) -> Structure:
    """`direction`, which has the structure of a gradient by `wrt`, as a whole one: 0 where it says nothing.

    Raises:
        InputError: a name that is not in the gradient, a wrong shape, something that is no array of numbers.
    """
    names = names_of(model, wrt)
    given = {names[0]: direction} if isinstance(wrt, str) else direction
    if not isinstance(given, Mapping):
        raise InputError(f"direction is a {type(given).__name__}; expected a mapping with {', '.join(names)}")
    whole: Structure = {
        group: {name: np.zeros_like(v) for name, v in value.items()}
        if isinstance(value, dict)
        else np.zeros_like(value)
        for group, value in point(model, batch).items()
    }
    for group, value in given.items():
        if group not in names:
            raise InputError(f"direction has {group!r}, which is not in wrt: {nearest(str(group), names)}")
        if isinstance(whole[group], dict):
            if not isinstance(value, Mapping):
                raise InputError(
                    f"direction of {group} is a {type(value).__name__}; expected a mapping of arrays by name"
                )
            for name, array in value.items():
                if name not in whole[group]:
                    raise InputError(f"direction has no place for {name!r}: {nearest(str(name), whole[group], group)}")
                _put(whole[group][name], array, f"direction[{name!r}]")
        else:
            shown = np.swapaxes(whole[group], 0, 1) if batch.inputs.batch else whole[group]
            shown = shown[..., 0] if group in batch.bare else shown
            _put(shown, value, f"direction of {group}")
    for part in model.parts():
        for name, key in model.learned_starts(part).items():
            if part.prefix + name not in batch.initial:
                whole["initial"][part.prefix + name] += whole[group_of(model, key)][key]
    return whole


def _put(place: Array, value: Any, name: str) -> None:
    array = numbers(value, name, place.dtype)
    if array.shape != place.shape:
        raise InputError(f"{name} has shape {array.shape}; expected {place.shape}")
    place[...] = array
