"""Cells whose memory is complex and turns by itself, each unit at its own speed; a complex number is two real ones."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from nanolstm.errors import CellError
from nanolstm.language.cell import Cell
from nanolstm.language.fields import param
from nanolstm.language.functions import Array, identity, layer_norm, sigmoid
from nanolstm.language.gate import Gate, gate
from nanolstm.language.initialisers import RandomSource, glorot, normal


def _scaled(parts: int) -> Any:
    """Normal numbers of variance 1 / (parts * fan in)."""
    return lambda rng, shape: rng.standard_normal(shape) / np.sqrt(parts * shape[-1])


def _on_a_ring(cell: Any, _field: Any, _value: float) -> None:
    if not (0 <= cell.r_min < cell.r_max <= 1 and cell.max_phase > 0):
        raise CellError(
            f"{type(cell).__name__}(r_min={cell.r_min!r}, r_max={cell.r_max!r}, max_phase={cell.max_phase!r}): "
            "eigenvalues start on a ring, 0 <= r_min < r_max <= 1, at angles from 0 to max_phase > 0 (in radians)"
        )


class LRU(Cell):
    """The linear recurrent unit of Orvieto et al. (2023): complex, diagonal and linear.

    With M inputs and outputs, K hidden units, h = re + i im (K), B (K, M), C (M, K), D (M), nu, theta and gamma (K):

        l = exp(-exp(nu) + i exp(theta))       (K)
        h = l * h + exp(gamma) * (B x)         (K)
        y = Re(C h) + D * x                    (M)

    B is "in_re.U" + i "in_im.U" and C is "out_re.W" + i "out_im.W"; nu, theta and gamma are logarithms. |l| stays below
    1 whatever training does. As in the paper the eigenvalues l start uniform on a ring in the complex plane, exp(gamma)
    at sqrt(1 - |l|^2), B and C normal with variances 1 / (2 M) and 1 / K, D standard normal. What the paper puts around
    it (normalisation, a nonlinear layer, a skip connection) is no part of the cell.

    Args:
        r_min: the inner radius of the ring; near 1 for long memories.
        r_max: its outer radius, up to 1.
        max_phase: the largest first angle of l, in radians; small for long memories.

    Returns:
        y (..., M); its states are `re` and `im`, each (..., K).

    Raises:
        CellError: no ring within the unit circle.

    Reference:
        Orvieto, A., Smith, S. L., Gu, A., Fernando, A., Gulcehre, C., Pascanu, R. and De, S. (2023). Resurrecting
        recurrent neural networks for long sequences. International Conference on Machine Learning.
    """

    r_min: float = 0.0
    r_max: float = 1.0
    max_phase: float = attrs.field(default=2 * np.pi, validator=_on_a_ring)
    nu: Array = param("hidden", 0.0)
    theta: Array = param("hidden", 0.0)
    gamma: Array = param("hidden", 0.0)
    in_re: Gate = gate(identity, W=None, bias=False, init=_scaled(2))
    in_im: Gate = gate(identity, W=None, bias=False, init=_scaled(2))
    out_re: Gate = gate(identity, size="inputs", U=None, W="re", bias=False, init=_scaled(1))
    out_im: Gate = gate(identity, size="inputs", U=None, W="im", bias=False, init=_scaled(1))
    D: Array = param("inputs", normal())

    def initialise(self, rng: RandomSource) -> None:
        """The eigenvalues, uniform on the ring, and the gain that goes with them."""
        squares = rng.uniform(self.r_min**2, self.r_max**2, self.hidden)
        self.nu[:] = np.log(-0.5 * np.log(squares))
        self.theta[:] = np.log(rng.uniform(0, self.max_phase, self.hidden))
        self.gamma[:] = 0.5 * np.log1p(-squares)

    def step(self, x: Array, re: Array, im: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), re (..., K), im (..., K)) to (y (..., M), re, im)."""
        size, angle, gain = np.exp(-np.exp(self.nu)), np.exp(self.theta), np.exp(self.gamma)
        a, b = size * np.cos(angle), size * np.sin(angle)
        re, im = a * re - b * im + gain * self.in_re(x), a * im + b * re + gain * self.in_im(x)
        return self.out_re(re) - self.out_im(im) + self.D * x, re, im


