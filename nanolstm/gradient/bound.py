"""A model whose kernels are bound to arrays: for calls that come again and again in one shape.

A training step of a tiny model takes less time than the bookkeeping of a run. So all of that is done once for a shape:
which programs, which arrays, in which order. What is left for a call is to copy what it brings, to run the kernels, and
to take the answers out. A bound model belongs to one call at a time; two threads that call one model have one each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from nanolstm.compile import poison
from nanolstm.compile.memory import Memory
from nanolstm.compile.programs import Halves
from nanolstm.compile.steps import Steps
from nanolstm.gradient.batch import Batch
from nanolstm.gradient.bound_loss import BoundLoss
from nanolstm.gradient.part import PartRun, cotangent
from nanolstm.gradient.rows import Rows
from nanolstm.gradient.run import first_of, rows_beside_x
from nanolstm.gradient.structure import first_states
from nanolstm.kernels.threads import get_num_threads, run_all
from nanolstm.language.functions import Array

if TYPE_CHECKING:
    from nanolstm.compile.kernel import Bound, Runs
    from nanolstm.kernels.bringing import Bring
    from nanolstm.sequence import Sequence as Model

_EACH = 2
"""How many bound models of one kind wait for their next call."""

_MANY = 100_000
"""Of more parameters it is not looked whether they have changed, which would take as long as to prepare them again."""


@attrs.define(eq=False)
class _HandOut:
    """Puts rows that have been computed where they are wanted.

    Attributes:
        steps: where the rows of each slice stand.
        layout: which of them is what.
        wanted: arrays of rows, and those (B, T, ...) that they go to.
    """

    steps: Steps
    layout: Rows
    wanted: list[tuple[Array, Array]] = attrs.field(factory=list)

    def __call__(self, first: int, last: int) -> None:
        """Those of slices from `first` to `last`."""
        layout = self.layout
        for rows, array in self.wanted:
            flat = array.reshape(-1, *rows.shape[1:])
            if layout.lengths is not None:
                begin, end = self.steps.bounds[first, 0], self.steps.bounds[last - 1, -1]
                flat[layout.index[begin:end]] = rows[begin:end]
            elif layout.batch == 1:
                flat[...] = rows
            else:
                begin, end = (self.steps.sequences[[first, last]] * layout.time).tolist()
                np.take(rows, layout.places[begin:end], axis=0, out=flat[begin:end], mode="clip")


class BoundModel:
    """The kernels of a model, one on the other, forward and (where they are derived) back again.

    Attributes:
        home: where it waits between two calls, if no other is there.
        loss: its kernels, in between the two; None where NumPy computes it.
        memory_of_loss: work arrays for that.
    """

    def __init__(
        self,
        levels: list[list[PartRun]],
        batch: Batch,
        home: list[BoundModel],
        *,
        derive: bool,
        halves: Halves | None = None,
    ) -> None:
        """Of the parts of a run on all time steps, one on each level, each of which has kernels; and of the loss."""
        from nanolstm.compile.kernel import divided
        from nanolstm.kernels.bringing import Bring

        self.home = home
        self._layout = batch.layout
        steps, memory = _own(batch.layout.steps()), Memory()
        self._memory = memory
        self._steps = steps
        self._unordered = unordered = steps.unordered()
        below = memory.take((steps.rows, batch.inputs.x.shape[-1]), batch.inputs.x.dtype)
        threads = min(get_num_threads(), steps.slices)
        self._x = Bring(below, steps.bounds, threads)
        self._target: Bring | None = None
        self.memory_of_loss = Memory()
        self._feeds: list[tuple[str, Bring]] = []
        self._ahead: list[tuple[PartRun, dict[str, Array], Bound]] = []
        self._back: list[tuple[PartRun, Bound]] = []
        for (run,) in levels:
            own = {name: np.array(value, order="C") for name, value in (*run.rows.items(), *run.first.items())}
            given = {**run.fixed, **own, "x": below}
            bound = run.bind(given, steps if run.first else unordered, memory)
            self._ahead.append((run, given, bound))
            feeds = run.part.cell.anatomy.feeds
            self._feeds += [(name, Bring(given[name], steps.bounds, threads)) for name in feeds]
            below = bound.rows["output"]
        self._y = below
        self._hand_out = _HandOut(steps, batch.layout)
        self.loss = BoundLoss(halves, below, unordered, memory) if halves is not None else None
        self._looked_at = [self._x, *(feed for _, feed in self._feeds)]
        self._bring = [*self._looked_at]  # x is always there, and gives the signal
        kernels: list[Runs] = [*self._bring, *(bound for _, _, bound in self._ahead)]
        if self.loss is not None:
            self._target = Bring(self.loss.target, steps.bounds, threads)
            self._bring.append(self._target)
            kernels += [self._target, self.loss.add]
        self._tasks = divided(kernels, steps.slices, self._hand_out)
        self._numbers = [array for (run,) in levels for array in run.numbers() if array.size]
        self._many = sum(array.size for array in self._numbers) > _MANY
        self._seen: list[bytes] = []
        self._brought = self._fed = False
        if derive:
            self._dy = above = self.loss.cotangent if self.loss else memory.take(below.shape, below.dtype)
            turned = Steps(steps.bounds, steps.sequences, backward=True)
            for run, given, bound in reversed(self._ahead):
                if run.programs.pair is None:
                    break
                zeros = {cotangent(name): np.zeros_like(value) for name, value in run.first.items()}
                order = turned if run.first else unordered
                back = run.bind_back({**given, **bound.rows, **zeros, "d output": above}, order, memory)
                self._back.append((run, back))
                above = back.rows.get("d x", above)
            spread = [self.loss.spread] if self.loss else []
            self._tasks_back = divided([*spread, *(bound for _, bound in self._back)], steps.slices)
            self._places = [
                (run.part.prefix + key, place, f"d {key}")
                for place, (run, _) in reversed([*enumerate(self._back)])
                for key in run.part.cell.parameters
            ]

    def give_back(self) -> None:
        """This call has ended: the next may use it."""
        if len(self.home) < _EACH:
            self.home.append(self)

    def run(self, model: Model, batch: Batch, target: Array | None = None) -> None:
        """Run `model`, whose kernels these are, over what `batch` brings, and its loss, if it is bound to one.

        Raises:
            InputError: a value of x or of a feed is not finite.
        """
        if self._memory.guarded:
            self._memory.poison()
        self._take(model, batch)
        self._x.next(batch.inputs.x.swapaxes(0, 1) if self._batched else batch.inputs.x, self._index)
        if self._target is not None:
            assert target is not None
            self._target.next(target, self._index)
        changed = self._has_changed()
        for _, _, bound in self._ahead:
            bound.restart()
            if changed:
                bound.prepare()
        run_all(self._tasks)
        self._memory.check()
        for bring in self._bring:
            bring.end()
        if not all(bring.is_finite for bring in self._looked_at):
            batch.inputs.look()

    def answer(self, model: Model, batch: Batch) -> tuple[Array, dict[str, Array]]:
        """Run: y, and what is recorded, by name, as the caller sees them: arrays of the caller's own."""
        rows = {
            run.part.prefix + name.removeprefix("value "): value
            for run, _, bound in self._ahead
            for name, value in bound.rows.items()
            if name.startswith("value ")
        }
        new = poison.empty if batch.layout.lengths is None else np.zeros
        shape = (batch.layout.batch, batch.layout.time)
        wanted = {name: (value, new((*shape, *value.shape[1:]), value.dtype)) for name, value in rows.items()}
        y = new((*shape, *self._y.shape[1:]), self._y.dtype)
        self._hand_out.wanted = [(self._y, y), *wanted.values()]
        try:
            self.run(model, batch)
        finally:
            self._hand_out.wanted = []
        values = {name: array if batch.inputs.batch else array[0] for name, (_, array) in wanted.items()}
        return y if batch.inputs.batch else y[0], values

    def _has_changed(self) -> bool:
        """Whether parameters may have changed since the last run."""
        if self._many or self._memory.guarded:
            return True
        before, self._seen = self._seen, [array.tobytes() for array in self._numbers]
        return self._seen != before

    def _take(self, model: Model, batch: Batch) -> None:
        """What a call brings beside x: lengths, first states, and what there is for each row."""
        self._batched = bool(batch.inputs.batch)
        if batch.layout is not self._layout:
            self._layout = self._hand_out.layout = batch.layout
            bounds = batch.layout.pieces[0].bounds
            self._steps.bounds[:, : bounds.shape[1]] = bounds
            self._steps.bounds[:, bounds.shape[1] :] = bounds[:, -1:]
            self._steps.sequences[...] = batch.layout.sequences
            self._steps.check()
            self._unordered.follow(self._steps)
        for name, feed in self._feeds if batch.fed or self._fed else ():
            value = batch.inputs.feeds[name]
            feed.next(value.swapaxes(0, 1) if self._batched else value, self._index)
        partly = batch.layout.lengths is not None  # what is beyond them stays as it was
        self._fed = batch.fed or (self._fed and partly)
        brings = not brings_inputs_alone(batch)
        if brings or self._brought:
            first = first_states(model, batch.inputs.batch, batch.initial)
            here = {"": {"initial": first, **batch.inputs.feeds}}
            for run, given, _ in self._ahead:
                rows = rows_beside_x(run.part, batch, here)
                for name, value in (*rows.items(), *first_of(run.part, batch, here).items()):
                    given[name][: len(value)] = value
        self._brought = brings or (self._brought and partly)

    @property
    def _index(self) -> Array | None:
        """Where each row stands in the flattened array (B, T); None where that is the order of rows."""
        return self._layout.index if self._layout.batch > 1 else None

    def put(self, array: Array, rows: Array) -> Array:
        """Put `array` (B, T, ...), or (T, ...) of one sequence, into `rows`: those that are in use."""
        layout = self._layout
        flat, place = array.reshape(-1, *rows.shape[1:]), rows[: layout.count]
        if layout.batch == 1:
            place[...] = flat[: len(place)]
        else:
            np.take(flat, layout.index, axis=0, out=place, mode="clip")
        return place

    def value(self) -> float:
        """The loss that it is bound to."""
        assert self.loss is not None
        return float(self.loss.value(self._layout.count))

    @property
    def y(self) -> Array:
        """The output of all rows."""
        return self._y[: self._layout.count]

    @property
    def dy(self) -> Array:
        """To be filled with the cotangent of that."""
        return self._dy[: self._layout.count]

    def back(self) -> dict[str, Array]:
        """The gradient by the parameters, by name: arrays of the caller's own."""
        for _, bound in self._back:
            bound.restart()
            bound.prepare()
        run_all(self._tasks_back)
        self._memory.check()
        sums = [bound.sums() for _, bound in self._back]
        # Copies: the sums stay here, and two parameters may have one and the same.
        return {name: np.array(sums[place][key]) for name, place, key in self._places}

    def last(self) -> dict[str, Array]:
        """The last states (B, ...) by name, as the caller sees them: arrays of the caller's own."""
        found = {
            run.part.prefix + name: self._layout.unsorted(bound.rows[f"last {name}"])
            for run, _, bound in self._ahead
            for name in run.part.cell.anatomy.states
        }
        return {name: np.array(value if self._batched else value[0]) for name, value in found.items()}


def brings_inputs_alone(batch: Batch) -> bool:
    """Whether a call brings nothing beside x and feeds that kernels look at in each row."""
    inputs = batch.inputs
    return (
        (batch.layout.lengths is None or batch.truncate is None)
        and inputs.resets is None
        and not batch.initial
        and batch.rng is None
    )


def _own(steps: Steps) -> Steps:
    """Whose arrays may be written to."""
    return Steps(np.array(steps.bounds), np.array(steps.sequences), steps.backward)
