"""A model whose kernels are bound to arrays: for calls that bring nothing but x, again and again in one shape.

A training step of a tiny model takes less time than the bookkeeping of a run. So all of that is done once for a shape:
which programs, which arrays, in which order. What is left for a call is to copy x, to run the kernels, and to take the
answers out. A bound model belongs to one call at a time; two threads that call one model have one each.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs
import numpy as np

from nanolstm.compile.backend import chosen
from nanolstm.compile.memory import Memory
from nanolstm.compile.programs import Programs
from nanolstm.compile.steps import Steps
from nanolstm.gradient.batch import Batch
from nanolstm.gradient.part import PartRun, cotangent
from nanolstm.gradient.run import start
from nanolstm.kernels.threads import get_num_threads
from nanolstm.language.functions import Array
from nanolstm.traced import programs_of

if TYPE_CHECKING:
    from nanolstm.compile.kernel import Bound
    from nanolstm.sequence import Part, Sequence

_SHAPES, _EACH = 8, 2
"""For how many shapes of calls models are kept, and how many of each."""


class BoundModel:
    """The kernels of a model, one on the other, forward and (where they are derived) back again.

    Attributes:
        x: (T, B, M), to be filled before a run.
        y: (T, B, N), the output of a run.
        dy: (T, B, N), to be filled with the cotangent of y before going back.
        memory_of_loss: work arrays for what happens between the two.
    """

    def __init__(self, levels: list[list[PartRun]], batch: Batch, *, derive: bool) -> None:
        """Of the parts of a run, one on each level, each of which has a kernel."""
        layout, dtype = batch.layout, batch.inputs.x.dtype
        steps, memory = Steps(layout.bounds, layout.batch), Memory()
        below = np.empty((layout.count, batch.inputs.x.shape[-1]), dtype)
        self.x = below.reshape(layout.time, layout.batch, -1)
        self.memory_of_loss = Memory()
        self._ahead: list[tuple[Part, Bound]] = []
        self._back: list[tuple[Part, Bound]] = []
        pairs = []
        for (run,) in levels:
            given = {**run.fixed, **run.rows, **run.first, "x": below}
            bound = run.bind(given, steps, memory, derive=derive)
            pairs.append((run, given, bound))
            self._ahead.append((run.part, bound))
            below = bound.rows["output"]
        self.y = below.reshape(layout.time, layout.batch, -1)
        if derive:
            above = np.empty_like(below)
            self.dy = above.reshape(self.y.shape)
            for run, given, bound in reversed(pairs):
                zeros = {cotangent(name): np.zeros_like(value) for name, value in run.first.items()}
                back = run.bind_back({**given, **bound.rows, **zeros, "d output": above}, steps, memory)
                self._back.append((run.part, back))
                above = back.rows.get("d x", above)

    def ahead(self, x: Array) -> None:
        """Run over x (T, *batch, M)."""
        self.x.reshape(x.shape)[...] = x
        for _, bound in self._ahead:
            bound.restart()
            bound.prepare()
            bound.go_on()

    def values(self, batch: tuple[int, ...]) -> dict[str, Array]:
        """What was recorded, by name, as the caller sees it: arrays of the caller's own."""
        time, sequences = self.x.shape[:2]
        return {
            part.prefix + name.removeprefix("value "): unpacked(rows.reshape(time, sequences, *rows.shape[1:]), batch)
            for part, bound in self._ahead
            for name, rows in bound.rows.items()
            if name.startswith("value ")
        }

    def back(self) -> dict[str, Array]:
        """The gradient by the parameters, by name: arrays of the caller's own."""
        found = {}
        for part, bound in self._back:
            bound.restart()
            bound.prepare()
            bound.go_on()
            sums = bound.sums()
            # Copies: the sums stay here, and two parameters may have one and the same.
            found[part] = {part.prefix + key: np.array(sums[f"d {key}"]) for key in part.cell.parameters}
        return {key: value for part, _ in self._ahead for key, value in found[part].items()}

    def last(self) -> dict[str, Array]:
        """The last states (B, ...) by name: arrays of the caller's own."""
        return {
            part.prefix + name: np.array(bound.rows[f"last {name}"])
            for part, bound in self._ahead
            for name in part.cell.anatomy.states
        }


@attrs.define(eq=False)
class _Kept:
    """Bound models of one shape of call, and what has to be as it was for them to be of use."""

    programs: list[tuple[Programs, Array]]
    free: list[BoundModel] = attrs.field(factory=list)

    def fits(self, model: Sequence) -> bool:
        """Whether the cells are traced as before, and their parameters stand where they stood."""
        return all(
            part.cell.parameters.flat is flat and programs_of(part.cell) is programs
            for part, (programs, flat) in zip(model.parts(), self.programs, strict=True)
        )


_lock = threading.Lock()
_kept: WeakKeyDictionary[Sequence, dict[Any, _Kept]] = WeakKeyDictionary()


@contextmanager
def bound_model(
    model: Sequence, batch: Batch, *, derive: bool = False, record: bool = False
) -> Iterator[BoundModel | None]:
    """A bound model for this call alone, or None where it brings more than x or has no kernels."""
    if not _brings_x_alone(model, batch) or len(batch.segments) > 1 or chosen(model.backend) == "numpy":
        yield None
        return
    known = _kept.setdefault(model, {})
    key = (batch.layout.time, batch.inputs.batch, batch.truncate, derive, record, get_num_threads())
    kept = known.get(key)
    if kept is None or not kept.fits(model):
        parts = [(programs_of(part.cell), part.cell.parameters.flat) for part in model.parts()]
        kept = _Kept(parts)
        with _lock:
            known[key] = kept
            while len(known) > _SHAPES:
                del known[next(iter(known))]
    try:
        bound = kept.free.pop()
    except IndexError:
        levels = start(model, batch, {"parameters"} if derive else set(), record=record).levels
        if not all(run.has_kernels(derive=derive) for level in levels for run in level):
            yield None
            return
        bound = BoundModel(levels, batch, derive=derive)
    yield bound
    if len(kept.free) < _EACH:
        kept.free.append(bound)


def _brings_x_alone(model: Sequence, batch: Batch) -> bool:
    inputs = batch.inputs
    return (
        batch.layout.lengths is None
        and inputs.resets is None
        and not batch.initial
        and not inputs.feeds
        and batch.rng is None
        and not model.bidirectional
        and not model.has_learned_starts
    )


def unpacked(array: Array, batch: tuple[int, ...]) -> Array:
    """(T, B, N) as the caller sees it, (T, N) or (B, T, N): an array of its own."""
    return np.array(np.swapaxes(array, 0, 1) if batch else array[:, 0], order="C")


def state_of(last: Mapping[str, Array], batch: tuple[int, ...]) -> dict[str, Array]:
    """Last states as the caller sees them: of one sequence, without an axis for it."""
    return dict(last) if batch else {name: value[0] for name, value in last.items()}
