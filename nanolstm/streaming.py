"""A model step by step, as data comes in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.compile.backend import chosen
from nanolstm.errors import InputError, TraceError, nearest
from nanolstm.inputs import Inputs, check_initial, numbers
from nanolstm.language.functions import Array

if TYPE_CHECKING:
    from nanolstm.graph.unchanged import Watch
    from nanolstm.sequence import Sequence as Model


@attrs.define(eq=False, repr=False)
class Stepper:
    """A model that takes one time step each time that it is called, and carries its state from one to the next.

    ```python
    import numpy as np
    import nanolstm as nl

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
    stepper = model.stepper()
    y = stepper(np.zeros(2))                       # (1,): the output of this step
    y = stepper(np.zeros(2))                       # of the next one
    stepper.state["h"]                             # (3,): where it stands
    stepper.reset()                                # to the start
    ```

    Made with `batch=B` it takes x (B, M) and answers with y (B, N). It works on the parameters and the fields of the
    cells as they were when it was made: after training, make another. What else a step reads, such as a global
    variable, may change between two calls. It is meant for one thread; two of them need two steppers.
    """

    _model: Model
    _batch: int | None
    _x: Array
    _feeds: dict[str, Array]
    _y: Array
    _state: dict[str, Array]
    _start: dict[str, Array]
    _run: Callable[[], None]
    _watches: Sequence[Watch] = ()

    def __call__(self, x: Any, **feeds: Any) -> Array:
        """One step: x (M,) to y (N,), or x (B, M) to y (B, N), a new array each time.

        `feeds` are further inputs that a cell declares, by name, each (size,) or (B, size), or a number.

        Raises:
            InputError: x, or a feed, has another shape, or is missing. Values are not looked at: NaN goes through.
        """
        for watch in self._watches:
            if not watch.unchanged():
                self._trace_again()
                break
        if type(x) is not np.ndarray or x.dtype != self._x.dtype:
            x = numbers(x, "x", self._x.dtype)
        if x.shape != self._x.shape:
            raise InputError(f"x has shape {x.shape}; this stepper takes {self._x.shape}, one time step")
        self._x[...] = x
        if feeds or self._feeds:
            self._take(feeds)
        self._run()
        return self._y.copy()

    @property
    def state(self) -> dict[str, Array]:
        """The states by name, as `initial=` takes them: copies."""
        return {name: np.array(value) for name, value in self._state.items()}

    def reset(self) -> None:
        """Go back to the state that it was made with."""
        for name, value in self._start.items():
            self._state[name][...] = value

    def __repr__(self) -> str:
        return f"Stepper(x {self._x.shape}, y {self._y.shape}, states {', '.join(self._state)})"

    def _trace_again(self) -> None:
        """Go on from the same state with what the steps of the cells are now."""
        now, state, start = stepper(self._model, self._batch, None), self.state, self._start
        for field in attrs.fields(Stepper):
            setattr(self, field.name, getattr(now, field.name))
        self._start = start
        for name, value in state.items():
            self._state[name][...] = value

    def _take(self, feeds: Mapping[str, Any]) -> None:
        for name in feeds.keys() - self._feeds.keys():
            raise InputError(f"no feed {name!r}: {nearest(name, self._feeds)}")
        declared = self._model.feeds()
        for name, place in self._feeds.items():
            default = declared[name].default
            if name not in feeds and default is None:
                raise InputError(f"the feed {name!r} is missing: write stepper(x, {name}=...)")
            value = numbers(feeds.get(name, default), name, place.dtype)
            if value.shape == place.shape[:-1] and place.shape[-1] == 1:
                value = value[..., None]
            if value.shape not in ((), place.shape):
                raise InputError(f"{name} has shape {value.shape}; this stepper takes {place.shape}")
            place[...] = value


def stepper(model: Model, batch: int | None, initial: Mapping[str, Any] | None) -> Stepper:
    """A stepper of `model`; see [`Sequence.stepper`][nanolstm.Sequence.stepper]."""
    if model.bidirectional:
        raise InputError("a bidirectional model reads each sequence from its end as well: it cannot run step by step")
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1):
        raise InputError(f"stepper(batch={batch!r}): expected a number of sequences from 1 on, or None for one alone")
    shape = () if batch is None else (int(batch),)
    given = check_initial(initial, model.states(), shape, model.dtype)
    backend = chosen(model.backend)
    if backend != "numpy":
        try:
            if (found := _of_kernels(model, batch, shape, given)) is not None:
                return found
        except TraceError:
            if backend == "numba":
                raise
    return _eager(model, batch, shape, given)


def _of_kernels(model: Model, batch: int | None, shape: tuple[int, ...], given: Mapping[str, Array]) -> Stepper | None:
    """Every kernel of the model bound to arrays that stay; None if it has none."""
    from nanolstm.compile.memory import Memory
    from nanolstm.gradient.batch import check_batch
    from nanolstm.gradient.run import start
    from nanolstm.traced import programs_of, watch_of

    model = copy.deepcopy(model)  # training may go on
    watches = []
    for part in model.parts():
        programs_of(part.cell)
        if (watch := watch_of(part.cell)) is None:  # to trace a step anew takes longer than to run it
            return None
        watches.append(watch)
    x = np.zeros((*shape, 1, model.inputs), model.dtype)
    feeds = {name: np.zeros((*shape, 1, feed.size), model.dtype) for name, feed in model.feeds().items()}
    whole = check_batch(model, x, None, None, given, None, None, None, feeds).in_one_slice()
    x = np.zeros((*shape, model.inputs), model.dtype)
    own = {name: np.zeros((*shape, feed.size), model.dtype) for name, feed in model.feeds().items()}
    below, state, calls = x.reshape(-1, model.inputs), {}, list[Callable[[], None]]()
    steps, memory = whole.layout.steps(), Memory()
    if memory.guarded:
        calls.append(memory.poison)
    for level in start(model, whole, set()).levels:
        (run,) = level
        if not run.programs.are_kernels:
            return None
        rows = {name: own[name].reshape(-1, own[name].shape[-1]) if name in own else v for name, v in run.rows.items()}
        bound = run.bind({**run.fixed, **rows, **run.first, "x": below}, steps, memory)
        calls += [bound.prepare, bound.here] if memory.guarded else [bound.here]
        below = bound.rows["output"]
        for name, declared in run.part.cell.anatomy.states.items():
            state[run.part.prefix + name] = bound.rows[f"last {name}"].reshape((*shape, *declared.shape))

    if memory.guarded:
        calls.append(memory.check)

    def step() -> None:
        for call in calls:
            call()

    y = below.reshape(*shape, -1)
    begin = {name: np.array(value) for name, value in state.items()}
    return Stepper(model, batch, x, own, y, state, begin, calls[0] if len(calls) == 1 else step, watches)


def _eager(model: Model, batch: int | None, shape: tuple[int, ...], given: Mapping[str, Array]) -> Stepper:
    """The same in NumPy: the cells on a sequence of one step, at whose values nothing looks."""
    from nanolstm.gradient.structure import first_states

    model = copy.deepcopy(model)  # whose parameters may be trained meanwhile
    x = np.zeros((*shape, model.inputs), model.dtype)
    y = np.zeros((*shape, model.outputs), model.dtype)
    feeds = {name: np.zeros((*shape, feed.size), model.dtype) for name, feed in model.feeds().items()}
    state = {name: np.array(value) for name, value in first_states(model, shape, given).items()}

    def step() -> None:
        now = Inputs(x[None], {name: value[None] for name, value in feeds.items()}, None, None, None)
        below, first = now.x, dict(state)
        for part in model.parts():
            ran = model._run_part(part, below, now, first, None, record=False)
            below = ran.y
            for name, value in ran.state.items():
                state[part.prefix + name][...] = value
        y[...] = below[0]

    return Stepper(model, batch, x, feeds, y, state, {name: np.array(v) for name, v in state.items()}, step)