def silu(x: Array) -> Array:
    """The sigmoid of x times x, element by element."""
    return x * sigmoid(x)


def _rotary(_: Any, shape: tuple[int, ...]) -> Array:
    """Angles from 1 radian a step down to almost 1e-8, in a geometric series."""
    angles: Array = 10000.0 ** (-2 * np.arange(shape[0]) / shape[0])
    return angles


def _below_one(cell: Any, _: Any, bound: float) -> None:
    if not 0 <= bound < 1:
        raise CellError(
            f"{type(cell).__name__}(lower_bound={bound!r}): the forget gate lies between it and 1; give a number from "
            "0 to below 1"
        )


class HGRN(Cell):
    """The hierarchically gated recurrent unit of Qin, Yang and Zhong (2023), the recurrent part of their HGRN.

    With M inputs and outputs, K hidden units, h = re + i im (K), U (K, M), but U_o (2 K, M), R (M, 2 K), theta (K):

        m = sigmoid(U_m x + b_m)                                (K)
        l = lower_bound + (1 - lower_bound) * m                 (K)
        n = silu(U_re x + b_re) + i silu(U_im x + b_im)         (K)
        h = l * exp(i theta) * h + (1 - l) * n                  (K)
        o = silu(U_o x + b_o)                                   (2 K)
        y = R layer_norm(o * [re, im]) + b                      (M)

    m, n, o and R are the gates "forget", "in_re" and "in_im", "output", and "read". The paper learns the lower bounds
    of a stack together, rising from layer to layer, so that upper layers remember longer; a cell knows no others, so
    that its own is a number that you give: in a stack, say, 0, 0.5 and 0.9. The gain and shift of the paper's
    normalisation are part of R and b here. theta starts at 10000^(-2 k / K) for unit k from 0 on, as in its
    implementation; weights are drawn by Glorot's rule, biases start at 0.

    Args:
        lower_bound: below which no forget gate falls, from 0 to below 1.

    Returns:
        y (..., M); its states are `re` and `im`, each (..., K).

    Raises:
        CellError: a lower bound outside of [0, 1).

    Reference:
        Qin, Z., Yang, S. and Zhong, Y. (2023). Hierarchically gated recurrent neural network for sequence modeling.
        Advances in Neural Information Processing Systems 36.
    """

    lower_bound: float = attrs.field(default=0.0, validator=_below_one)
    theta: Array = param("hidden", _rotary)
    forget: Gate = gate(sigmoid, W=None, init=glorot())
    in_re: Gate = gate(silu, W=None, init=glorot())
    in_im: Gate = gate(silu, W=None, init=glorot())
    output: Gate = gate(silu, size="pairs", W=None, init=glorot())
    read: Gate = gate(identity, size="inputs", U=None, W="output", init=glorot())

    @property
    def pairs(self) -> int:
        """The width of real and imaginary parts side by side, 2 K."""
        return 2 * self.hidden

    def step(self, x: Array, re: Array, im: Array) -> tuple[Array, Array, Array]:
        """One time step: (x (..., M), re (..., K), im (..., K)) to (y (..., M), re, im)."""
        keep = self.lower_bound + (1 - self.lower_bound) * self.forget(x)
        cos, sin = keep * np.cos(self.theta), keep * np.sin(self.theta)
        re, im = cos * re - sin * im + (1 - keep) * self.in_re(x), cos * im + sin * re + (1 - keep) * self.in_im(x)
        y = self.read(layer_norm(self.output(x) * np.concatenate([re, im], axis=-1)))
        return y, re, im
