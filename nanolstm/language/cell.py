"""A recurrent cell: fields that declare what it has, and one `step` that says what it does."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast

import attrs
import numpy as np
from numpy.typing import DTypeLike

from nanolstm.errors import CellError, InputError, nearest
from nanolstm.language.anatomy import Anatomy
from nanolstm.language.declaration import Declared, fields_of, settings_of
from nanolstm.language.dropout import unused_settings
from nanolstm.language.fields import KEY
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource, first_values, random_source
from nanolstm.language.observe import Tell, observed
from nanolstm.language.parameters import Parameters, owned
from nanolstm.language.projections import bring_back
from nanolstm.language.resolve import resolve
from nanolstm.language.stepping import read_only, try_step


def _positive(cell: Cell, field: attrs.Attribute[int], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{type(cell).__name__}({field.name}={value!r}): expected an int from 1 on")


def _plain_int(value: Any) -> Any:
    """Return an int of any kind as Python's own: one of NumPy, or of an enumeration, prints in its own way."""
    return int(value) if isinstance(value, int | np.integer) and not isinstance(value, bool) else value


def _float_dtype(value: DTypeLike) -> np.dtype[Any]:
    try:
        dtype = np.dtype(value)
    except TypeError:
        dtype = np.dtype(object)
    if dtype not in (np.float32, np.float64):
        raise InputError(f"dtype={value!r}: expected 'float32' or 'float64'")
    return dtype


