"""What a run says of its model: how often gates are shut or open, and how far back the output reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm.errors import InputError
from nanolstm.language.functions import Array, sigmoid, softmax
from nanolstm.recording import Recording
from nanolstm.sequence import Sequence

BOUNDS = {sigmoid: (0.0, 1.0), softmax: (0.0, 1.0), np.tanh: (-1.0, 1.0)}
"""The activations that saturate, and between what."""

_NEAR = 0.1
"""How near to a bound a value is saturated, as Karpathy, Johnson and Li (2015) count it for gates from 0 to 1."""

_ENDS = 8
_DIRECTIONS = 8
_ROWS = 64
"""Sequences that are run back at once: more would not be faster, and take memory."""


def gate_names(model: Sequence, recording: Recording) -> list[str]:
    """The names in `recording` that are gates of `model`, in its order; one that is called twice is there twice."""
    known = {part.prefix + name for part in model.parts() for name in part.cell.anatomy.gates}
    return [name for name in recording if name.partition("[")[0] in known]


@attrs.frozen(eq=False)
class Saturation:
    """How a gate's units spend their time.

    Attributes:
        low: the value up to which a unit counts as shut.
        high: the value from which on it counts as open.
        shut: the share of all steps, for each unit.
        open: the same.
    """

    low: float
    high: float
    shut: Array
    open: Array


def saturation(model: Sequence, recording: Recording, lengths: Any = None) -> dict[str, Saturation]:
    """How much of the time each unit of each gate is saturated: Karpathy, Johnson and Li (2015), section 4.3.

    A gate from 0 to 1 is shut below 0.1 and open above 0.9, one from -1 to 1 below -0.9 and above 0.9. Gates whose
    activation has no bounds are left out.

    Args:
        model: what was run.
        recording: what `model.record` answered with.
        lengths: those that it was called with: what lies beyond a sequence's length does not count.

    Raises:
        InputError: lengths that do not fit.
    """
    steps, batched = recording.y.shape[-2], recording.y.ndim == 3
    valid = np.ones(recording.y.shape[:-1], bool)
    if lengths is not None:
        if not batched or np.shape(lengths) != recording.y.shape[:1]:
            raise InputError(f"lengths of shape {np.shape(lengths)}; the recording is of y {recording.y.shape}")
        valid = np.arange(steps) < np.asarray(lengths)[:, None]
    activations = {
        part.prefix + n: gate.activation for part in model.parts() for n, gate in part.cell.anatomy.gates.items()
    }
    found = {}
    for name in gate_names(model, recording):
        bounds = BOUNDS.get(activations[name.partition("[")[0]])
        if bounds is not None:
            low, high = bounds[0] + _NEAR, bounds[1] - _NEAR
            values = recording[name][valid]
            found[name] = Saturation(low, high, (values < low).mean(axis=0), (values > high).mean(axis=0))
    return found


@attrs.frozen(eq=False)
class LagGradient:
    """How strongly the output depends on inputs so many steps before it.

    Attributes:
        lag: 0, 1, 2, ... steps.
        norm: the median, over sequences and steps, of the norm of the derivative of y at a step by x at the step `lag`
            before it.
        lower: the tenth of these norms that is smallest ends here.
        upper: and the largest begins here.
    """

    lag: Array
    norm: Array
    lower: Array
    upper: Array

    def within(self, share: float) -> int:
        """The smallest lag up to which `share` of the sum of all norms lies."""
        total = np.cumsum(self.norm)
        return int(np.searchsorted(total, share * total[-1])) if total[-1] > 0 else 0


def gradient_by_lag(model: Sequence, x: Any, *, lags: int | None = None, **feeds: Any) -> LagGradient:
    """The norm of the derivative of y at step t by x at step t - k, for each lag k: how far back the model learns.

    What an output does not depend on, no training can make it depend on by its gradient. The derivatives are exact;
    they are taken from eight steps of the second half of each sequence. An output of more than eight numbers is seen
    in eight random directions, whose mean square is that of all (Hutchinson 1990).

    Args:
        model: a model that runs forward only.
        x: (T, M) or (B, T, M).
        lags: how far back to look; half of T where None.
        feeds: as for calling the model.

    Raises:
        InputError: a bidirectional model, for which there is no "back"; sequences that are too short; what a call would
            refuse.
    """
    if model.bidirectional:
        raise InputError("gradient_by_lag: the model runs in both directions, so its output reaches to both ends")
    x = np.asarray(x, model.dtype)
    given = x if x.ndim == 3 else x[None]
    steps = given.shape[1] if given.ndim == 3 else 0
    lags = steps // 2 if lags is None else lags
    if not 1 <= lags < steps:
        raise InputError(
            f"gradient_by_lag(lags={lags}): expected x (T, M) or (B, T, M) and 1 <= lags < T; x is {x.shape}"
        )
    ends = np.unique(np.linspace(max(lags, steps // 2), steps - 1, _ENDS).astype(int))
    wide = {name: np.asarray(value) for name, value in feeds.items()}
    if x.ndim == 2:
        wide = {name: value[None] if value.ndim else value for name, value in wide.items()}
    squares = _squares(model, given, ends, wide)
    # (B, ends, lag), from the end of each backward
    back = np.stack([squares[:, e, end - lags : end + 1][:, ::-1] for e, end in enumerate(ends)], axis=1)
    norms = np.sqrt(back).reshape(-1, lags + 1)
    lower, middle, upper = np.quantile(norms, [0.1, 0.5, 0.9], axis=0)
    return LagGradient(np.arange(lags + 1), middle, lower, upper)


def _squares(model: Sequence, x: Array, ends: Array, feeds: Mapping[str, Array]) -> Array:
    """The squared norm of the derivative of y at each of `ends` by x at each step, (B, ends, T)."""
    count, steps, _ = x.shape
    width = model.outputs
    exact = width <= _DIRECTIONS
    draws = np.random.default_rng(0).choice([-1.0, 1.0], (_DIRECTIONS, width)) / _DIRECTIONS**0.5
    directions = np.eye(width) if exact else draws
    # A row for each sequence, end and direction: a loss that is a direction's product with y derives just that.
    rows = [(b, e, d) for b in range(count) for e in range(len(ends)) for d in range(len(directions))]
    found = np.zeros((count, len(ends), steps))
    for begin in range(0, len(rows), _ROWS):
        b, e, d = np.array(rows[begin : begin + _ROWS]).T
        target = np.zeros((len(b), steps, width), model.dtype)
        target[np.arange(len(b)), ends[e]] = directions[d]
        given: dict[str, Any] = {name: value if value.ndim == 0 else value[b] for name, value in feeds.items()}
        _, grads = model.value_and_grad(x[b], target, loss=_product, wrt="x", **given)
        np.add.at(found, (b, e), (grads.astype(float) ** 2).sum(axis=-1))
    return found


def _product(prediction: Array, target: Array) -> Any:
    return np.sum(prediction * target)
