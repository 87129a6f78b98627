"""Optimizers that take one step for each gradient, with the equations and the defaults of PyTorch.

Each works in place on the whole vector of parameters, with one array of its own for what is in between.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from nanolstm import Optimizer
from nanolstm.errors import InputError
from nanolstm_training.limits import between

Array: TypeAlias = npt.NDArray[np.floating[Any]]


@attrs.define(kw_only=True, eq=False, slots=False)
class _Stepping(Optimizer):
    """What they share: an array for what is in between, and weight decay as a part of the gradient."""

    by_element: ClassVar[bool] = True
    weight_decay: float = attrs.field(default=0.0, validator=between(0.0))
    _between: Array = attrs.field(init=False, repr=False, factory=lambda: np.empty(0))

    def start(self, values: Array) -> None:
        super().start(values)
        self._between = np.empty_like(values)

    def _decay(self, values: Array, gradient: Array) -> None:
        """The gradient of `weight_decay / 2` times the sum of squares."""
        if self.weight_decay:
            np.multiply(values, self.weight_decay, out=self._between)
            gradient += self._between


@attrs.define(kw_only=True, eq=False, slots=False)
class SGD(_Stepping):
    """Gradient descent, with momentum and Nesterov's momentum.

    With `v` the velocity, `v = momentum * v + (1 - dampening) * gradient` (at the first step `v = gradient`) and
    `values -= lr * v`, or with `nesterov` `values -= lr * (gradient + momentum * v)`.

    Source: Sutskever et al. (2013), On the importance of initialization and momentum in deep learning, in the form of
    `torch.optim.SGD`.
    """

    lr: float = attrs.field(default=0.01, validator=between(0.0, open_low=True))
    momentum: float = attrs.field(default=0.0, validator=between(0.0))
    dampening: float = attrs.field(default=0.0, validator=between(0.0))
    nesterov: bool = False

    def __attrs_post_init__(self) -> None:
        if self.nesterov and (not self.momentum or self.dampening):
            raise InputError("sgd(nesterov=True) needs a momentum, and no dampening: sgd(momentum=0.9, nesterov=True)")

    @property
    def keeps(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(self, values: Array, gradient: Array, rate: float) -> None:
        self._decay(values, gradient)
        step = gradient
        if self.momentum:
            velocity = self.arrays["velocity"]
            if self.steps == 1:
                velocity[...] = gradient
            else:
                velocity *= self.momentum
                np.multiply(gradient, 1 - self.dampening, out=self._between)
                velocity += self._between
            step = velocity
            if self.nesterov:
                step = np.multiply(velocity, self.momentum, out=self._between)
                step += gradient
        np.multiply(step, rate, out=self._between)
        values -= self._between


@attrs.define(kw_only=True, eq=False, slots=False)
class Adam(_Stepping):
    """Adam: running means of the gradient and of its square, corrected for their start at 0.

    `values -= lr * mean / (sqrt(square) + eps)`. Weight decay is a part of the gradient; see `AdamW` for the other way.

    Source: Kingma & Ba (2015), Adam: A Method for Stochastic Optimization, algorithm 1.
    """

    lr: float = attrs.field(default=0.001, validator=between(0.0, open_low=True))
    betas: tuple[float, float] = attrs.field(default=(0.9, 0.999), converter=tuple, validator=between(0.0, 1.0))
    eps: float = attrs.field(default=1e-8, validator=between(0.0))

    @property
    def keeps(self) -> tuple[str, ...]:
        return ("mean", "square")

    def update(self, values: Array, gradient: Array, rate: float) -> None:
        self._decay(values, gradient)
        self._adam(values, gradient, rate)

    def _adam(self, values: Array, gradient: Array, rate: float) -> None:
        mean, square, work = self.arrays["mean"], self.arrays["square"], self._between
        one, two = self.betas
        np.subtract(gradient, mean, out=work)
        work *= 1 - one
        mean += work
        square *= two
        np.multiply(gradient, gradient, out=work)
        work *= 1 - two
        square += work
        np.sqrt(square, out=work)
        work /= math.sqrt(1 - two**self.steps)
        work += self.eps
        np.divide(mean, work, out=work)
        work *= rate / (1 - one**self.steps)
        values -= work


@attrs.define(kw_only=True, eq=False, slots=False)
class AdamW(Adam):
    """Adam with weight decay beside the gradient: `values -= lr * weight_decay * values` before each step.

    Source: Loshchilov & Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2.
    """

    weight_decay: float = attrs.field(default=0.01, validator=between(0.0))

    def update(self, values: Array, gradient: Array, rate: float) -> None:
        values *= 1 - rate * self.weight_decay
        self._adam(values, gradient, rate)


@attrs.define(kw_only=True, eq=False, slots=False)
class RMSprop(_Stepping):
    """RMSprop: the gradient over the root of the running mean of its square.

    With `centered` the square of the running mean is taken off that of the squares; `momentum` as in `SGD`.

    Source: Hinton, lecture 6e of Neural Networks for Machine Learning (2012); `centered` is of Graves (2013),
    Generating Sequences With Recurrent Neural Networks, equations 38 to 45, in the form of `torch.optim.RMSprop`.
    """

    lr: float = attrs.field(default=0.01, validator=between(0.0, open_low=True))
    alpha: float = attrs.field(default=0.99, validator=between(0.0, 1.0))
    eps: float = attrs.field(default=1e-8, validator=between(0.0))
    momentum: float = attrs.field(default=0.0, validator=between(0.0))
    centered: bool = False

    @property
    def keeps(self) -> tuple[str, ...]:
        return ("square", *(("mean",) if self.centered else ()), *(("velocity",) if self.momentum else ()))

    def update(self, values: Array, gradient: Array, rate: float) -> None:
        self._decay(values, gradient)
        square, work = self.arrays["square"], self._between
        square *= self.alpha
        np.multiply(gradient, gradient, out=work)
        work *= 1 - self.alpha
        square += work
        if self.centered:
            mean = self.arrays["mean"]
            np.subtract(gradient, mean, out=work)
            work *= 1 - self.alpha
            mean += work
            np.multiply(mean, mean, out=work)
            np.subtract(square, work, out=work)
            np.sqrt(work, out=work)
        else:
            np.sqrt(square, out=work)
        work += self.eps
        np.divide(gradient, work, out=work)
        if self.momentum:
            velocity = self.arrays["velocity"]
            velocity *= self.momentum
            velocity += work
            np.multiply(velocity, rate, out=work)
        else:
            work *= rate
        values -= work
