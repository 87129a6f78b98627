"""First values of parameters: what `gate(init=...)` and `param(shape, init)` accept.

An initialiser is a number, an array, or a function of (rng, shape), where `rng` is a `numpy.random.Generator` or a
`RandomState`: only methods that both have are used here, so that either serves. Shapes are (size, width) for a dense
weight, (heads, size / heads, width / heads) for a block-diagonal one, (size,) for a diagonal one or a bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from nanolstm.errors import InputError
from nanolstm.language.functions import Array

RandomSource: TypeAlias = np.random.Generator | np.random.RandomState
Initialiser: TypeAlias = float | Array | Callable[[RandomSource, tuple[int, ...]], Any]


def random_source(rng: int | RandomSource | None) -> RandomSource:
    """The generator that `rng` names: a seed, a generator that is used as it is, or None for a new one.

    A `RandomState` is never passed through `default_rng`: its numbers would change.

    Raises:
        InputError: `rng` is anything else.
    """
    if isinstance(rng, np.random.Generator | np.random.RandomState):
        return rng
    if rng is None or (isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0):
        return np.random.default_rng(rng)
    raise InputError(
        f"rng={rng!r}: expected a seed (an int from 0 on), a numpy.random.Generator, a numpy.random.RandomState, or "
        "None for numbers that differ from run to run"
    )


def normal(std: float = 1.0) -> Initialiser:
    """Normal numbers of mean 0. `normal()` is the default of every weight, as in the notebook."""
    return lambda rng, shape: std * rng.standard_normal(shape)


def uniform(low: float, high: float) -> Initialiser:
    """Uniform numbers from `low` to `high`."""
    return lambda rng, shape: rng.uniform(low, high, shape)


def glorot() -> Initialiser:
    """Uniform numbers within sqrt(6 / (fan_in + fan_out)): Glorot and Bengio (2010), equation 16.

    A unit of a diagonal weight has one input and one output.
    """

    def draw(rng: RandomSource, shape: tuple[int, ...]) -> Any:
        fans = shape[-1] + shape[-2] if len(shape) > 1 else 2
        limit = np.sqrt(6.0 / fans)
        return rng.uniform(-limit, limit, shape)

    return draw


def orthogonal(gain: float = 1.0) -> Initialiser:
    """Orthogonal rows or columns, whichever are fewer, times `gain`: Saxe, McClelland and Ganguli (2014).

    Each head of a block-diagonal weight is drawn by itself.

    Raises:
        InputError: when drawn for a shape of one axis, which has no such thing.
    """

    def draw(rng: RandomSource, shape: tuple[int, ...]) -> Any:
        if len(shape) < 2:
            raise InputError(f"orthogonal(): a parameter of shape {shape} has no rows and columns; use normal()")
        *heads, rows, columns = shape
        tall = rng.standard_normal((*heads, max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        # Without the signs of R's diagonal the matrices would not be uniform over the orthogonal group.
        q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
        return gain * (q if rows >= columns else np.swapaxes(q, -1, -2))

    return draw


def zeros() -> Initialiser:
    """All 0."""
    return 0.0


def constant(value: float | Array) -> Initialiser:
    """All `value`, or an array of the parameter's shape."""
    return value


def forget_bias(value: float = 1.0, weights: Initialiser | None = None) -> Mapping[str, Initialiser]:
    """A gate that starts open: its bias is `value`, its weights are drawn from `weights` (the default where None).

    Gers, Schmidhuber and Cummins (2000) and Jozefowicz, Zaremba and Sutskever (2015), section 3.3, advise 1 for a
    forget gate, so that memory lasts from the start of training.

    ```python
    import nanolstm as nl
    from nanolstm import Gate, gate, sigmoid

    class Remembering(nl.cells.ToyLSTM):
        forget: Gate = gate(sigmoid, init=nl.forget_bias(1.0))
    ```
    """
    return {"b": value} if weights is None else {"*": weights, "b": value}


def first_values(init: Initialiser, rng: RandomSource, shape: tuple[int, ...], key: str) -> Array:
    """The first values of the parameter `key`.

    Raises:
        InputError: `init` is no initialiser, or yields another shape.
    """
    if isinstance(init, str) or init is None:
        raise InputError(
            f"{key}: init={init!r} is no initialiser; give a number, an array or a function of (rng, shape), for "
            "example nl.glorot()"
        )
    values = np.asarray(init(rng, shape) if callable(init) else init)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{key}: its initialiser yields {values.dtype}; expected real numbers of shape {shape}")
    if values.shape not in ((), shape):
        raise InputError(f"{key}: its initialiser yields shape {values.shape}, and the parameter is {shape}")
    return np.broadcast_to(values, shape)
