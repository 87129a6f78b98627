"""Several models of one shape whose kernels are bound to arrays together: one call of a kernel runs all of them.

The slices of a batch are what a kernel goes through and threads divide among themselves, and each says whose parameters
it reads. So every model has slices of its own, the same that it would have by itself, which is why it computes the same
bits. So has a loss that has kernels; another one is computed of all at once, with one axis more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.compile.backend import Runnable
from nanolstm.compile.memory import Memory
from nanolstm.compile.programs import Halves, Programs, Variant
from nanolstm.compile.steps import Steps, one_step
from nanolstm.gradient.batch import Batch
from nanolstm.gradient.bound import brings_inputs_alone
from nanolstm.gradient.bound_loss import BY_PREDICTION, BoundLoss, halves_of
from nanolstm.gradient.model import Scored, last_rows
from nanolstm.gradient.part import PartRun, cotangent
from nanolstm.gradient.ready import can_be_bound
from nanolstm.gradient.rows import Rows, rows_of
from nanolstm.gradient.run import first_of, rows_beside_x, start
from nanolstm.gradient.structure import first_states
from nanolstm.kernels.threads import run_all
from nanolstm.language.functions import Array
from nanolstm.losses import Loss
from nanolstm.traced import programs_of_loss

if TYPE_CHECKING:
    from nanolstm.compile.kernel import Bound
    from nanolstm.sequence import Sequence

NONE = np.zeros(0)

_BY_PREDICTION = Variant(wrt=BY_PREDICTION)


class BoundMembers:
    """The kernels of several models, one part on the other, forward and (where they are derived) back again.

    Attributes:
        count: how many models there are.
        y: the output of all rows, (count, rows, N).
    """

    def __init__(self, levels: list[list[PartRun]], batch: Batch, count: int, *, derive: bool) -> None:
        """Of the parts of a run of one of the models on all time steps, one on each level, each with kernels."""
        from nanolstm.compile.kernel import divided

        self.count, self._layout = count, batch.layout
        self._whole = own = batch.layout.steps()
        memory = Memory()
        self._steps = steps = _repeated(own, count)
        self._unordered = steps.unordered()
        self._memory, self._memory_of_loss = memory, Memory()
        dtype = batch.inputs.x.dtype
        below = memory.take((steps.rows, batch.inputs.x.shape[-1]), dtype)
        self._x = below.reshape(count, own.rows, -1)
        self._ahead: list[tuple[PartRun, dict[str, Array], Bound]] = []
        self._back: list[tuple[PartRun, Bound]] = []
        sizes = [run.part.cell.parameters.count for (run,) in levels]
        self._parameters = np.empty((count, sum(sizes)), dtype)
        ends = np.cumsum(sizes)
        for (run,), size, end in zip(levels, sizes, ends, strict=True):
            beside = {name: _of_each(value, count) for name, value in (*run.rows.items(), *run.first.items())}
            given = {**self._fixed(run, self._parameters[:, end - size : end]), **beside, "x": below}
            bound = run.bind(given, steps if run.first else self._unordered, memory)
            self._ahead.append((run, given, bound))
            below = bound.rows["output"]
        self.y = below.reshape(count, own.rows, -1)
        self._tasks = divided([bound for _, _, bound in self._ahead], steps.slices)
        if derive:
            above = memory.take(below.shape, below.dtype)
            self._dy = above.reshape(self.y.shape)
            turned = attrs.evolve(steps, backward=True)
            for run, given, bound in reversed(self._ahead):
                if run.programs.pair is None:
                    break
                zeros = {cotangent(name): np.zeros_like(given[name]) for name in run.first}
                order = turned if run.first else self._unordered
                back = run.bind_back({**given, **bound.rows, **zeros, "d output": above}, order, memory)
                self._back.insert(0, (run, back))
                above = back.rows.get("d x", above)
            self._tasks_back = divided([bound for _, bound in reversed(self._back)], steps.slices)
        self._models: tuple[Sequence, ...] = ()
        self._brought = self._own = False
        # What was given last: of the same arrays nothing has to be laid out again.
        self._x_put: tuple[Array, Rows] | None = None
        self._asked: tuple[Array, Rows, Loss, Scored] | None = None
        self._true = NONE
        self._program: tuple[Programs, int, Runnable] | None = None
        self._halves: Halves | None = None
        self._kernels: BoundLoss | None = None
        self._bound_loss: BoundLoss | None = None

    def _lay(self, own: Steps) -> None:
        """Put the steps of one model into those of all."""
        _lay(own, self._steps, self._x.shape[1])
        self._steps.check()
        self._unordered.follow(self._steps)

    @property
    def size(self) -> int:
        """How many bytes a step passes through."""
        return self._memory.size + 2 * (self._x.nbytes + self.y.nbytes)

    def _fixed(self, run: PartRun, vectors: Array) -> dict[str, Array]:
        """Parameters by name, with an axis for the models: those that are trained as views of `vectors`."""
        fixed = {name: _stacked(value, self.count) for name, value in run.fixed.items()}
        begin = 0
        for name, view in run.part.cell.parameters.items():
            fixed[name] = vectors[:, begin : begin + view.size].reshape(self.count, *view.shape)
            begin += view.size
        return fixed

    def run(
        self,
        models: tuple[Sequence, ...],
        vectors: Array,
        batch: Batch,
        x: Array,
        initial: Mapping[str, Array] | None = None,
    ) -> None:
        """Run all over `x`.

        Args:
            models: which ones they are; read for what is not trained.
            vectors: the parameters of each, (count, P).
            batch: what comes beside x, the same for all.
            x: (B, T, M), or for each its own (count, B, T, M).
            initial: first states by name, (count, B, ...); else those of the batch.
        """
        if self._memory.guarded:
            self._memory.poison()
            self._x_put = self._asked = None
        self._parameters[...] = vectors
        if models is not self._models:
            self._models = models
            self._take_frozen(models)
        if batch.layout is not self._layout:
            self._layout = batch.layout
            self._lay(batch.layout.steps())
        brings = initial is not None or batch.fed or not brings_inputs_alone(batch)
        if brings or self._brought:
            self._take(models[0], batch, initial)
        # What is beyond lengths stays as it was.
        self._brought = brings or (self._brought and batch.layout.lengths is not None)
        self._own = x.ndim == 4
        if self._x_put is None or self._x_put[0] is not x or self._x_put[1] is not batch.layout:
            self._put(x, self._x)
            self._x_put = x, batch.layout
        for _, _, bound in self._ahead:
            bound.restart()
            bound.prepare()
        run_all(self._tasks)
        self._memory.check()

    def _take_frozen(self, models: tuple[Sequence, ...]) -> None:
        parts = [[part.cell.frozen for part in model.parts()] for model in models]
        for place, (_, given, _) in enumerate(self._ahead):
            for name in parts[0][place]:
                given[name][...] = [frozen[place][name] for frozen in parts]

    def _take(self, model: Sequence, batch: Batch, initial: Mapping[str, Array] | None) -> None:
        """First states, and what there is for each row beside x."""
        first = first_states(model, batch.inputs.batch, batch.initial)
        here = {"": {"initial": first, **batch.inputs.feeds}}
        for run, given, _ in self._ahead:
            for name, rows in rows_beside_x(run.part, batch, here).items():
                given[name].reshape(self.count, -1, *rows.shape[1:])[:, : len(rows)] = rows
            for name, state in first_of(run.part, batch, here).items():
                place = given[name].reshape(self.count, *state.shape)
                if initial is None:
                    place[...] = state
                else:
                    place[...] = [batch.layout.sorted(own) for own in initial[run.part.prefix + name]]

    def _put(self, array: Array, rows: Array) -> None:
        """Put `array` (B, T, ...), or (count, B, T, ...), into those of `rows` that are in use."""
        layout = self._layout
        place = rows[:, : layout.count]
        if array.ndim == rows.ndim:
            place[...] = array.reshape(-1, array.shape[-1])[layout.index]
        else:
            place[...] = array.reshape(len(array), -1, array.shape[-1])[:, layout.index]

    def predictions(self) -> Array:
        """The output (count, B, T, N), 0 beyond each sequence's length: the caller's own."""
        layout = self._layout
        whole = np.zeros((self.count, layout.batch * layout.time, self.y.shape[-1]), self.y.dtype)
        whole[:, layout.index] = self.y[:, : layout.count]
        return whole.reshape(self.count, layout.batch, layout.time, -1)

    def last(self) -> dict[str, Array]:
        """The last states by name, (count, B, ...): the caller's own."""
        found = {}
        for run, _, bound in self._ahead:
            for name in run.part.cell.anatomy.states:
                value = bound.rows[f"last {name}"]
                each = value.reshape(self.count, self._layout.batch, *value.shape[1:])
                found[run.part.prefix + name] = np.stack([self._layout.unsorted(one) for one in each])
        return found

    def loss(self, function: Loss, target: Array, steps: Scored) -> Array:
        """The loss of each model after a run, (count,); `back` can follow.

        The target is as for `value_and_grad`, with an axis for the models before it if x had one.
        """
        layout = self._layout
        place: Any = slice(0, layout.count)
        if steps == "last":
            place = last_rows(layout)
            self._dy[...] = 0.0
        asked = target, layout, function, steps
        halves = halves_of(self._models[0], function) if steps == "all" else None
        if self._asked is None or any(a is not b for a, b in zip(asked, self._asked, strict=True)):
            self._asked, self._true = asked, self._aligned(function, target if self._own else target[None], steps)
            self._bound_loss = self._bind(halves)
        elif halves is not self._halves and steps == "all":
            self._bound_loss = self._bind(halves)
        if self._bound_loss is not None:
            return self._loss_in_kernels(self._bound_loss)
        ones = np.ones(self.count, self.y.dtype)
        given = {"prediction": self.y[:, place], "target": self._true, "d loss": ones}
        values, self._dy[:, place] = self._losses(function, given)
        return values

    def _bind(self, halves: Halves | None) -> BoundLoss | None:
        """The kernels of a loss, if it has any, on its target."""
        if halves is None:
            return None
        if self._halves is not halves:
            self._lay(self._whole)  # so that there is room for all
            rows = self.y.reshape(-1, self.y.shape[-1])
            self._halves, self._kernels = halves, BoundLoss(halves, rows, self._unordered, self._memory)
            self._lay(self._layout.steps())
        assert self._kernels is not None
        of_each = self._kernels.target.reshape(self.count, -1, self._kernels.target.shape[-1])
        of_each[:, : self._layout.count] = self._true
        return self._kernels

    def _loss_in_kernels(self, loss: BoundLoss) -> Array:
        from nanolstm.compile.kernel import divided

        run_all(divided([loss.add], self._steps.slices))
        values = np.array(loss.value(self._layout.count), float)
        run_all(divided([loss.spread], self._steps.slices))
        self._dy[...] = loss.cotangent.reshape(self._dy.shape)
        return values

    def _aligned(self, function: Loss, targets: Array, steps: Scored) -> Array:
        """The target of each model beside the rows of its prediction that count."""
        layout, dtype, width = self._layout, self.y.dtype, self.y.shape[-1]
        if steps == "last":
            true = np.stack([function.aligned((layout.batch, width), dtype, one) for one in targets])
        else:
            shape = layout.batch, layout.time, width
            aligned = [function.aligned(shape, dtype, one, lengths=layout.lengths) for one in targets]
            true = np.stack([one.reshape(-1, one.shape[-1])[layout.index] for one in aligned])
        found: Array = np.broadcast_to(true, (self.count, *true.shape[1:]))
        return found

    def _losses(self, function: Loss, given: Mapping[str, Array]) -> tuple[Array, Array]:
        """The loss of each model, and its derivative by the prediction."""
        rows, width = given["prediction"].shape[1:]
        programs = programs_of_loss(function, width, self.y.dtype)
        if self._layout.lengths is None or rows == self._layout.batch:  # else each batch has another number of them
            if self._program is None or self._program[:2] != (programs, rows):
                self._program = programs, rows, programs.joint_of_members(_BY_PREDICTION, rows)
            with self._memory_of_loss as memory:
                answer = self._program[2](one_step(self.count), self.y.dtype, given, memory)
                return np.array(answer["loss"], float), answer["d prediction"]
        joint = programs.joint(_BY_PREDICTION)
        answers = [
            joint(one_step(rows), self.y.dtype, {name: array[i] for name, array in given.items()})
            for i in range(self.count)
        ]
        return np.array([x["loss"] for x in answers], float), np.stack([x["d prediction"] for x in answers])

    def back(self, gradients: Array) -> None:
        """Put the gradient of each model by its parameters into `gradients`, (count, P)."""
        for _, bound in self._back:
            bound.restart()
            bound.prepare()
        run_all(self._tasks_back)
        self._memory.check()
        begin = 0
        for run, bound in self._back:
            sums = bound.sums()
            for name, view in run.part.cell.parameters.items():
                place = gradients[:, begin : begin + view.size].reshape(self.count, *view.shape)
                place[...] = sums[f"d {name}"]
                begin += view.size