class Cell(Declared):
    """One step of a recurrent network. Subclass it, declare gates and parameters, and write `step` in plain NumPy.

    ```python
    import numpy as np
    import nanolstm as nl
    from nanolstm import Cell, Gate, gate, sigmoid

    class GRU(Cell):
        update: Gate = gate(sigmoid)               # U (K, M), W (K, K), b (K,)
        reset: Gate = gate(sigmoid)
        new: Gate = gate(np.tanh)

        def step(self, x, h):                      # arguments after x name the states
            z, r = self.update(x, h), self.reset(x, h)
            h = (1 - z) * h + z * self.new(x, r * h)
            return h, h                            # the output, then the new states in step's own order

    cell = GRU(inputs=2, hidden=3, rng=0)
    cell.parameters["update.U"].shape              # (3, 2)
    y = nl.Sequence(cell)(np.zeros((100, 2)))      # (100, 3)
    ```

    In `step`, `x` has shape (..., M) and a state (..., K) (or what its field declares): a leading batch axis may be
    there or not, so features are always on the last axis, `x @ A.T` and never `A @ x`. A step that has no states is a
    layer, and returns its output alone.

    A subclass is an attrs class without being decorated: its annotated attributes become fields, settable by keyword.

    Args:
        inputs: the width M of `x`.
        hidden: the hidden size K.
        dtype: `"float64"` or `"float32"`, of parameters, states and outputs.
        rng: where first values are drawn from: a seed, a `numpy.random.Generator`, a `numpy.random.RandomState` (used
            as it is) or None for other numbers each time.
        input_dropout: the share of `x` that is 0 in training, the rest being divided by what is kept (Srivastava et al.
            2014). Like the following four it acts where a model is given an `rng`, as `nl.fit` does, and nowhere else;
            its masks are recorded, here as `keep_x`, and stay in the kernel.
        output_dropout: the same of the output, `keep_output`. The states are left as they are.
        recurrent_dropout: the share of a state that no gate sees, the same for all steps of a sequence and all gates,
            `keep_h` (Gal and Ghahramani 2016). It acts where a matrix of a gate multiplies a state, or what the step
            puts in its place; the state itself, and what a peephole sees of it, stay whole.
        zoneout: the share of a state that stays as it was before the step, `hold_h` (Krueger et al. 2017); outside of
            training each unit goes that part of the way, its mean. A number for all states, or one for each by name:
            `{"c": 0.5, "h": 0.05}`.
        variational: whether dropout of inputs and outputs has one mask for a sequence, too, and not one for each step.

    Attributes:
        outputs: the width N of the output, found by one step from zeros when the cell is made.
        parameters: what is trained, by name, each a view of one buffer; see [`Parameters`][nanolstm.Parameters].
        frozen: the parameters that are not trained.
        anatomy: the declarations, resolved to names and shapes.

    Raises:
        CellError: the class declares something that cannot be, or its step does not fit its declarations; dropout or
            zoneout of what the cell does not have.
        InputError: a size, dtype, rng or rate that is none.
    """

    inputs: int = attrs.field(converter=_plain_int, validator=_positive)
    hidden: int = attrs.field(converter=_plain_int, validator=_positive)
    outputs: int = attrs.field(init=False)
    dtype: Any = attrs.field(default="float64", converter=_float_dtype)
    rng: int | RandomSource | None = attrs.field(default=None)
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    zoneout: float | Mapping[str, float] = 0.0
    variational: bool = False
    anatomy: Anatomy = attrs.field(init=False)
    parameters: Parameters = attrs.field(init=False)
    frozen: Parameters = attrs.field(init=False)

    if TYPE_CHECKING:  # at run time a class without a step is told so in our own words

        def step(self, *args: Any, **kwargs: Any) -> Any:
            """One step; written by each cell."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse to make a cell of no kind."""
        if cls is Cell:
            raise CellError("Cell itself has no step; subclass it and write `def step(self, x, h)`")
        return super().__new__(cls, *args, **kwargs)

    def __attrs_post_init__(self) -> None:
        if not callable(inspect.getattr_static(type(self), "step", None)):
            raise CellError(f"{type(self).__name__} has no method step; write `def step(self, x, h)`")
        parts = resolve(self)
        rng = random_source(self.rng)
        # Drawn in the order of declaration, which is the notebook's; laid out with what is trained first.
        drawn = {key: first_values(p.init, rng, p.shape, key) for key, p in parts.parameters.items()}
        buffer = np.concatenate([drawn[key].ravel() for key in parts.layout()] or [np.zeros(0)]).astype(self.dtype)
        self._attach(parts, buffer)
        self.initialise(rng)
        self.project()
        self._measure()

    def _measure(self) -> None:
        """Find out the width of the output, by a step from zeros."""
        self.__dict__["outputs"] = try_step(self)
        if self.output_dropout:  # whose mask has that width
            self.__dict__["anatomy"] = resolve(self)

    def initialise(self, rng: RandomSource) -> None:
        """Override to change first values after all are drawn, for example to scale a weight by its spectral radius.

        What is declared with `project=` is brought back where it belongs after that.
        """

    def fresh(self, rng: int | RandomSource | None = None) -> Self:
        """A cell of the same class and sizes with newly drawn parameters."""
        return cast("Self", attrs.evolve(cast("Any", self), rng=rng))

    def project(self) -> None:
        """Bring each parameter that was declared with `project=` back where it belongs.

        Done when the cell is made, and by [`nl.fit`][nanolstm.fit] after each update.

        Raises:
            InputError: a projection that does not fit the parameter, or that yields another shape or dtype.
        """
        for key, part in self.anatomy.parameters.items():
            if part.project is not None:
                bring_back((self.frozen if part.frozen else self.parameters)[key], part.project, key)

    def __repr__(self) -> str:
        hidden = {"rng", "dtype", *unused_settings(self)}
        shown = {name: getattr(self, name) for name in settings_of(type(self)) if name not in hidden}
        shown["dtype"] = self.dtype.name
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __getattr__(self, name: str) -> Any:
        """Say what there is where a step reads a gate or a parameter by a wrong name."""
        if hasattr(type(self), name):  # a property of the class that fails itself
            return object.__getattribute__(self, name)
        known = self.__dict__.get("anatomy")
        if known is None or name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{type(self).__name__} has no {name!r}; "
            f"{nearest(name, [*known.gates, *known.params, *settings_of(type(self))], 'gates, parameters and fields')}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if "_running" in self.__dict__:
            raise CellError(
                f"{type(self).__name__}.step sets self.{name}; what a step keeps is a state: take it as an "
                "argument and return it"
            )
        known = self.__dict__.get("anatomy")
        if known is None or name in self.__dict__.get("_held", ()):
            super().__setattr__(name, value)
            return
        if name in known.gates or name in ("inputs", "hidden", "dtype", "outputs", "rng", "parameters", "frozen"):
            raise CellError(f"{type(self).__name__}.{name} is fixed once a cell is made; make a new cell")
        settings = settings_of(type(self))
        if name not in settings:
            raise CellError(
                f"{type(self).__name__} has no field {name!r}: {nearest(name, [*settings, *known.params])}. A cell is "
                f"its fields and its parameters; declare what it needs beside: `{name}: ... = ...`"
            )
        before = self.__dict__[name]
        try:
            field = next(f for f in fields_of(type(self)) if f.name == name)
            super().__setattr__(name, attrs.setters.convert(cast("Any", self), field, value))
            attrs.validate(cast("Any", self))
            parts = resolve(self)
            if not parts.same_shapes(known):
                raise CellError(  # noqa: TRY301  (whatever is wrong, the old value comes back)
                    f"{type(self).__name__}.{name} = {value!r} would change the shapes of its parameters or states; "
                    f"make a new cell: attrs.evolve(cell, {name}={value!r})"
                )
        except Exception:
            super().__setattr__(name, before)
            raise
        self.__dict__["anatomy"] = parts
        for verdict in ("_examples_are_separate", "_comparing"):  # another branch of the step may mix them
            self.__dict__.pop(verdict, None)

    def __copy__(self) -> Self:
        raise CellError("copy.copy would leave two cells with one buffer; use copy.deepcopy(cell)")

    def __getstate__(self) -> dict[str, Any]:
        derived = ("anatomy", "parameters", "frozen")
        names = [f.name for f in fields_of(type(self)) if KEY not in f.metadata and f.name not in derived]
        fields = {name: getattr(self, name) for name in names}
        return {"fields": fields, "layout": self.anatomy.layout(), "buffer": self.__dict__["_buffer"]}

    def __setstate__(self, saved: Mapping[str, Any]) -> None:
        self.__dict__.update(saved["fields"])
        parts = resolve(self)
        if list(saved["layout"].items()) != list(parts.layout().items()):
            raise CellError(
                f"{type(self).__name__} has changed since this was pickled: its parameters were "
                f"{_shapes(saved['layout'])}, and are {_shapes(parts.layout())}"
            )
        self._attach(parts, owned(saved["buffer"]))

    def _attach(self, parts: Anatomy, buffer: Array) -> None:
        """Make `buffer` the cell's numbers: trained ones first, each parameter a view."""
        self.__dict__.update(anatomy=parts, _buffer=buffer)
        trained: dict[str, Array] = {}
        frozen: dict[str, Array] = {}
        for key, (place, shape, is_frozen) in parts.layout().items():
            (frozen if is_frozen else trained)[key] = buffer[place].reshape(shape)
        count = sum(view.size for view in trained.values())
        self.__dict__["parameters"] = Parameters(
            trained, buffer[:count], {key: f"it is frozen, and stands in .frozen[{key!r}]" for key in frozen}
        )
        self.__dict__["frozen"] = Parameters(
            frozen, buffer[count:], {key: f"it is trained, and stands in .parameters[{key!r}]" for key in trained}
        )
        self._bind({**trained, **frozen})

    def reading(self, values: Mapping[str, Any] | None = None, tell: Tell | None = None) -> Self:
        """A cell like this one whose parameters are `values` by key, and which tells each gate's value to `tell`.

        Without `values` it reads this cell's own numbers, and cannot write to them. It is for running `step` and not
        for keeping: whatever runs, watches or traces a step does so through such a twin, which cannot be set.
        """
        if values is None:
            values = {key: read_only(value) for key, value in {**self.parameters, **self.frozen}.items()}
        twin = object.__new__(type(self))
        # What a step reads by key is what it reads by attribute.
        trained, frozen = ({key: values[key] for key in own} for own in (self.parameters, self.frozen))
        # Not the numbers themselves, nor what was once computed from them and kept.
        kept = {name for name in self.__dict__ if isinstance(getattr(type(self), name, None), cached_property)}
        twin.__dict__.update({name: value for name, value in self.__dict__.items() if name not in {*kept, "_buffer"}})
        twin.__dict__.update(_held={}, parameters=Parameters(trained), frozen=Parameters(frozen))
        twin._bind(values, tell)
        twin.__dict__["_running"] = True
        return twin

    def _bind(self, values: Mapping[str, Any], tell: Tell | None = None) -> None:
        """Make gates and parameters read `values`."""
        for name, key in self.anatomy.params.items():
            self._hold(name, values[key], key)
        for name, part in self.anatomy.gates.items():
            kind = observed(cast("Any", part.kind)) if tell else part.kind
            made = kind(
                name=name,
                activation=part.activation,
                size=part.size,
                products=part.products,
                owner=type(self).__name__,
                **part.options,
            )
            if tell:
                made.__dict__["tell"] = tell
            for attribute, key in part.keys.items():
                made._hold(attribute, values[key], key)
            self.__dict__[name] = made


def _shapes(layout: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {shape}" for key, (_, shape, _) in layout.items())
