"""What an optimizer is: it changes a vector of parameters, given its gradient."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs
import numpy as np

from nanolstm import plugins
from nanolstm.errors import InputError
from nanolstm.language.functions import Array


@attrs.define(kw_only=True, eq=False, slots=False)
class Optimizer:
    """A way to change parameters by their gradient. Subclass it, and register the class under a name.

    ```python
    import attrs
    import numpy as np
    import nanolstm as nl

    @attrs.define(kw_only=True, eq=False, slots=False)
    class SignSGD(nl.Optimizer):
        \"\"\"Steps of one length, in the direction of the sign.\"\"\"

        lr: float = 0.001

        def update(self, values, gradient, rate):
            values -= rate * np.sign(gradient)

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
    nl.fit(model, (np.zeros((100, 2)), np.ones((100, 1))), optimizer=SignSGD(lr=0.01), epochs=3)
    ```

    Attributes:
        lr: the learning rate; a schedule multiplies it.
        keeps: the names of the arrays that are kept from step to step, each of the shape of the parameters.
        arrays: these, by name; zeros at the start of a training.
        steps: how many updates there were, the one that is being made included.
        full_batch: whether it sees all data at once and goes its own way: it then has `minimize` and no `update`.
        by_element: whether `update` changes each number by what belongs to that number alone. An ensemble then updates
            all of its members as one vector, and else one after the other.
    """

    full_batch: ClassVar[bool] = False
    by_element: ClassVar[bool] = False
    lr: float = 0.0
    arrays: dict[str, Array] = attrs.field(init=False, factory=dict, repr=False)
    steps: int = attrs.field(init=False, default=0, repr=False)

    @property
    def keeps(self) -> tuple[str, ...]:
        """The names of the arrays that are kept."""
        return ()

    def start(self, values: Array) -> None:
        """Forget everything, and be ready for parameters like `values`."""
        self.steps = 0
        self.arrays = {name: np.zeros_like(values) for name in self.keeps}

    def update(self, values: Array, gradient: Array, rate: float) -> None:
        """Change `values` in place. `gradient` may be overwritten; `rate` is what the schedule makes of `lr`."""
        raise NotImplementedError(f"{type(self).__name__} has no method update")

    def minimize(
        self,
        objective: Callable[[Array], tuple[float, Array]],
        start: Array,
        iterations: int,
        done: Callable[[Array, float], bool],
    ) -> str:
        """Go from `start` down, asking `objective` for (value, gradient), and say why it ended.

        `done(values, value)` is called after each iteration and answers whether to stop.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method minimize")

    def state(self) -> dict[str, Array]:
        """A copy of what is kept."""
        return {name: array.copy() for name, array in self.arrays.items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `state` answered with.

        Raises:
            InputError: it keeps other arrays.
        """
        if arrays.keys() != self.arrays.keys():
            raise InputError(
                f"resume: the optimizer kept {', '.join(arrays) or 'nothing'}, and {self!r} keeps "
                f"{', '.join(self.arrays) or 'nothing'}"
            )
        for name, array in arrays.items():
            self.arrays[name][...] = array


def optimizer(given: Any) -> Optimizer:
    """The optimizer that `name` or `name(key=value)` asks for; of one that is made already, a copy for this training.

    Raises:
        InputError: anything else.
        UnknownNameError: no plugin registered it.
    """
    made = plugins.made("optimizers", given) if isinstance(given, str) else given
    if not isinstance(made, Optimizer):
        raise InputError(
            f"optimizer={given!r}: expected a name, such as 'adam' or 'sgd(lr=0.1, momentum=0.9)', or an object of a "
            "subclass of nanolstm.Optimizer"
        )
    return copy.deepcopy(made)
