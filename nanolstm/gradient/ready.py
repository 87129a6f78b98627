"""Bound models that are ready for the next call of their kind, and what has to be as it was for them to be of use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs

from nanolstm.compile import poison
from nanolstm.compile.backend import chosen
from nanolstm.compile.programs import Programs
from nanolstm.gradient.batch import Batch
from nanolstm.gradient.bound import BoundModel
from nanolstm.gradient.bound_loss import halves_of
from nanolstm.gradient.rows import rows_of
from nanolstm.gradient.run import start
from nanolstm.kernels.threads import get_num_threads
from nanolstm.language.functions import Array
from nanolstm.losses import Loss
from nanolstm.traced import programs_of

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence as Model

_KINDS = 8
"""Of how many kinds of calls of a model."""


@attrs.define(eq=False)
class _Ready:
    """Those of one kind of call."""

    programs: list[tuple[Programs, Array]]
    free: list[BoundModel] = attrs.field(factory=list)

    def fits(self, model: Model) -> bool:
        """Whether the cells are traced as before, and their parameters stand where they stood."""
        for part, (programs, flat) in zip(model.parts(), self.programs, strict=True):
            if part.cell.parameters.flat is not flat or programs_of(part.cell) is not programs:
                return False
        return True


_lock = threading.Lock()
_ready: WeakKeyDictionary[Model, dict[Any, _Ready]] = WeakKeyDictionary()


def bound_model(
    model: Model, batch: Batch, *, derive: bool = False, record: bool = False, function: Loss | None = None
) -> BoundModel | None:
    """A bound model for this call alone, to be given back; None where it has no kernels, or starts or directions.

    With a loss, `function`, it is bound to the kernels of this too, if it has any.
    """
    if not can_be_bound(model, batch):
        return None
    halves = halves_of(model, function) if function is not None else None
    known = _ready.get(model)
    if known is None:
        known = _ready.setdefault(model, {})
    layout, resets = batch.layout, batch.inputs.resets
    restarts = resets is not None and bool(resets.any())
    kind = (batch.truncate, restarts, derive, record, halves)
    key = (layout.time, batch.inputs.batch, layout.slices, *kind, get_num_threads(), poison.is_on())
    ready = known.get(key)
    if ready is None or not ready.fits(model):
        parts = [(programs_of(part.cell), part.cell.parameters.flat) for part in model.parts()]
        ready = _Ready(parts)
        with _lock:
            known[key] = ready
            while len(known) > _KINDS:
                del known[next(iter(known))]
    try:
        return ready.free.pop()
    except IndexError:
        pass
    # On all time steps, so that there is room for all; masks are drawn for a run.
    whole = attrs.evolve(batch, layout=rows_of(layout.time, layout.batch, None, layout.slices, None), rng=None)
    wrt = {"parameters"} if derive else set[str]()
    levels = start(model, whole, wrt, derive=derive, record=record, frugal=True).levels
    if not all(run.programs.are_kernels for level in levels for run in level):
        return None
    return BoundModel(levels, whole, ready.free, derive=derive, halves=halves)


def can_be_bound(model: Model, batch: Batch) -> bool:
    """Whether kernels of a model, if it has any, may be bound to arrays that stay."""
    whole = batch.layout.piece is None and not model.bidirectional and not model.has_learned_starts
    return whole and chosen(model.backend) != "numpy"