def bound_members(models: tuple[Sequence, ...], batch: Batch, *, derive: bool) -> BoundMembers | None:
    """Models of one shape bound side by side, for batches like this; None if their kernels cannot be.

    Where it is None, each has to be run by itself.
    """
    model = models[0]
    if not can_be_bound(model, batch):
        return None
    layout = batch.layout
    whole = attrs.evolve(batch, layout=rows_of(layout.time, layout.batch, None, layout.slices, None), rng=None)
    # The very kernels that each of them alone is trained with, so that they do the same to the last bit.
    levels = start(model, whole, {"parameters"} if derive else set(), derive=derive, frugal=True).levels
    if not all(run.programs.are_kernels for level in levels for run in level):
        return None
    try:
        return BoundMembers(levels, whole, len(models), derive=derive)
    except NotImplementedError:
        return None


def _repeated(own: Steps, count: int) -> Steps:
    """The steps of `count` models one after the other."""
    steps = Steps(
        np.empty((count * own.slices, own.bounds.shape[1]), np.int64),
        np.empty(count * own.slices + 1, np.int64),
        members=count,
    )
    _lay(own, steps, own.rows)
    return steps


def _lay(own: Steps, steps: Steps, rows: int) -> None:
    """Put the steps of one model into those of all, each of which has room for so many `rows`."""
    models = np.arange(steps.models)[:, None, None]
    bounds = steps.bounds.reshape(steps.models, own.slices, -1)
    size = own.bounds.shape[1]
    bounds[:, :, :size] = own.bounds + models * rows
    bounds[:, :, size:] = bounds[:, :, size - 1 : size]
    steps.sequences[:-1] = (own.sequences[:-1] + models[:, 0] * own.batch).ravel()
    steps.sequences[-1] = own.batch * steps.models


def _of_each(rows: Array, count: int) -> Array:
    """An array of rows, or of sequences, with those of each model one after the other."""
    return np.tile(rows, (count, *(1,) * (rows.ndim - 1)))


def _stacked(value: Array, count: int) -> Array:
    """An array with an axis for the models."""
    return np.repeat(value[None], count, axis=0)
