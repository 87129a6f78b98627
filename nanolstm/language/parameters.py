"""Named views of one contiguous buffer of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.language.functions import Array


class Parameters(Mapping[str, Array]):
    """Parameters by name, each an array that may be changed in place.

    `parameters["input.U"]` is a view: `parameters["input.U"][...] = 0` writes to the cell, and so does
    `parameters["input.U"] = array`, which copies `array`'s numbers in and so never detaches the cell from its buffer.

    Assignment raises an `InputError` with both shapes, or both dtypes, where they differ: nothing is broadcast or cast
    silently. Lists and numbers take the parameter's dtype. An unknown name is an `UnknownNameError`, a `KeyError` that
    suggests the nearest.
    """

    def __init__(
        self, views: Mapping[str, Array], flat: Array | None = None, elsewhere: Mapping[str, str] = {}
    ) -> None:
        """`views` by name; `flat` is the buffer that holds just them; `elsewhere` explains names not here."""
        self._views = dict(views)
        self._flat = flat
        self._elsewhere = elsewhere

    @property
    def flat(self) -> Array:
        """All numbers, in the order of the names, as one vector.

        Of one cell it is the buffer itself, and may be written to. Of a model of several parts it is a copy that cannot
        be written to, for nothing would come of it: write to the names.
        """
        if self._flat is not None:
            return self._flat
        joined = np.concatenate([view.ravel() for view in self._views.values()]) if self._views else np.zeros(0)
        joined.flags.writeable = False
        return joined

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles have a buffer of their own, of which their names are views."""
        shapes = {name: view.shape for name, view in self._views.items()}
        return _rebuilt, (np.array(self.flat), shapes, dict(self._elsewhere))

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(view.size for view in self._views.values())

    def __getitem__(self, name: str) -> Array:
        try:
            return self._views[name]
        except KeyError:
            raise UnknownNameError(f"no parameter {name!r}: {self._hint(name)}") from None

    def __setitem__(self, name: str, value: Any) -> None:
        assign(self[name], value, name)

    def __contains__(self, name: object) -> bool:
        return name in self._views

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return f"Parameters({', '.join(f'{name} {view.shape}' for name, view in self._views.items())})"

    def _hint(self, name: str) -> str:
        return self._elsewhere.get(name) or nearest(name, self._views)


def owned(array: Array) -> Array:
    """Return `array` if it is an ordinary one that can be trained in place, else a copy that can.

    joblib unpickles large arrays as maps of a file, which cannot be written to, or are another process's as well.
    """
    ordinary = type(array) is np.ndarray and array.flags.writeable and array.flags.c_contiguous
    return array if ordinary and array.dtype.isnative else np.array(array, array.dtype.newbyteorder("="), order="C")


def _rebuilt(flat: Array, shapes: Mapping[str, tuple[int, ...]], elsewhere: Mapping[str, str]) -> Parameters:
    flat = owned(flat)
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes.values())])
    pieces = zip(shapes.items(), ends, ends[1:], strict=False)
    return Parameters({name: flat[a:b].reshape(shape) for (name, shape), a, b in pieces}, flat, elsewhere)


def assign(view: Array, value: Any, name: str) -> None:
    """Copy `value` into `view`, the parameter `name`.

    Raises:
        InputError: another shape, or an array of another dtype, or something that is no number.
    """
    if isinstance(value, np.ndarray) and value.dtype != view.dtype:
        raise InputError(
            f"{name}: an array of {value.dtype} was assigned to a parameter of {view.dtype} (shapes {value.shape} and "
            f"{view.shape}); convert it with .astype({view.dtype.name!r})"
        )
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal length
        array = np.asarray(None)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name}: {value!r} is no array of numbers of shape {view.shape}")
    if array.shape != view.shape:
        raise InputError(
            f"{name}: an array of shape {array.shape} was assigned to a parameter of shape {view.shape}"
            + (f"; to set all to one number write parameters[{name!r}][...] = {value}" if array.shape == () else "")
        )
    view[...] = array


class HasParameters:
    """An object whose parameters are attributes; assigning to one copies into the buffer that the cell trains."""

    def _hold(self, name: str, value: Any, key: str) -> None:
        """Make `value` (a view of the buffer, or what stands in for it) the attribute `name`, the parameter `key`."""
        self.__dict__[name] = value
        self.__dict__.setdefault("_held", {})[name] = key

    def __setattr__(self, name: str, value: Any) -> None:
        held = self.__dict__.get("_held", {})
        if name in held:
            assign(self.__dict__[name], value, held[name])
        else:
            object.__setattr__(self, name, value)
