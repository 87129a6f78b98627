"""L-BFGS through SciPy: for models of some hundred parameters and data that fits into one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from nanolstm import Optimizer
from nanolstm_training.limits import between, count

Array: TypeAlias = npt.NDArray[np.floating[Any]]


@attrs.define(kw_only=True, eq=False, slots=False)
class LBFGS(Optimizer):
    """Limited-memory BFGS with a line search: no learning rate, and few iterations to a minimum.

    It sees all data at once. An iteration is an epoch, and may ask for the gradient more than once. Every gradient is
    remembered, as that is all that SciPy's search depends on: a training that is resumed goes through those that are
    known without computing them again, and on with the same bits.

    Args:
        memory: how many steps the curvature is estimated from.
        ftol: end where an iteration makes the loss smaller by less than this share of it.
        gtol: end where no number of the gradient is larger.

    Source: Byrd, Lu, Nocedal & Zhu (1995), A Limited Memory Algorithm for Bound Constrained Optimization, in
    `scipy.optimize.minimize(method="L-BFGS-B")`.
    """

    full_batch: ClassVar[bool] = True
    lr: float = attrs.field(init=False, default=1.0, repr=False)
    memory: int = attrs.field(default=10, validator=count)
    ftol: float = attrs.field(default=1e-12, validator=between(0.0))
    gtol: float = attrs.field(default=1e-8, validator=between(0.0))
    _first: Array | None = attrs.field(init=False, default=None, repr=False)
    _values: list[float] = attrs.field(init=False, factory=list, repr=False)
    _gradients: list[Array] = attrs.field(init=False, factory=list, repr=False)
    _iterations: int = attrs.field(init=False, default=0, repr=False)

    def start(self, values: Array) -> None:
        super().start(values)
        self._first, self._values, self._gradients, self._iterations = None, [], [], 0

    def minimize(
        self,
        objective: Callable[[Array], tuple[float, Array]],
        start: Array,
        iterations: int,
        done: Callable[[Array, float], bool],
    ) -> str:
        from scipy.optimize import OptimizeResult, minimize

        if self._first is None:
            self._first = start.copy()
        asked = passed = 0
        known, behind = len(self._values), self._iterations

        def ask(values: Array) -> tuple[float, Array]:
            nonlocal asked
            asked += 1
            if asked > known:
                value, gradient = objective(values)
                self._values.append(value)
                self._gradients.append(gradient)
            return self._values[asked - 1], self._gradients[asked - 1].copy()

        def after(intermediate_result: OptimizeResult) -> None:  # SciPy looks at the name of the argument
            nonlocal passed
            passed += 1
            if passed > behind:
                self._iterations = passed
                if done(intermediate_result.x, float(intermediate_result.fun)):
                    raise StopIteration

        found = minimize(
            ask,
            self._first,
            jac=True,
            method="L-BFGS-B",
            callback=after,
            options={
                "maxiter": iterations,
                "maxfun": 100 * iterations + 1000,
                "maxcor": self.memory,
                "ftol": self.ftol,
                "gtol": self.gtol,
            },
        )
        return f"L-BFGS says: {' '.join(str(found.message).split()).lower()}"

    def state(self) -> dict[str, Array]:
        if self._first is None:
            return {}
        return {
            "first": self._first.copy(),
            "values": np.array(self._values),
            "gradients": np.array(self._gradients).reshape(-1, self._first.size),
            "iterations": np.array(self._iterations),
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        if arrays:
            self._first = np.array(arrays["first"])
            self._values, self._gradients = arrays["values"].tolist(), list(arrays["gradients"])
            self._iterations = int(arrays["iterations"])
