"""Cells over time: one, a stack, in both directions, with a linear readout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Several
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs
import numpy as np

from nanolstm import eager
from nanolstm.compile.backend import BACKENDS, chosen
from nanolstm.errors import InputError, TraceError
from nanolstm.gradient.model import Derivable
from nanolstm.inputs import Inputs, check_initial, check_inputs
from nanolstm.language.anatomy import FeedAnatomy, StateAnatomy
from nanolstm.language.cell import Cell
from nanolstm.language.fields import param
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource, glorot, random_source
from nanolstm.language.parameters import Parameters, owned
from nanolstm.language.stepping import start_states
from nanolstm.recording import Recording

if TYPE_CHECKING:
    from nanolstm.streaming import Stepper


class Readout(Cell):
    """A linear layer, `x @ U.T + b`: a cell without states. `hidden` is its width."""

    U: Array = param(("hidden", "inputs"), glorot())
    b: Array = param("hidden", 0.0)

    def step(self, x: Array) -> Array:
        """(..., inputs) to (..., hidden)."""
        return x @ self.U.T + self.b


@attrs.frozen
class Part:
    """One cell at its place in a model.

    `prefix` begins its names, `backward` runs it backward in time, and `joined` says that its output waits for that of
    the part after it, to go up together with it.
    """

    prefix: str
    cell: Cell
    backward: bool = False
    joined: bool = False


def _cells(value: Cell | Several[Cell]) -> tuple[Cell, ...]:
    cells = (value,) if isinstance(value, Cell) else tuple(value) if isinstance(value, list | tuple) else ()
    if not cells or not all(isinstance(cell, Cell) for cell in cells):
        given = f"the class {value.__name__}" if isinstance(value, type) else repr(value)
        raise InputError(f"Sequence({given}): expected a cell, such as ToyLSTM(inputs=2, hidden=3), or a list of cells")
    if len({id(cell) for cell in cells}) < len(cells):
        raise InputError("Sequence: one cell stands twice in the stack; give copies: copy.deepcopy(cell), cell.fresh()")
    if len({cell.dtype for cell in cells}) > 1:
        raise InputError(f"Sequence: the cells differ in dtype: {', '.join(cell.dtype.name for cell in cells)}")
    return cells


@attrs.define(slots=False, eq=False, on_setattr=attrs.setters.frozen)
class Sequence(Derivable):
    """A cell over time, or a stack of cells: from x (T, M) to y (T, N), from x (B, T, M) to y (B, T, N).

    ```python
    import numpy as np
    import nanolstm as nl

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
    y = model(np.zeros((8, 100, 2)), lengths=[100, 90, 80, 70, 60, 50, 40, 30])     # (8, 100, 1)
    y, state = model(np.zeros((100, 2)), return_state=True)                         # state["h"], state["c"]
    y = model(np.zeros((100, 2)), initial=state)                                    # goes on where that ended
    ```

    Args:
        cells: one cell, or a list of them; each one's `inputs` are the `outputs` of the one before.
        bidirectional: run a second cell of the same kind backward over each sequence and join the two outputs; its
            parameters are drawn from `rng`. A stack of such is the rule: both directions feed the next cell.
        backward: the cells that run backward, where they should be certain ones; implies `bidirectional`.
        readout: a linear layer of this width on top.
        learn_initial: make the first states parameters of the model, `"initial.h"` (in a stack
            `"0.forward.initial.h"`), which begin as declared; a reset goes back to them. States that start at infinity
            are left as they are.
        rng: draws what the model itself adds (backward cells, readout); by default derived from the cells' own, so
            that a model of seeded cells is the same each time.
        backend: `"auto"`: kernels that Numba compiles, and NumPy where they cannot be had, or what the environment
            variable NANOLSTM_BACKEND says; `"numba"`: kernels, or an error that says why there are none; `"numpy"`:
            nothing is compiled.

    Attributes:
        parameters: every trained parameter by name: `"input.U"` of a single cell, `"0.input.U"` in a stack,
            `"forward.input.U"` and `"backward.input.U"` in both directions, `"readout.U"`, `"readout.b"`.
        frozen: the parameters that are not trained, named likewise.
        inputs: the width M of x.
        outputs: the width N of y.
        dtype: of parameters, states and outputs.

    Raises:
        InputError: no cell, cells that do not fit each other, an unknown backend.
    """

    cells: tuple[Cell, ...] = attrs.field(converter=_cells)
    bidirectional: bool = attrs.field(default=False, kw_only=True)
    backward: tuple[Cell, ...] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_cells), kw_only=True
    )
    readout: int | None = attrs.field(default=None, kw_only=True)
    learn_initial: bool = attrs.field(default=False, kw_only=True)
    rng: int | RandomSource | None = attrs.field(default=None, repr=False, kw_only=True)
    backend: Literal["auto", "numpy", "numba"] = attrs.field(default="auto", kw_only=True)
    top: Readout | None = attrs.field(init=False, default=None, repr=False)
    _starts: dict[str, Array] = attrs.field(init=False, factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise InputError(f"backend={self.backend!r}: expected one of {', '.join(map(repr, BACKENDS))}")
        rng = random_source(self._own_rng() if self.rng is None else self.rng)
        if self.backward is not None:
            object.__setattr__(self, "bidirectional", True)
            if [(c.inputs, c.outputs, c.dtype) for c in self.backward] != [
                (c.inputs, c.outputs, c.dtype) for c in self.cells
            ]:
                raise InputError(
                    "Sequence: the backward cells differ from the cells in number, inputs, outputs or dtype"
                )
            _cells((*self.cells, *self.backward))
        elif self.bidirectional:
            object.__setattr__(self, "backward", tuple(cell.fresh(rng) for cell in self.cells))
        wide = 2 if self.bidirectional else 1
        for i, (below, above) in enumerate(zip(self.cells, self.cells[1:], strict=False)):
            if above.inputs != wide * below.outputs:
                both = f" in each of two directions, {wide * below.outputs} together" if self.bidirectional else ""
                raise InputError(
                    f"Sequence: cell {i + 1} ({type(above).__name__}) has inputs={above.inputs}, and cell {i} "
                    f"({type(below).__name__}) below it has {below.outputs} outputs{both}; they must be equal"
                )
        if self.readout is not None:
            width = wide * self.cells[-1].outputs
            object.__setattr__(self, "top", Readout(inputs=width, hidden=self.readout, dtype=self.dtype, rng=rng))
        self._check_names()
        self._check_feeds()
        if self.learn_initial:
            self._make_starts()

    def __setstate__(self, saved: Mapping[str, Any]) -> None:
        starts = {key: owned(value) for key, value in saved["_starts"].items()}
        self.__dict__.update({**saved, "_starts": starts})

    @property
    def inputs(self) -> int:
        """The width M of x."""
        return self.cells[0].inputs

    @property
    def outputs(self) -> int:
        """The width N of y."""
        return self.top.outputs if self.top else self.cells[-1].outputs * (2 if self.bidirectional else 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of parameters, states and outputs."""
        dtype: np.dtype[Any] = self.cells[0].dtype
        return dtype

    @property
    def parameters(self) -> Parameters:
        """Every trained parameter by name: views, so that what is written to them is the model's."""
        views = {part.prefix + key: view for part in self.parts() for key, view in part.cell.parameters.items()}
        alone = self.cells[0].parameters.flat if len(list(self.parts())) == 1 and not self._starts else None
        views |= self._starts
        return Parameters(views, alone)

    @property
    def frozen(self) -> Parameters:
        """The parameters that are not trained, by name."""
        return Parameters({part.prefix + key: v for part in self.parts() for key, v in part.cell.frozen.items()})

    @overload
    def __call__(
        self,
        x: Any,
        *,
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        return_state: Literal[False] = False,
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> Array: ...

    @overload
    def __call__(
        self,
        x: Any,
        *,
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        return_state: Literal[True],
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> tuple[Array, dict[str, Array]]: ...

    def __call__(
        self,
        x: Any,
        *,
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        return_state: bool = False,
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> Any:
        """Run over `x`.

        Args:
            x: (T, M) for one sequence, (B, T, M) for a batch; finite numbers, cast to the model's dtype.
            lengths: (B,) ints, how many steps of each sequence are valid. Beyond them y is 0, the state stands still,
                and x may hold anything.
            resets: (B, T) bool ((T,) for one sequence): the state is set back to its declared start before that step.
            initial: first states by name, each (B, ...), or the shape of one example for all; those left out start as
                declared. What `return_state=True` answers with goes in here as it is.
            return_state: answer with (y, state), state being the last states by name, at each sequence's length.
            rng: draws the random masks of cells that have `noise`; without it each is its mean.
            feeds: further inputs that a cell declares, by name: (T,) or (B, T), with a last axis where they are wider.

        Returns:
            y, (T, N) or (B, T, N), a new array each time; with `return_state=True` (y, state).

        Raises:
            InputError: see above; the text says what came and what was expected.
        """
        recording = self._run(x, lengths, resets, initial, rng, feeds, last=return_state)
        return (recording.y, dict(recording.state)) if return_state else recording.y

    def record(
        self,
        x: Any,
        *,
        lengths: Any = None,
        resets: Any = None,
        initial: Mapping[str, Any] | None = None,
        rng: int | RandomSource | None = None,
        **feeds: Any,
    ) -> Recording:
        """Run over `x` and keep every gate, state and local variable of the step; arguments as for calling."""
        return self._run(x, lengths, resets, initial, rng, feeds, last=True, record=True)

    def stepper(self, *, batch: int | None = None, initial: Mapping[str, Any] | None = None) -> Stepper:
        """A model that takes one time step at a time, as data comes in, and carries its state on.

        ```python
        import numpy as np
        import nanolstm as nl

        model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
        y, state = model(np.zeros((100, 2)), return_state=True)
        stepper = model.stepper(initial=state)             # goes on where that ended
        y = stepper(np.zeros(2))                           # (1,)
        ```

        Args:
            batch: how many sequences at once; None for one without an axis for it.
            initial: first states by name, as for calling.

        Raises:
            InputError: a bidirectional model, or states that do not fit.
        """
        from nanolstm.streaming import stepper

        return stepper(self, batch, initial)

    def compile(self, *, gradients: bool = True, loss: str | Callable[..., Any] = "rmse") -> None:
        """Compile the kernels of running, and with `gradients` of `value_and_grad` by the parameters, ahead of time.

        Otherwise each is compiled when it is first needed. They are kept on disk and found there by other processes.

        Args:
            gradients: whether these are wanted.
            loss: what they are the gradients of, as for `value_and_grad`.

        Raises:
            KernelError: with `backend="numba"`, a cell that cannot be compiled.
            TraceError: a step that cannot be traced.
        """
        from nanolstm.gradient.batch import check_batch
        from nanolstm.gradient.bound_loss import halves_of
        from nanolstm.gradient.ready import can_be_bound
        from nanolstm.gradient.run import start
        from nanolstm.losses import loss as find_loss

        function = find_loss(loss)
        feeds = {name: np.zeros((1, feed.size), self.dtype) for name, feed in self.feeds().items()}
        batch = check_batch(self, np.zeros((1, self.inputs)), None, None, None, None, None, None, feeds)
        bound = can_be_bound(self, batch)
        start(self, batch, set(), frugal=bound)
        if gradients:
            start(self, batch, {"parameters"}, derive=True, frugal=bound)
            if bound:
                halves_of(self, function)

    def to_torch(self, *, batch_first: bool = True, bias: bool | None = None) -> Any:
        """A module of PyTorch that computes what this model does, with a copy of its parameters, in its dtype.

        ```python title="needs torch"
        import torch
        import nanolstm as nl

        model = nl.Sequence(nl.cells.LSTM(inputs=3, hidden=5, dtype="float32", rng=0))
        module = model.to_torch()                          # LSTM(3, 5, batch_first=True)
        y, (h, c) = module(torch.zeros(8, 100, 3))         # (8, 100, 5), (1, 8, 5), (1, 8, 5)
        ```

        A model of [`LSTM`][nanolstm.cells.LSTM] or [`ProjectedLSTM`][nanolstm.cells.ProjectedLSTM] becomes a
        `torch.nn.LSTM`, one of [`GRU`][nanolstm.cells.GRU] a `torch.nn.GRU`, one of [`Elman`][nanolstm.cells.Elman] or
        [`ElmanReLU`][nanolstm.cells.ElmanReLU] a `torch.nn.RNN`; so do subclasses of these that differ in nothing but
        first values, or in having no biases. Where PyTorch has two biases and the cell one, it is all in `bias_ih`, and
        `bias_hh` is 0. A model with a readout becomes a module whose parts are called `rnn` and `readout`, and which is
        called as `rnn` is and answers as that does, y being the readout's.

        Args:
            batch_first: of the module; True is the layout of nanolstm.
            bias: whether the module has biases; by default if the cells have any. False where one is not 0 is an error.

        Raises:
            ExchangeError: a cell or a stack that PyTorch has no module for, or first states that are learned; the text
                says what goes, and what to write instead.
            InputError: an argument that is neither True nor False.
            MissingPackageError: PyTorch is not installed.
        """
        from nanolstm.exchange.to_torch import to_torch

        return to_torch(self, batch_first, bias)

    def learned_starts(self, part: Part) -> dict[str, str]:
        """The states of `part` whose start is a parameter, trained or frozen, and its name in the model."""
        return self._learned[part.prefix]

    @cached_property
    def has_learned_starts(self) -> bool:
        """Whether a first state is a parameter."""
        return any(self._learned.values())

    @cached_property
    def _learned(self) -> dict[str, dict[str, str]]:
        return {part.prefix: self._find_learned(part) for part in self._parts}

    def _find_learned(self, part: Part) -> dict[str, str]:
        states = part.cell.anatomy.states
        own = {name: part.prefix + s.start for name, s in states.items() if isinstance(s.start, str)}
        names = {name: f"{part.prefix}initial.{name}" for name in states}
        return own | {name: key for name, key in names.items() if key in self._starts}

    def starts_of(self, part: Part) -> dict[str, Array]:
        """The values of these."""
        known = {**self.frozen, **self.parameters}
        return {name: known[key] for name, key in self.learned_starts(part).items()}

    def parts(self) -> Iterator[Part]:
        """The cells in the order of computation, each with the prefix of its names."""
        return iter(self._parts)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return tuple(self._find_parts())

    def _find_parts(self) -> Iterator[Part]:
        for i, cell in enumerate(self.cells):
            level = f"{i}." if len(self.cells) > 1 else ""
            if self.backward is not None:
                yield Part(f"{level}forward.", cell, joined=True)
                yield Part(f"{level}backward.", self.backward[i], backward=True)
            else:
                yield Part(level, cell)
        if self.top is not None:
            yield Part("readout.", self.top)

    @cached_property
    def lowest(self) -> tuple[Part, ...]:
        """The parts that are given x."""
        return self._parts[: 2 if self._parts[0].joined else 1]

    @cached_property
    def work(self) -> int:
        """About how many operations a time step of one sequence takes, with its gradient."""
        return 50 * sum(math.prod(state.shape) for state in self.states().values()) + 6 * self.size

    @cached_property
    def size(self) -> int:
        """How many numbers its parameters are."""
        return sum(part.cell.parameters.count + part.cell.frozen.count for part in self.parts())

    def states(self) -> Mapping[str, StateAnatomy]:
        """Every state by name: its shape for one example and its start."""
        return self._states

    @cached_property
    def _states(self) -> Mapping[str, StateAnatomy]:
        return {part.prefix + name: s for part in self.parts() for name, s in part.cell.anatomy.states.items()}

    def feeds(self) -> Mapping[str, FeedAnatomy]:
        """Every input beside x by name; a name that several cells declare is one input."""
        return self._feeds

    @cached_property
    def _feeds(self) -> Mapping[str, FeedAnatomy]:
        return {name: f for part in self.parts() for name, f in part.cell.anatomy.feeds.items()}

    def _make_starts(self) -> None:
        taken = self.parameters
        for part in self.parts():
            for name, value in start_states(part.cell).items():
                key = f"{part.prefix}initial.{name}"
                if key in taken:
                    raise InputError(f"Sequence(learn_initial=True): {key!r} is a parameter already; rename the gate")
                if np.isfinite(value).all() and name not in self._find_learned(part):
                    self._starts[key] = value
        if not self._starts:
            raise InputError("Sequence(learn_initial=True): no state with a finite start is left to learn")

    def _check_names(self) -> None:
        seen: set[str] = set()
        for part in self.parts():
            for name in (part.prefix + key for key in (*part.cell.parameters, *part.cell.frozen)):
                if name in seen:
                    raise InputError(
                        f"Sequence(readout={self.readout}): two parameters would be {name!r}, one of the readout, "
                        f"one of {type(self.cells[0]).__name__}; rename the gate or parameter {name.split('.')[0]!r}"
                    )
                seen.add(name)

    def _check_feeds(self) -> None:
        known = self.feeds()
        for part in self.parts():
            for name, feed in part.cell.anatomy.feeds.items():
                if feed != known[name]:
                    raise InputError(
                        f"Sequence: the feed {name!r} is declared differently by its cells, {feed} and {known[name]}; "
                        "a name is one input for all of them"
                    )

    def _own_rng(self) -> RandomSource | None:
        own = self.cells[0].rng
        return np.random.default_rng([int(own), 1]) if isinstance(own, int | np.integer) else own

    def _run(
        self,
        x: Any,
        lengths: Any,
        resets: Any,
        initial: Mapping[str, Any] | None,
        rng: int | RandomSource | None,
        feeds: Mapping[str, Any],
        *,
        last: bool,
        record: bool = False,
    ) -> Recording:
        backend = chosen(self.backend)
        if backend != "numpy":
            try:
                return self._run_planned(x, lengths, resets, initial, rng, feeds, last=last, record=record)
            except TraceError:
                if backend == "numba":
                    raise
        given = check_inputs(
            x, self.inputs, self.dtype, lengths=lengths, resets=resets, feeds=feeds, known_feeds=self.feeds()
        ).cleared
        first = check_initial(initial, self.states(), given.batch, self.dtype)
        noise = None if rng is None else random_source(rng)
        state: dict[str, Array] = {}
        values: dict[str, Array] = {}
        below, joined = given.x, []
        for part in self.parts():
            ran = self._run_part(part, below, given, first, noise, record)
            state |= {part.prefix + name: value for name, value in ran.state.items()}
            values |= {part.prefix + name: value for name, value in ran.values.items()}
            joined.append(ran.y)
            if not part.joined:
                below, joined = np.concatenate(joined, axis=-1) if len(joined) > 1 else joined[0], []
        if given.batch:
            below = np.ascontiguousarray(np.swapaxes(below, 0, 1))
            values = {name: np.swapaxes(value, 0, 1) for name, value in values.items()}
        return Recording(below, state, values)

    def _run_planned(
        self,
        x: Any,
        lengths: Any,
        resets: Any,
        initial: Mapping[str, Any] | None,
        rng: int | RandomSource | None,
        feeds: Mapping[str, Any],
        *,
        last: bool,
        record: bool = False,
    ) -> Recording:
        from nanolstm.gradient.batch import check_batch, in_memory
        from nanolstm.gradient.ready import bound_model
        from nanolstm.gradient.run import start

        batch = check_batch(self, x, lengths, resets, initial, rng, None, None, feeds, look=False)
        own = batch.inputs.batch
        bound = bound_model(self, batch, record=record)
        if bound is not None:
            y, values = bound.answer(self, batch)
            answer = Recording(y, bound.last() if last else {}, values)
            bound.give_back()
            return answer
        batch.inputs.look()
        with in_memory(self, batch) as batch:
            run = start(self, batch, set(), record=record)
            found = run.ahead()
            state = {
                name.removeprefix("last "): np.array(value if own else value[0])
                for name, value in found.items()
                if name.startswith("last ")
            }
            values = {
                name.removeprefix("value "): run.batch.unpack(value)
                for name, value in found.items()
                if name.startswith("value ")
            }
            return Recording(run.batch.unpack(found["output"]), state, values)

    def _run_part(
        self,
        part: Part,
        x: Array,
        given: Inputs,
        first: Mapping[str, Array],
        noise: RandomSource | None,
        record: bool,
    ) -> eager.Run:
        names = part.cell.anatomy
        feeds = {name: given.feeds[name] for name in names.feeds}
        initial = {name: first[part.prefix + name] for name in names.states if part.prefix + name in first}
        order = _reversed_within(given.lengths, len(x), given.batch) if part.backward else None
        resets = given.resets
        if order is not None:
            x, feeds = _reorder(x, order), {name: _reorder(value, order) for name, value in feeds.items()}
            if resets is not None:  # a border before step t is, seen from the other side, before step t - 1
                later = np.concatenate([resets[1:], np.zeros_like(resets[:1])])
                resets = _reorder(later, order)
        ran = eager.run(
            part.cell,
            x,
            starts=self.starts_of(part),
            initial=initial,
            feeds=feeds,
            valid=given.valid,
            resets=resets,
            rng=noise,
            record=record,
        )
        if order is None:
            return ran
        return eager.Run(
            _reorder(ran.y, order), ran.state, {name: _reorder(value, order) for name, value in ran.values.items()}
        )


def _reversed_within(lengths: Array | None, time: int, batch: tuple[int, ...]) -> Array:
    """Indices (T, *batch) that turn each sequence round within its own length; they are their own inverse."""
    steps = np.arange(time)
    if lengths is None:
        return np.broadcast_to(steps[::-1].reshape(-1, *(1,) * len(batch)), (time, *batch))
    turned = lengths[None, :] - 1 - steps[:, None]
    return np.where(turned >= 0, turned, steps[:, None])


def _reorder(value: Array, order: Array) -> Array:
    """`value` (T, *batch, ...) with its steps in `order` (T, *batch)."""
    return np.take_along_axis(value, order.reshape(order.shape + (1,) * (value.ndim - order.ndim)), axis=0)
