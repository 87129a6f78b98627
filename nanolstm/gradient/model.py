"""The derivatives that a model offers: its parts one on the other, and the loss on top."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np

from nanolstm.compile.programs import Variant
from nanolstm.compile.steps import one_step
from nanolstm.errors import InputError
from nanolstm.gradient.again import again, remember
from nanolstm.gradient.batch import Batch, check_batch, in_memory
from nanolstm.gradient.bound import BoundModel
from nanolstm.gradient.bound_loss import BY_PREDICTION
from nanolstm.gradient.ready import bound_model
from nanolstm.gradient.rows import Rows
from nanolstm.gradient.run import gathered, start
from nanolstm.gradient.structure import Structure, completed, names_of
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource
from nanolstm.losses import Loss
from nanolstm.losses import loss as find_loss
from nanolstm.recording import Recording
from nanolstm.traced import programs_of_loss

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence

Scored: TypeAlias = Literal["all", "last"]
"""Which steps of each sequence a loss scores."""


class Derivable:
    """What a `Sequence` offers beside running."""

    def value_and_grad(
        self,
        x: Any,
        target: Any,
        *,
        loss: str | Callable[..., Any] = "rmse",
        wrt: str | Iterable[str] = "parameters",
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        truncate: int | None = None,
        checkpoint_every: int | None = None,
        steps: Scored = "all",
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> tuple[float, Any]:
        """The loss over `x`, and its exact gradient.

        ```python
        import numpy as np
        import nanolstm as nl

        model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
        value, grads = model.value_and_grad(np.zeros((100, 2)), np.ones((100, 1)), loss="rmse")
        grads["forget.W"].shape                                # (3, 3): the names of model.parameters
        value, grads = model.value_and_grad(np.zeros((100, 2)), np.ones((100, 1)), wrt=("x", "initial"))
        grads["x"].shape, grads["initial"]["h"].shape          # (100, 2), (3,)
        ```

        Args:
            x: (T, M) or (B, T, M), as for calling.
            target: what the loss compares y with: its shape, or without the last axis where that is 1, or what the loss
                says (classes, fewer columns). Steps beyond a sequence's length do not count.
            loss: `"name"` or `"name(key=value)"` of a registered loss, or a function of (prediction, target).
            wrt: what the gradient is taken by: "parameters", "frozen", "x", "initial" (the first states), the name of a
                feed; or several of them.
            lengths: as for calling.
            resets: as for calling; no gradient goes back through a reset.
            initial: as for calling.
            truncate: truncated backpropagation through time: no gradient goes from step k, 2k, ... to the state before
                it, while the state itself goes on. Counted in each cell's own direction.
            checkpoint_every: keep what the backward pass needs of a cell's inside for so many steps at a time, and run
                the others twice; with about sqrt(T) it grows with sqrt(T). Outputs between cells are kept for all
                steps. The gradient is the same.
            steps: which steps of each sequence are scored: `"all"` that are valid, or the `"last"` of them, for a
                target that belongs to the sequence: (B, N), or classes (B,).
            rng: draws the random masks of cells that have `noise`; without it each is its mean.
            feeds: as for calling.

        Returns:
            (value, gradient). By "parameters" and "frozen" the gradient is a dict with the names of `.parameters` and
            `.frozen`; by "initial" one with the names of the states, each (B, ...); by "x" and feeds an array of their
            shape (by a feed that is one number, one for each step). By several it is a dict of these.

        Raises:
            InputError: as for calling; a target that does not fit, a `wrt` that is none.
            TraceError: the step or the loss does something of which no derivative can be taken; the text says where.
        """
        model = cast("Sequence", self)
        alone = lengths is None and resets is None and initial is None and rng is None
        usual = alone and truncate is None and checkpoint_every is None and wrt == "parameters" and steps == "all"
        if usual and (answer := again(model, x, target, loss, feeds)) is not None:
            return answer
        batch = check_batch(model, x, lengths, resets, initial, rng, truncate, checkpoint_every, feeds, look=False)
        asked = (loss, feeds) if usual else None
        value, gradient, _ = self._derive(batch, find_loss(loss), target, wrt, steps, keep=False, asked=asked)
        return value, gradient

    def value_grad_and_run(
        self,
        x: Any,
        target: Any,
        *,
        loss: str | Callable[..., Any] = "rmse",
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        truncate: int | None = None,
        checkpoint_every: int | None = None,
        steps: Scored = "all",
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> tuple[float, dict[str, Array], Recording]:
        """The loss and its gradient by the parameters, and the run that they come from: `run.y` and `run.state`.

        What a training step on a part of a long series needs: the next part goes on with `initial=run.state`.

        ```python
        import numpy as np
        import nanolstm as nl

        model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
        value, grads, run = model.value_grad_and_run(np.zeros((100, 2)), np.ones((100, 1)), loss="mse")
        run.y.shape, run.state["h"].shape                      # (100, 1), (3,)
        ```

        Args:
            x: as for `value_and_grad`, like all that follow.
            target: as there.
            loss: as there.
            lengths: as there.
            resets: as there.
            initial: as there.
            truncate: as there.
            checkpoint_every: as there.
            steps: as there.
            rng: as there.
            feeds: as there.

        Returns:
            (value, gradient, run); nothing is recorded in the run but `y` and the last states.

        Raises:
            InputError: as for `value_and_grad`.
            TraceError: as for `value_and_grad`.
        """
        model = cast("Sequence", self)
        batch = check_batch(model, x, lengths, resets, initial, rng, truncate, checkpoint_every, feeds, look=False)
        value, gradient, run = self._derive(batch, find_loss(loss), target, "parameters", steps, keep=True)
        return value, gradient, cast("Recording", run)

    def _derive(
        self,
        batch: Batch,
        function: Loss,
        target: Any,
        wrt: str | Iterable[str],
        steps: Scored,
        *,
        keep: bool,
        asked: tuple[Any, Mapping[str, Any]] | None = None,
    ) -> tuple[float, Any, Recording | None]:
        """The loss, its gradient, and with `keep` the run, of a batch whose values nobody has looked at.

        `asked` are the loss and the feeds of a call that may come again as it is.
        """
        model = cast("Sequence", self)
        if steps not in ("all", "last"):
            raise InputError(f"steps={steps!r}: expected 'all', or 'last' for one target for each sequence")
        if wrt == "parameters":
            bound = bound_model(model, batch, derive=True, function=function if steps == "all" else None)
            if bound is not None:
                answer = _of_bound(model, bound, function, batch, target, steps, keep=keep)
                bound.give_back()
                if asked is not None:
                    remember(model, bound, batch, function, target, *asked)
                return answer
        batch.inputs.look()
        with in_memory(model, batch) as batch:
            run = start(model, batch, set(names_of(model, wrt)), derive=True)
            ahead = run.ahead()
            value, cotangents = _loss(function, run.batch, target, ahead, steps)
            kept = _recording(run.batch, ahead) if keep else None
            return float(value["loss"]), gathered(model, run, run.back(cotangents), wrt, "d "), kept

    def jvp(
        self,
        x: Any,
        direction: Any,
        target: Any = None,
        *,
        loss: str | Callable[..., Any] | None = None,
        wrt: str | Iterable[str] = "parameters",
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        truncate: int | None = None,
        checkpoint_every: int | None = None,
        steps: Scored = "all",
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> tuple[Any, Any]:
        """The output, or the loss, and its derivative in a direction (a Jacobian-vector product), in one forward pass.

        Args:
            x: as for `value_and_grad`.
            direction: how what `wrt` names changes, with the structure of a gradient by it; what is left out stays. A
                first state that is a parameter moves with that parameter, and by "initial" in addition.
            target: if given, the loss is derived and not the output.
            loss: as for `value_and_grad`; goes with `target`.
            wrt: as for `value_and_grad`.
            lengths: as for calling.
            resets: as for calling.
            initial: as for calling.
            truncate: as for `value_and_grad`; the derivative stops where the gradient does.
            checkpoint_every: as for `value_and_grad`.
            steps: as for `value_and_grad`.
            rng: as for calling.
            feeds: as for calling.

        Returns:
            (y, dy), each of the shape of y; with `target`, (value, derivative), two numbers.

        Raises:
            InputError: as for `value_and_grad`; a direction that does not fit what `wrt` names.
            TraceError: as for `value_and_grad`.
        """
        model = cast("Sequence", self)
        batch = check_batch(model, x, lengths, resets, initial, rng, truncate, checkpoint_every, feeds)
        with in_memory(model, batch) as batch:
            run = start(model, batch, set(names_of(model, wrt)), completed(model, batch, wrt, direction))
            ahead = run.ahead()
            if target is None:
                return run.batch.unpack(ahead["output"]), run.batch.unpack(ahead["v output"])
            value, _ = _loss(find_loss(loss or "rmse"), run.batch, target, ahead, steps)
            return float(value["loss"]), float(value["v loss"])

    def hvp(
        self,
        x: Any,
        target: Any,
        direction: Any,
        *,
        loss: str | Callable[..., Any] = "rmse",
        wrt: str | Iterable[str] = "parameters",
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        truncate: int | None = None,
        checkpoint_every: int | None = None,
        steps: Scored = "all",
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> Any:
        """The product of the loss's Hessian by `wrt` and a direction: how the gradient changes along it.

        Args:
            x: as for `value_and_grad`.
            target: as for `value_and_grad`.
            direction: with the structure of a gradient by `wrt`; what is left out is 0.
            loss: as for `value_and_grad`.
            wrt: as for `value_and_grad`.
            lengths: as for calling.
            resets: as for calling.
            initial: as for calling.
            truncate: as for `value_and_grad`; the state before a stop counts as a constant here too, as in a double
                backward pass through it.
            checkpoint_every: as for `value_and_grad`.
            steps: as for `value_and_grad`.
            rng: as for calling.
            feeds: as for calling.

        Returns:
            The product, with the structure of a gradient by `wrt`.

        Raises:
            InputError: as for `jvp`.
            TraceError: as for `value_and_grad`.
        """
        model = cast("Sequence", self)
        batch = check_batch(model, x, lengths, resets, initial, rng, truncate, checkpoint_every, feeds)
        with in_memory(model, batch) as batch:
            function = find_loss(loss)
            run = start(model, batch, set(names_of(model, wrt)), completed(model, batch, wrt, direction), derive=True)
            _, cotangents = _loss(function, run.batch, target, run.ahead(), steps)
            return gathered(model, run, run.back(cotangents), wrt, "v d ")


_ONE, _BY_PREDICTION = np.ones(()), Variant(wrt=BY_PREDICTION)


def _of_bound(
    model: Sequence, bound: BoundModel, function: Loss, batch: Batch, target: Any, steps: Scored, *, keep: bool
) -> tuple[float, dict[str, Array], Recording | None]:
    """The loss, the gradient by the parameters, and with `keep` the run."""
    own, layout = batch.inputs.batch, batch.layout
    if bound.loss is not None:
        shape = (*own, layout.time, model.outputs)
        bound.run(model, batch, function.aligned(shape, model.dtype, target, lengths=layout.lengths))
        value = bound.value()
    else:
        bound.run(model, batch)
        value = _loss_of_bound(bound, function, batch, target, steps)
    run = Recording(batch.unpack(bound.y), bound.last(), {}) if keep else None
    return value, bound.back(), run


def _loss_of_bound(bound: BoundModel, function: Loss, batch: Batch, target: Any, steps: Scored) -> float:
    """The loss, computed in NumPy; its derivative goes into `bound.dy`."""
    own, layout, width = batch.inputs.batch, batch.layout, bound.y.shape[-1]
    rows = last_rows(layout) if steps == "last" else slice(None)
    predicted, dtype = bound.y[rows], bound.y.dtype
    with bound.memory_of_loss as memory:
        if steps == "last":
            true = function.aligned(predicted.shape, dtype, target if own else np.asarray(target)[None])
            bound.dy[...] = 0.0
        else:
            true = function.aligned((*own, layout.time, width), dtype, target, lengths=layout.lengths)
            true = bound.put(true, memory.take((layout.time * layout.batch, true.shape[-1]), true.dtype))
        given = {"prediction": predicted, "target": true, "d loss": _ONE.astype(dtype, copy=False)}
        programs = programs_of_loss(function, width, dtype)
        answer = programs.joint(_BY_PREDICTION)(one_step(len(true)), dtype, given, memory)
        bound.dy[rows] = answer["d prediction"]
    return float(answer["loss"])


def last_rows(layout: Rows) -> Array:
    """The row of the last valid step of each sequence, (B,)."""
    ends = layout.time if layout.lengths is None else layout.lengths
    rows: Array = layout.places[np.arange(layout.batch) * layout.time + ends - 1]
    return rows


def _recording(batch: Batch, ahead: Mapping[str, Array]) -> Recording:
    """The output and the last states of a run, as arrays of the caller's own."""
    own = batch.inputs.batch
    last = {name: value for name, value in ahead.items() if name.startswith("last ")}
    state = {name.removeprefix("last "): np.array(value if own else value[0]) for name, value in last.items()}
    return Recording(batch.unpack(ahead["output"]), state, {})


