"""The words of the cell language: what may stand in the body of a cell or gate class.

Each function returns an attrs field that carries a frozen description; `nanolstm.anatomy` turns the
descriptions of one class into names and shapes. A size is an int, the name of an attribute of the cell (`"hidden"`,
`"inputs"`, a field, a property), or a tuple of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from nanolstm.errors import CellError
from nanolstm.functions import Array
from nanolstm.initialisers import Initialiser

if TYPE_CHECKING:
    from nanolstm.gates import Gate

State: TypeAlias = Array
"""The annotation of a state that is declared as a field."""

Size: TypeAlias = int | str | tuple[int | str, ...]
KEY = "nanolstm"


@attrs.frozen
class Dense:
    """A full matrix, (size, width of what it reads)."""

    reads: str


@attrs.frozen
class Diagonal:
    """A vector that multiplies element by element, (size,)."""

    reads: str


@attrs.frozen
class Blocks:
    """A block-diagonal matrix, (heads, size / heads, width / heads)."""

    reads: str
    heads: int | str


@attrs.frozen
class Tied:
    """A weight that is another gate's: `gate.weight`."""

    to: str


Weight: TypeAlias = Dense | Diagonal | Blocks | Tied


@attrs.frozen(kw_only=True)
class GateField:
    """A gate as it is declared: its weights in the order of their values, its bias, its kind and that kind's fields."""

    activation: Callable[[Array], Array]
    kind: type[Gate]
    size: Size
    weights: Mapping[str, Any]
    bias: bool | Tied
    init: Initialiser | Mapping[str, Initialiser] | None
    frozen: bool
    options: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class ParamField:
    """A free parameter as it is declared."""

    shape: Size
    init: Initialiser
    frozen: bool
    project: Callable[[Array], Array] | None


@attrs.frozen(kw_only=True)
class StateField:
    """A state as it is declared."""

    size: Size
    start: float | Array


@attrs.frozen(kw_only=True)
class FeedField:
    """An input beside `x` as it is declared."""

    size: int | str
    default: float | None


@attrs.frozen(kw_only=True)
class NoiseField:
    """A random mask as it is declared."""

    p: float | str
    size: int | str
    per: Literal["step", "sequence"]


class _Mark:
    """A value that is told by its identity, also after it was pickled: it is found again under its own name."""

    name = ""

    def __reduce__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


class _FirstState(_Mark):
    """What `W` reads unless told."""

    name = "FIRST_STATE"


class Absent(_Mark):
    """What stands in the place of an inherited gate or parameter that a cell does without."""

    name = "absent"

    def __call__(self, *_: Any) -> Any:
        """Say what is wrong where a step still calls it."""
        raise CellError("this gate is declared `absent` in the class of the cell; take its call out of `step`")


FIRST_STATE = _FirstState()
absent: Any = Absent()
"""Removes an inherited field together with its parameters: `forget = absent`."""


def gate(
    act: Callable[[Array], Array],
    *,
    kind: type[Gate] | None = None,
    size: Size = "hidden",
    bias: bool | Tied = True,
    U: Any = "x",
    W: Any = FIRST_STATE,
    init: Initialiser | Mapping[str, Initialiser] | None = None,
    frozen: bool = False,
    **weights: Any,
) -> Any:
    """Declare a gate: `act(x @ U.T + h @ W.T + b)`, called in `step` as `self.<name>(x, h)`.

    ```python
    import numpy as np
    from nanolstm import Cell, Gate, gate, sigmoid, diagonal

    class Peephole(Cell):
        input: Gate = gate(sigmoid, P=diagonal("c"))       # U (K, M), W (K, K), P (K,), b (K,)
        new: Gate = gate(np.tanh, bias=False)

        def step(self, x, h, c):
            c = c + self.input(x, h, c) * self.new(x, h)   # one value for each weight: U's, W's, P's
            return np.tanh(c), np.tanh(c), c
    ```

    Args:
        act: the activation, a function of an array.
        kind: a subclass of `Gate` that works otherwise (layer norm, another product).
        size: how many units; by default the hidden size K.
        bias: whether there is a `b` of shape (size,), or `tied("other.b")`.
        U: what the first weight multiplies: a name of which only the width matters (`"x"`, a state, a feed, another
            gate, a size), `diagonal(...)`, `blocks(...)`, `tied(...)`, or None to leave it out.
        W: the same for the second weight; by default the first state of `step`.
        init: an initialiser for all weights, or a mapping from weight names (and `"b"`; `"*"` for all others) to
            initialisers. By default weights are standard normal and biases 0, as in the notebook.
        frozen: keep the gate's parameters out of training, and in `cell.frozen`.
        weights: further weights by name, their values passed in this order after U's and W's; a name that is a field
            of `kind` sets that field instead.

    Raises:
        CellError: an activation that is no function, a `kind` that is no Gate, a weight's value that names nothing.
    """
    if not callable(act):
        raise CellError(f"gate({act!r}): the activation must be a function of an array, such as sigmoid or np.tanh")
    from nanolstm.gates import Gate

    kind = kind or Gate
    if not (isinstance(kind, type) and issubclass(kind, Gate)):
        raise CellError(f"gate(kind={kind!r}): expected a subclass of Gate")
    options = {name: weights.pop(name) for name in kind.option_names() if name in weights}
    all_weights = {"U": U, "W": W, **weights}
    for name in weights:
        if name == "b" or hasattr(kind, name) or name in kind.own_names():
            raise CellError(f"gate({name}={weights[name]!r}): {name!r} is the gate's own; rename the weight")
    for name, weight in all_weights.items():
        if not (weight is None or weight is FIRST_STATE or isinstance(weight, str | Diagonal | Blocks | Tied)):
            raise CellError(
                f"gate({name}={weight!r}): a weight's value names what it multiplies: a string such as 'x' or 'h', "
                "diagonal(...), blocks(...), tied(...), or None to leave it out"
            )
    return _field(
        GateField(
            activation=act,
            kind=kind,
            size=size,
            weights={name: Dense(w) if isinstance(w, str) else w for name, w in all_weights.items() if w is not None},
            bias=bias,
            init=init,
            frozen=frozen,
            options=options,
        )
    )


