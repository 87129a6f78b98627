"""The compiled kernels of a cell against the NumPy backend: batches of every kind, at the sizes that are checked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any, cast

import attrs
import numpy as np

from nanolstm.checking.bench import Values, flat_values
from nanolstm.checking.comparisons import EXACT, Comparison, Deviation, deviation
from nanolstm.language.cell import Cell
from nanolstm.sequence import Sequence

SINGLE = 1e-3
"""How far float32 may be from float64 after a few steps, relative to the largest value."""

LEAST = 1e-3
"""What smaller values are measured by: gradients that cancel out are all rounding."""


@attrs.define(eq=False, slots=False)
class KernelBench:
    """A cell in kernels and in NumPy, which runs in float64.

    Attributes:
        cell: the cell.
        time: the steps of a sequence.
        seed: of data.
    """

    cell: Cell
    time: int
    seed: int

    @cached_property
    def models(self) -> tuple[Sequence, Sequence]:
        """The compiled one, and the reference."""
        reference: Cell = attrs.evolve(cast("Any", self.cell), dtype="float64", rng=0)
        for ours, theirs in ((reference.parameters, self.cell.parameters), (reference.frozen, self.cell.frozen)):
            for name in ours:
                ours[name] = theirs[name].astype(np.float64)
        return Sequence(self.cell, backend="numba"), Sequence(reference, backend="numpy")

    @property
    def allowed(self) -> float:
        """The largest relative error."""
        return EXACT if self.cell.dtype == np.float64 else SINGLE

    def call(self, batch: int, *, uneven: bool) -> tuple[dict[str, Any], Any]:
        """The arguments of a call, and a target; `uneven`: with lengths and resets."""
        rng, cell, shape = np.random.default_rng([self.seed, batch]), self.cell, (batch, self.time)
        arguments: dict[str, Any] = {"x": rng.uniform(-1.0, 1.0, (*shape, cell.inputs))}
        arguments |= {n: rng.uniform(0.5, 1.5, (*shape, f.size)) for n, f in cell.anatomy.feeds.items()}
        target = rng.uniform(-1.0, 1.0, (*shape, cell.outputs))
        if uneven:
            arguments["lengths"] = self.time - (self.time - 1) * np.arange(batch) % self.time
            if cell.anatomy.states:
                arguments["resets"] = rng.uniform(size=shape) < 0.3
        return arguments, target

    def run(self, batch: int, *, uneven: bool) -> Iterator[Deviation]:
        """Output, last states, recorded values, loss and gradients."""
        arguments, target = self.call(batch, uneven=uneven)
        wrt = tuple(dict.fromkeys(["parameters", "x", *self.cell.anatomy.feeds]))
        found: list[Values] = []
        for model in self.models:
            values: Values = {}
            y, last = model(**arguments, return_state=True)
            values[("output", "")] = y
            values |= {("last", name): value for name, value in last.items()}
            recorded = model.record(**arguments)
            values |= {("recorded", name): np.asarray(recorded[name]) for name in recorded}
            # A training step runs in kernels that differ from those of gradients by everything.
            _, training = model.value_and_grad(target=target, loss="mse", **arguments)
            loss, gradients = model.value_and_grad(target=target, loss="mse", wrt=wrt, **arguments)
            values[("loss", "")] = np.asarray(loss)
            values |= {("in training, the gradient by", key): value for key, value in training.items()}
            values |= {("the gradient by", f"{group} {key}"): v for (group, key), v in flat_values(gradients).items()}
            found.append(values)
        for place, value in found[1].items():
            yield Deviation(" ".join(place).strip(), deviation(found[0][place].astype(value.dtype), value, LEAST))


def kernel_comparisons(cell: Cell, time: int, seed: int) -> Iterator[Comparison]:
    """One comparison for each kind of batch: one sequence, two, and one more than a vector of the processor holds."""
    from nanolstm.kernels.lanes import lanes

    bench = KernelBench(cell, time, seed)
    for batch in (1, 2, 1 + lanes(8 * cell.dtype.itemsize)):
        for uneven in (False, True) if batch > 1 else (False,):
            over = f"hidden {cell.hidden}, B = {batch}{' + lengths, resets' if uneven else ''}"
            yield Comparison("kernels", over, bench.allowed, partial(bench.run, batch, uneven=uneven))