def _loss(
    function: Loss, batch: Batch, target: Any, ahead: Mapping[str, Array], steps: Scored
) -> tuple[Structure, dict[str, Array]]:
    """The loss of a model's output, its tangent, and the cotangents of the output of all rows."""
    y = batch.unpack(ahead["output"])
    scored = _scored(batch, steps)
    if steps == "last":
        predicted, true = function.entries(y[scored], target if batch.inputs.batch else np.asarray(target)[None])
    else:
        lengths = batch.inputs.lengths if batch.layout.lengths is not None else None
        predicted, true = function.entries(y, target, lengths=lengths)
    given = {"prediction": predicted, "target": true, "d loss": np.ones((), y.dtype), "v d loss": np.zeros((), y.dtype)}
    along = None
    if "v output" in ahead:
        along = frozenset({"prediction"})
        tangent = batch.unpack(ahead["v output"])
        given["v prediction"] = tangent.reshape(predicted.shape) if scored is None else tangent[scored]
    variant = Variant(wrt=BY_PREDICTION, along=along)
    answer = programs_of_loss(function, y.shape[-1], y.dtype).joint(variant)(one_step(len(predicted)), y.dtype, given)
    cotangents = {}
    for way in ("d ",) if along is None else ("d ", "v d "):
        if scored is None:
            whole = answer[f"{way}prediction"].reshape(y.shape)
        else:
            whole = np.zeros_like(y)
            whole[scored] = answer[f"{way}prediction"]
        cotangents[f"{way}output"] = batch.pack_batch_first(whole)
    return answer, cotangents


def _scored(batch: Batch, steps: Scored) -> Array | None:
    """Which steps of y count, a mask (T,) or (B, T); None for all."""
    time = np.arange(batch.layout.time)
    if steps == "last":
        ends = batch.inputs.lengths
        last = np.full(batch.inputs.batch, len(time)) if ends is None else ends
        mask: Array = time == last[..., None] - 1
        return mask
    lengths = batch.inputs.lengths if batch.layout.lengths is not None else None
    return None if lengths is None else time < lengths[:, None]
