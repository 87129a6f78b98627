"""The state of a random generator as what JSON can hold, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanolstm.errors import InputError
from nanolstm.language.initialisers import RandomSource


def state_of(rng: RandomSource) -> dict[str, Any]:
    """Where `rng` is: numbers, texts, lists and dicts."""
    state = rng.get_state(legacy=False) if isinstance(rng, np.random.RandomState) else rng.bit_generator.state
    plain: dict[str, Any] = _plain(state)
    return plain


def set_state(rng: RandomSource, state: dict[str, Any]) -> None:
    """Go on from where a generator of the same kind was.

    Raises:
        InputError: it was of another kind.
    """
    try:
        if isinstance(rng, np.random.RandomState):
            rng.set_state(state)
        else:
            rng.bit_generator.state = state
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"rng: the state is that of a {state.get('bit_generator')} generator, and rng is {rng!r} ({error})"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
