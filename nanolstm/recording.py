"""Every gate, state and local variable of a run, at every time step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm.errors import CellError, UnknownNameError, nearest
from nanolstm.language.functions import Array


@attrs.frozen(eq=False, repr=False)
class Recording(Mapping[str, Array]):
    """What a model did, by name: gates, then states (as `step` returned them), then the step's local variables.

    ```python
    import numpy as np
    import nanolstm as nl

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
    rec = model.record(np.zeros((100, 2)))
    rec["forget"].shape            # (100, 3); (B, 100, 3) for a batch
    rec.y.shape                    # (100, 1): the model's output
    ```

    A gate that is called several times in one step is `"v[0]"`, `"v[1]"`. Where a name means several things, the gate
    comes before the state and the state before the local variable. Beyond a sequence's length all is 0. The names of a
    stack bear the prefixes of `model.parameters`: `"0.forget"`, `"1.backward.h"`.

    Attributes:
        y: the output, (T, N) or (B, T, N).
        state: the last states by name, each (B,) + its shape (no B for a single sequence).
    """

    y: Array
    state: Mapping[str, Array]
    _values: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        try:
            return self._values[name]
        except KeyError:
            raise UnknownNameError(f"nothing recorded as {name!r}: {nearest(name, self._values)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Recording(y {self.y.shape}, {', '.join(f'{name} {v.shape}' for name, v in self._values.items())})"


class Tape:
    """Collects the values of one cell, step by step; `lay_out` joins them over time."""

    def __init__(self, cell: str) -> None:
        """`cell` is the name that errors bear."""
        self.cell = cell
        self.gates: list[list[tuple[str, Array]]] = []
        self.others: list[dict[str, Any]] = []

    def tell(self, name: str, value: Array) -> None:
        """Take down a gate's value in the step that is under way; a copy, since the step may go on to change it."""
        self.gates[-1].append((name, np.array(value)))

    def open(self) -> None:
        """Begin a step."""
        self.gates.append([])

    def close(self, states: Mapping[str, Array], found: Mapping[str, Any]) -> None:
        """End a step with the states that it returned and its local variables."""
        self.others.append({**states, **{name: v for name, v in found.items() if name not in states}})

    def lay_out(
        self, batch: tuple[int, ...], gate_shapes: list[tuple[int, ...]], local_shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, Array]:
        """All values by name, (T, *batch, ...); the shapes are those for one example.

        Raises:
            CellError: the step called other gates, or the same ones in another order, at different times.
        """
        calls = [name for name, _ in self.gates[0]]
        if any([name for name, _ in step] != calls for step in self.gates) or len(calls) != len(gate_shapes):
            raise CellError(f"{self.cell}.step calls different gates at different times, which cannot be recorded")
        laid: dict[str, Array] = {}
        for position, (name, shape) in enumerate(zip(calls, gate_shapes, strict=True)):
            label = name if calls.count(name) == 1 else f"{name}[{calls[:position].count(name)}]"
            laid[label] = np.stack([np.broadcast_to(step[position][1], (*batch, *shape)) for step in self.gates])
        for name, first in self.others[0].items():
            column: list[Any] = [step.get(name) for step in self.others]
            # A variable is per example where it has its shape for one example, after the batch.
            shape = (*batch, *local_shapes[name]) if name in local_shapes else np.shape(first)
            numeric = all(isinstance(v, np.ndarray | np.generic) and v.dtype.kind in "bif" for v in column)
            if name not in laid and numeric and all(v.shape in (shape, shape[len(batch) :]) for v in column):
                laid[name] = np.stack([np.broadcast_to(value, shape) for value in column])
        return laid