def diagonal(reads: str) -> Diagonal:
    """A weight that is a vector and multiplies `reads` element by element, as a peephole does."""
    return Diagonal(reads)


def blocks(reads: str, heads: int | str) -> Blocks:
    """A block-diagonal weight: each of `heads` (a number or an attribute of the cell) sees its own part of `reads`."""
    return Blocks(reads, heads)


def tied(to: str) -> Tied:
    """A weight shared with another gate: `W=tied("update.W")`. It is trained once and listed once, under that name."""
    if to.count(".") != 1:
        raise CellError(f"tied({to!r}): name the gate and its weight, for example tied('update.W')")
    return Tied(to)


def param(
    shape: Size,
    init: Initialiser,
    *,
    frozen: bool = False,
    project: Callable[[Array], Array] | None = None,
) -> Any:
    """Declare a free parameter of a cell or of a gate, read in `step` as `self.<name>`.

    ```python
    from nanolstm import Array, Cell, param, softplus

    class Leaky(Cell):
        rate: Array = param("hidden", 0.0)          # trained freely; softplus keeps what the step uses positive

        def step(self, x, h):
            h = h / (1 + softplus(self.rate)) + x
            return h, h
    ```

    Args:
        shape: a size or a tuple of sizes; in a gate, `"size"` is the gate's.
        init: an initialiser: a number, an array, or a function of (rng, shape).
        frozen: keep it out of training, and in `cell.frozen`.
        project: keeps the parameter where it belongs: `lambda a: np.clip(a, 0, 1)`. `cell.project()` applies it.
    """
    return _field(ParamField(shape=shape, init=init, frozen=frozen, project=project))


def state(size: Size = "hidden", start: float | Array = 0.0) -> Any:
    """Declare a state of `step` that has another size (a tuple for a matrix) or another first value than zeros.

    An argument of `step` after `x` that no field declares is a state of the hidden size that starts at 0.

    Args:
        size: a size, or a tuple of sizes for a state of several axes, (..., *size).
        start: its value before the first step and after a reset: a number (`-np.inf` too), or an array of its shape.
    """
    return _field(StateField(size=size, start=start))


def feed(size: int | str = 1, default: float | None = None) -> Any:
    """Declare another input beside `x`, such as an irregular time step: an argument of `step`, given by name.

    `model(x, dt=dt)` with `dt` of shape (T,) or (B, T) where the size is 1, else (T, size) or (B, T, size). Without a
    `default` it must be given.

    Args:
        size: its width.
        default: its value where the model is called without it; None if it must be given.
    """
    return _field(FeedField(size=size, default=default))


def noise(p: float | str, size: int | str = "hidden", per: Literal["step", "sequence"] = "step") -> Any:
    """Declare a random mask: an argument of `step` that is 1 with probability `p` and 0 otherwise.

    Drawn anew at each step (or once `per` sequence) when the model is called with `rng=`, as in training; otherwise
    every element is the mean, `p`. `p` may name a field of the cell. Zoneout (Krueger et al. 2017):
    `h = hold * h + (1 - hold) * new_h`.

    Args:
        p: the probability of a 1, from 0 to 1, or the name of a field of the cell.
        size: the width of the mask.
        per: `"step"` draws a mask for every time step, `"sequence"` one for the whole sequence.

    Raises:
        CellError: another word for `per`.
    """
    if per not in ("step", "sequence"):
        raise CellError(f"noise(per={per!r}): expected 'step' or 'sequence'")
    return _field(NoiseField(p=p, size=size, per=per))


def _field(description: Any) -> Any:
    return attrs.field(init=False, repr=False, metadata={KEY: description})
