"""The state of a random generator as what JSON can hold, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanolstm.errors import InputError
from nanolstm.language.initialisers import RandomSource


def state_of(rng: RandomSource) -> dict[str, Any]:
    """Where `rng` is: numbers, texts, lists and dicts."""
    state = rng.get_state(legacy=False) if isinstance(rng, np.random.RandomState) else rng.bit_generator.state
    return {"kind": type(rng).__name__, **_plain(state)}


def kind_of(rng: RandomSource) -> str:
    """What `rng` is, in words: a state of one kind means nothing to another."""
    state = state_of(rng)
    return f"{state['kind']} of {state['bit_generator']}"


def set_state(rng: RandomSource, state: dict[str, Any]) -> None:
    """Go on from where a generator of the same kind was.

    Raises:
        InputError: it was of another kind.
    """
    own = state_of(rng)
    if any(state.get(key) != own[key] for key in ("kind", "bit_generator")):
        raise InputError(f"resume: rng was a {state.get('kind')} of {state.get('bit_generator')}, and is {rng!r}")
    inner = {key: value for key, value in state.items() if key != "kind"}
    if isinstance(rng, np.random.RandomState):
        rng.set_state(inner)
    else:
        rng.bit_generator.state = inner


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
