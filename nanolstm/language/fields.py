"""The words of the cell language beside `gate`: what else may stand in the body of a cell or gate class.

Each function returns an attrs field that carries a frozen description; `resolve` turns the descriptions of one class
into names and shapes. A size is an int, the name of an attribute of the cell (`"hidden"`, `"inputs"`, a field, a
property), or a tuple of these.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from nanolstm.errors import CellError
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import Initialiser
from nanolstm.language.projections import Projection, check_projection

State: TypeAlias = Array
"""The annotation of a state that is declared as a field."""

Size: TypeAlias = int | str | tuple[int | str, ...]
KEY = "nanolstm"


@attrs.frozen(kw_only=True)
class ParamField:
    """A free parameter as it is declared."""

    shape: Size
    init: Initialiser
    frozen: bool
    project: Projection | None


@attrs.frozen(kw_only=True)
class StateField:
    """A state as it is declared."""

    size: Size
    start: float | Array | str


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
    inverted: bool


class Mark:
    """A value that is told by its identity, also after it was pickled: it is found again under its own name."""

    name = ""

    def __reduce__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


class Absent(Mark):
    """What stands in the place of an inherited gate or parameter that a cell does without."""

    name = "absent"

    def __call__(self, *_: Any) -> Any:
        """Say what is wrong where a step still calls it."""
        raise CellError("this gate is declared `absent` in the class of the cell; take its call out of `step`")


absent: Any = Absent()
"""Removes an inherited field together with its parameters: `forget = absent`."""


def param(
    shape: Size,
    init: Initialiser,
    *,
    frozen: bool = False,
    project: Projection | None = None,
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
        project: keeps the parameter where it belongs, from its first value on and after each update: `nl.positive()`,
            `nl.spectral_radius(0.9)`, `nl.nearest_orthogonal()`, or a function of an array such as
            `lambda a: np.clip(a, 0, 1)`. `cell.project()` applies it.

    Raises:
        CellError: a projection that is no function.
    """
    if project is not None:
        check_projection(project, "param(project=...)")
    return declared_field(ParamField(shape=shape, init=init, frozen=frozen, project=project))


def state(size: Size = "hidden", start: float | Array | str = 0.0) -> Any:
    """Declare a state of `step` that has another size (a tuple for a matrix) or another first value than zeros.

    An argument of `step` after `x` that no field declares is a state of the hidden size that starts at 0.

    Args:
        size: a size, or a tuple of sizes for a state of several axes, (..., *size).
        start: its value before the first step and after a reset: a number (`-np.inf` too), an array of its shape, or
            the name of a `param` of its shape, for a start that is learned.
    """
    return declared_field(StateField(size=size, start=start))


def feed(size: int | str = 1, default: float | None = None) -> Any:
    """Declare another input beside `x`, such as an irregular time step: an argument of `step`, given by name.

    `model(x, dt=dt)` with `dt` of shape (T,) or (B, T) where the size is 1, else (T, size) or (B, T, size). Without a
    `default` it must be given.

    Args:
        size: its width.
        default: its value where the model is called without it; None if it must be given.
    """
    if default is not None and (isinstance(default, bool) or not isinstance(default, int | float)):
        raise CellError(f"feed(default={default!r}): expected a number, or None if the feed must be given")
    return declared_field(FeedField(size=size, default=default))


def noise(
    p: float | str,
    size: int | str = "hidden",
    per: Literal["step", "sequence"] = "step",
    *,
    inverted: bool = False,
) -> Any:
    """Declare a random mask: an argument of `step` that is 1 with probability `p` and 0 otherwise.

    Drawn anew at each step (or once `per` sequence) when the model is called with `rng=`, as in training; otherwise
    every element is the mean, `p`. `p` may name a field of the cell. Zoneout (Krueger et al. 2017):
    `h = hold * h + (1 - hold) * new_h`. Both, and dropout, are also settings of every cell: see
    [`Cell`][nanolstm.Cell].

    Args:
        p: the probability of a 1, from 0 to 1, or the name of a field of the cell.
        size: the width of the mask.
        per: `"step"` draws a mask for every time step, `"sequence"` one for the whole sequence.
        inverted: 1 / p in the place of 1, so that the mean is 1, as dropout has it: `x * keep` is `x` outside of
            training.

    Raises:
        CellError: another word for `per`.
    """
    if per not in ("step", "sequence"):
        raise CellError(f"noise(per={per!r}): expected 'step' or 'sequence'")
    return declared_field(NoiseField(p=p, size=size, per=per, inverted=inverted))


def declared_field(description: Any) -> Any:
    """An attrs field that carries `description` and is no setting."""
    return attrs.field(init=False, repr=False, metadata={KEY: description})
