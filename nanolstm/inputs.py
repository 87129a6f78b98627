"""What a model is given, checked and laid out for a run: time first, features last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm.errors import InputError, nearest
from nanolstm.language.anatomy import FeedAnatomy, StateAnatomy
from nanolstm.language.functions import Array
from nanolstm.language.resolve import ARGUMENTS_OF_A_MODEL


@attrs.define(eq=False)
class Inputs:
    """A batch (or one sequence, batch = ()) that has passed every check.

    Attributes:
        x: (T, *batch, M).
        feeds: by name, (T, *batch, size); like x, anything beyond a sequence's length.
        lengths: (B,) or None.
        valid: (T, B) bool, False beyond a sequence's length; None where all is valid.
        resets: (T, *batch) bool or None.
    """

    x: Array
    feeds: Mapping[str, Array]
    lengths: Array | None
    valid: Array | None
    resets: Array | None

    @property
    def cleared(self) -> Inputs:
        """The same, with 0 beyond each sequence's length."""
        if self.valid is None:
            return self
        return attrs.evolve(
            self, x=_where(self.valid, self.x), feeds={name: _where(self.valid, v) for name, v in self.feeds.items()}
        )

    def look(self) -> None:
        """Look at the values of x and of the feeds.

        Raises:
            InputError: one is not finite; padding may hold anything.
        """
        for name, array in {"x": self.x, **self.feeds}.items():
            _check_finite(array, name, self.valid)

    @property
    def batch(self) -> tuple[int, ...]:
        """() for one sequence, (B,) for a batch."""
        return tuple(self.x.shape[1:-1])


def check_inputs(
    x: Any,
    width: int,
    dtype: np.dtype[Any],
    *,
    lengths: Any = None,
    resets: Any = None,
    feeds: Mapping[str, Any],
    known_feeds: Mapping[str, FeedAnatomy],
    look: bool = True,
) -> Inputs:
    """Check everything that comes with one call of a model; without `look` all but the values of x and the feeds.

    Raises:
        InputError: a wrong rank, width, type or value; the text says what came and what was expected.
    """
    array = numbers(x, "x", dtype)
    if array.ndim not in (2, 3):
        raise InputError(
            f"x has shape {array.shape}; expected (T, M) for one sequence or (B, T, M) for a batch, with M = {width}"
            + (" (for one feature write x[:, None])" if array.ndim == 1 else "")
        )
    if 0 in array.shape:
        raise InputError(
            f"x has shape {array.shape}: an empty sequence; expected at least one time step and one example"
        )
    if array.shape[-1] != width:
        raise InputError(
            f"x has {array.shape[-1]} features (shape {array.shape}); expected {width}, the model's inputs"
        )
    batched = array.ndim == 3
    time = array.shape[1] if batched else array.shape[0]
    batch = array.shape[:1] if batched else ()
    ends = _lengths(lengths, batch, time)
    valid = None if ends is None or (ends == time).all() else np.arange(time)[:, None] < ends
    found = Inputs(
        _time_first(array, batched),
        check_feeds(feeds, known_feeds, batch, time, dtype),
        ends,
        valid,
        _resets(resets, batch, time, valid),
    )
    if look:
        found.look()
    return found


def x_and_feeds(x: Array, given: Mapping[str, Array], others: Mapping[str, Array]) -> Inputs:
    """The inputs of a call that brings nothing else, if shapes and dtypes like these have passed every check before.

    Those that were `given` have the axes of x, or but one feature and no axis for it; the `others` are as in a run.
    """
    batched = x.ndim == 3
    if given:
        whole = ((name, value if value.ndim == x.ndim else value[..., None]) for name, value in given.items())
        others = {**others, **{name: _time_first(value, batched) for name, value in whole}}
    return Inputs(_time_first(x, batched), others, None, None, None)


