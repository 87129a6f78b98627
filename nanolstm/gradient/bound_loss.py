"""A loss whose kernels are bound to the arrays of a model's, and run with them while these are in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanolstm.compile.backend import chosen
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
        self.target = np.zeros((len(prediction), halves.columns), dtype)
        self._count = np.ones(each, dtype)
        self._sums = {name: np.ones((*each, *node.shape), dtype) for name, node in halves.sums.items()}
        given = {"prediction": prediction, "target": self.target}
        more = {"count": self._count, "d loss": np.ones(each, dtype)}
        assert isinstance(halves.add, Kernel)
        assert isinstance(halves.spread, Kernel)
        self.add = Bound(halves.add, steps, dtype, given, memory)
        self.spread = Bound(halves.spread, steps, dtype, {**given, **more, **self._sums}, memory)

    @property
    def cotangent(self) -> Array:
        """The derivative of the loss by the prediction, of all rows."""
        return self.spread.rows["d prediction"]

    def value(self, rows: int) -> Array:
        """The loss (of each model), from what was added up over so many rows; then `spread` may run."""
        self._count[...] = rows
        for name, found in self.add.sums().items():
            self._sums[name][...] = found
        with np.errstate(all="ignore"):  # what is not finite is looked for in the results
            self.spread.prepare()
            value: Array = self.spread.sums()["loss"]
        return value


def halves_of(model: Model, function: Loss) -> Halves | None:
    """The loss of the output of `model` in kernels, if there are any."""
    if chosen(model.backend) == "numpy":
        return None
    try:
        programs = programs_of_loss(function, model.outputs, model.dtype)
        return programs.halves(Variant(wrt=BY_PREDICTION, kernel=model.dtype.name))
    except KernelError:  # NumPy does it, which costs less than it does for a cell
        return None
