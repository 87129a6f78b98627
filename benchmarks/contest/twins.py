"""The same cells for PyTorch and JAX, each written once, as one would write it for speed.

The weights of all gates are stacked, so that a step has one product; what does not depend on the state is computed by
`before` for all steps at once. `xp` is what differs between the two libraries: see `opponents/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm import Array


@attrs.frozen
class Twin:
    """A cell in another library.

    Args:
        rows: which of our parameters are stacked, one under the other, in each of the twin's.
        before: (xp, parameters, x (T, B, M)) to (z (T, B, ...), what else is the same for all steps).
        step: (xp, that, z of one step, states) to (the output, the states).
        states: how many there are, each (B, H) and 0 at first.
    """

    rows: Mapping[str, tuple[str, ...]]
    before: Callable[..., tuple[Any, Any]]
    step: Callable[..., tuple[Any, ...]]
    states: int

    def stack(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """Our parameters as the twin's."""
        return {name: np.concatenate([parameters[key] for key in keys]) for name, keys in self.rows.items()}

    def unstack(self, stacked: Mapping[str, Array], parameters: Mapping[str, Array]) -> dict[str, Array]:
        """The twin's gradients under our names."""
        parts: dict[str, Array] = {}
        for name, keys in self.rows.items():
            ends = np.cumsum([len(parameters[key]) for key in keys])[:-1]
            parts |= dict(zip(keys, np.split(np.asarray(stacked[name]), ends), strict=True))
        return parts


def rows(weights: str, *gates: str) -> dict[str, tuple[str, ...]]:
    """Each weight of all gates, stacked."""
    return {weight: tuple(f"{name}.{weight}" for name in gates) for weight in weights}


GATES = ("input", "forget", "output", "new")


def projected(_xp: Any, p: Any, x: Any) -> tuple[Any, Any]:
    return x @ p["U"].T + p["b"], p["W"].T


def lstm(xp: Any, W: Any, z: Any, h: Any, c: Any) -> tuple[Any, ...]:
    i, f, o, g = xp.split(xp.affine(z, h, W), 4)
    c = xp.sigmoid(f) * c + xp.sigmoid(i) * xp.tanh(g)
    h = xp.sigmoid(o) * xp.tanh(c)
    return h, h, c


def before_gru(_xp: Any, p: Any, x: Any) -> tuple[Any, Any]:
    H = p["U"].shape[0] // 3
    return x @ p["U"].T + p["b"], (p["W"][: 2 * H].T, p["W"][2 * H :].T)


def gru(xp: Any, W: Any, a: Any, h: Any) -> tuple[Any, ...]:
    H = h.shape[-1]
    z, r = xp.split(xp.sigmoid(xp.affine(a[:, : 2 * H], h, W[0])), 2)
    h = (1 - z) * h + z * xp.tanh(xp.affine(a[:, 2 * H :], r * h, W[1]))
    return h, h


def before_peephole(xp: Any, p: Any, x: Any) -> tuple[Any, Any]:
    return x @ p["U"].T + p["b"], (p["W"].T, *xp.split(p["P"], 3))


def peephole(xp: Any, fixed: Any, z: Any, h: Any, c: Any) -> tuple[Any, ...]:
    W, to_input, to_forget, to_output = fixed
    i, f, o, g = xp.split(xp.affine(z, h, W), 4)
    c = xp.sigmoid(f + to_forget * c) * c + xp.sigmoid(i + to_input * c) * xp.tanh(g)
    h = xp.sigmoid(o + to_output * c) * xp.tanh(c)
    return h, h, c


def before_layer_norm(_xp: Any, p: Any, x: Any) -> tuple[Any, Any]:
    return x @ p["U"].T, (p["W"].T, p["gain"].reshape(4, -1), p["b"].reshape(4, -1))


def layer_norm(xp: Any, fixed: Any, z: Any, h: Any, c: Any) -> tuple[Any, ...]:
    W, gain, b = fixed
    normed = xp.layer_norm(xp.affine(z, h, W).reshape(h.shape[0], 4, -1)) * gain + b
    i, f, o, g = normed[:, 0], normed[:, 1], normed[:, 2], normed[:, 3]
    c = xp.sigmoid(f) * c + xp.sigmoid(i) * xp.tanh(g)
    h = xp.sigmoid(o) * xp.tanh(c)
    return h, h, c


def before_toy(xp: Any, p: Any, x: Any) -> tuple[Any, Any]:
    z, biased = x @ p["U"].T, p["b"].shape[0]
    return xp.join([z[..., :biased] + p["b"], z[..., biased:]]), p["W"].T


def toy(xp: Any, W: Any, z: Any, h: Any, c: Any) -> tuple[Any, ...]:
    H = h.shape[-1]
    z = xp.affine(z, h, W)
    i, f, o = xp.sigmoid(z[:, :H]), xp.sigmoid(z[:, H : 2 * H]), xp.sigmoid(z[:, 2 * H : 2 * H + 1])
    c = xp.tanh(f * c + i * xp.tanh(z[:, 2 * H + 1 :]))
    return o, o * c, c


def before_leaky(xp: Any, p: Any, x: Any) -> tuple[Any, Any]:
    a = xp.sigmoid(p["decay"])
    return (1 - a) * xp.tanh(x @ p["U"].T + p["b"]), a


def leaky(_xp: Any, a: Any, z: Any, h: Any) -> tuple[Any, ...]:
    h = a * h + z
    return h, h


TWINS: dict[str, Twin] = {
    "LSTM": Twin(rows("UWb", *GATES), projected, lstm, 2),
    "GRU v1": Twin(rows("UWb", "update", "reset", "new"), before_gru, gru, 1),
    "peephole LSTM": Twin(rows("UWb", *GATES) | rows("P", *GATES[:3]), before_peephole, peephole, 2),
    "layer-norm LSTM": Twin(
        rows("UWb", *GATES) | {"gain": tuple(f"{name}.gain" for name in GATES)}, before_layer_norm, layer_norm, 2
    ),
    "toy LSTM": Twin(rows("UW", *GATES) | rows("b", *GATES[:3]), before_toy, toy, 2),
    "diagonal": Twin(rows("Ub", "new") | {"decay": ("decay",)}, before_leaky, leaky, 1),
}
"""By the names of `cells.CELLS`."""