def check_initial(
    given: Mapping[str, Any] | None, known: Mapping[str, StateAnatomy], batch: tuple[int, ...], dtype: np.dtype[Any]
) -> dict[str, Array]:
    """The initial states that were given, by name, each (*batch, ...).

    Raises:
        InputError: no mapping, an unknown state, a shape that is neither (*batch, ...) nor that of one example, NaN.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(
            f"initial is a {type(given).__name__}; expected a mapping of states by name, such as return_state=True "
            f"answers with: {{{', '.join(f'{name!r}: array' for name in known)}}}"
        )
    states = {}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"initial has a state {name!r} that the model does not: {nearest(str(name), known)}")
        array = numbers(value, f"initial[{name!r}]", dtype)
        shape = known[name].shape
        if array.shape not in (shape, (*batch, *shape)):
            either = f"{(*batch, *shape)}" + (f", or {shape} for all examples" if batch else "")
            raise InputError(f"initial[{name!r}] has shape {array.shape}; expected {either}")
        if np.isnan(array).any():
            raise InputError(f"initial[{name!r}] has {np.isnan(array).sum()} NaN of {array.size} values")
        states[name] = np.array(np.broadcast_to(array, (*batch, *shape)))
    return states


def numbers(value: Any, name: str, dtype: np.dtype[Any] | None) -> Array:
    """`value` as an array of `dtype`, or of its own.

    Raises:
        InputError: it is masked, ragged, or holds something other than real numbers.
    """
    if type(value) is np.ndarray and value.dtype == dtype:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise InputError(f"{name} is a masked array, whose mask would be lost; fill it first, with .filled(...)")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} is no array ({error}); sequences of unequal length are padded to one array and given with lengths="
        ) from None
    if array.dtype.kind not in "biuf":
        convert = f" ({dtype}); convert it with .astype({dtype.name!r})" if dtype else ""
        raise InputError(f"{name} has dtype {array.dtype}; expected numbers{convert}")
    if dtype is None:
        return array
    with np.errstate(over="ignore"):  # told below: what does not fit is no finite number any more
        return array.astype(dtype, copy=False)


def _time_first(array: Array, batched: bool) -> Array:
    return array.swapaxes(0, 1) if batched else array


def _check_finite(array: Array, name: str, valid: Array | None) -> None:
    """Look whether all that is valid of an array (T, *batch, size) is finite; padding may hold anything."""
    finite = np.isfinite(array)
    if finite.all():
        return
    bad = ~finite if valid is None else ~finite & valid[..., None]
    if bad.any():
        t, *example, feature = (int(i) for i in np.argwhere(bad)[0])
        where = ", ".join([*(f"example {b}" for b in example), f"time step {t}", f"feature {feature}"])
        what = "NaN" if np.isnan(array[(t, *example, feature)]) else "infinity"
        if what == "infinity" and array.dtype == np.float32:
            what = "infinity, or a number too large for float32,"
        raise InputError(
            f"{name} has {what} at {where} ({bad.sum()} of {array.size} values are not finite); fill or drop them first"
        )


def _where(valid: Array, array: Array) -> Array:
    return np.where(valid[..., None], array, np.zeros((), array.dtype))


def _lengths(lengths: Any, batch: tuple[int, ...], time: int) -> Array | None:
    if lengths is None:
        return None
    if not batch:
        raise InputError(
            "lengths= goes with a batch, x of shape (B, T, M); cut a single sequence to its length instead"
        )
    array = numbers(lengths, "lengths", None)
    if array.shape != batch or array.dtype.kind not in "iu":
        raise InputError(f"lengths has shape {array.shape} and dtype {array.dtype}; expected {batch} integers")
    if array.min() < 1 or array.max() > time:
        b = int(np.argmax((array < 1) | (array > time)))
        raise InputError(f"lengths[{b}] is {array[b]}; expected 1 to {time}, the steps of x")
    return array


def _resets(resets: Any, batch: tuple[int, ...], time: int, valid: Array | None) -> Array | None:
    if resets is None:
        return None
    array = np.asarray(resets)
    if array.dtype != np.bool_ or array.shape != (*batch, time):
        raise InputError(
            f"resets has shape {array.shape} and dtype {array.dtype}; expected {(*batch, time)} of bool: True where "
            "the state is set back before that step"
        )
    array = _time_first(array, bool(batch))
    return array if valid is None else array & valid  # beyond its length a state stands still


def check_feeds(
    given: Mapping[str, Any],
    known: Mapping[str, FeedAnatomy],
    batch: tuple[int, ...],
    time: int,
    dtype: np.dtype[Any],
) -> dict[str, Array]:
    """The feeds of a model by name, (T, *batch, size): those that were `given`, or else their defaults.

    Raises:
        InputError: one that the model does not know, or lacks; another shape.
    """
    for name in given:
        if name not in known:
            if name in ARGUMENTS_OF_A_MODEL:
                raise InputError(f"{name}= is an argument of other methods of a model, and not of this one")
            others = ["lengths", "resets", "initial", "rng"]
            raise InputError(f"the model has no feed {name!r}: {nearest(name, [*known, *others], 'arguments')}")
    feeds = {}
    for name, part in known.items():
        value = given.get(name, part.default)
        shape = (*batch, time, part.size)
        if value is None:
            raise InputError(f"the model needs the feed {name!r}; give it by name: {name}=array of shape {shape}")
        array = numbers(value, name, dtype)
        if part.size == 1 and array.shape == shape[:-1]:
            array = array[..., None]
        if array.shape not in ((), shape):
            raise InputError(f"{name} has shape {array.shape}; expected {shape}")
        feeds[name] = _time_first(np.broadcast_to(array, shape), bool(batch))
    return feeds
