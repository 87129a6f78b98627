"""A loss whose kernels are bound to the arrays of a model's, and run with them while these are in the cache."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.compile.memory import Memory
from nanolstm.compile.programs import Halves, Variant
from nanolstm.compile.steps import Steps
from nanolstm.errors import KernelError
from nanolstm.language.functions import Array
from nanolstm.losses import Loss
from nanolstm.traced import programs_of_loss

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence as Model

BY_PREDICTION = frozenset({"prediction"})


class BoundLoss:
    """What a loss adds up over the rows, and what it gives each row to carry back; of one model, or of several.

    Attributes:
        target: of all rows, to be filled.
        add: runs after the model has run ahead.
        spread: runs before it runs back.
    """

    def __init__(self, halves: Halves, prediction: Array, steps: Steps, memory: Memory) -> None:
        """Of a prediction of all rows, which are those of `steps`."""
        from nanolstm.compile.kernel import Bound, Kernel

        dtype, each = prediction.dtype, () if steps.members is None else (steps.members,)
        self.target = memory.take((len(prediction), halves.columns), dtype)
        self._memory = memory
        self._count, self._rows = np.ones(each, dtype), 1
        given = {"prediction": prediction, "target": self.target}
        more = {"count": self._count, "d loss": np.ones(each, dtype)}
        assert isinstance(halves.add, Kernel)
        assert isinstance(halves.spread, Kernel)
        self.add = Bound(halves.add, steps, dtype, given, memory)
        with np.errstate(all="ignore"):  # nothing has been added up yet
            sums = self.add.sums()
            # Read where they stand, or copied there.
            self._sums = {} if self.add.stay else {name: np.array(value) for name, value in sums.items()}
            self.spread = Bound(halves.spread, steps, dtype, {**given, **more, **sums, **self._sums}, memory)
        self._spreads_sums = not halves.sums.keys().isdisjoint(halves.spread.source.prepared)

    @property
    def cotangent(self) -> Array:
        """The derivative of the loss by the prediction, of all rows."""
        return self.spread.rows["d prediction"]

    @np.errstate(all="ignore")  # what is not finite is looked for in the results
    def value(self, rows: int) -> Array:
        """The loss (of each model), from what was added up over so many rows; then `spread` may run."""
        if self._sums:
            for name, found in self.add.sums().items():
                self._sums[name][...] = found
        if self._spreads_sums or rows != self._rows or self._memory.guarded:
            self._count[...] = self._rows = rows
            self.spread.prepare()
        value: Array = self.spread.sums()["loss"]
        return value


def halves_of(model: Model, function: Loss) -> Halves | None:
    """The loss of the output of `model`, which runs in kernels, in kernels too, if there are any."""
    try:
        return programs_of_loss(function, model.outputs, model.dtype).halves(_in_kernels(model.dtype))
    except KernelError:  # NumPy does it, which costs less than it does for a cell
        return None


@cache
def _in_kernels(dtype: np.dtype[Any]) -> Variant:
    return Variant(wrt=BY_PREDICTION, kernel=dtype.name)
