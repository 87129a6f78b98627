"""`nl.save` and `nl.load`: models as files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nanolstm.compile.backend import BACKENDS
from nanolstm.errors import (
    CellMismatchError,
    DamagedFileError,
    DescriptionError,
    InputError,
    NanolstmError,
    UnknownNameError,
    one_line,
)
from nanolstm.language.cell import Cell
from nanolstm.language.declaration import settings_of
from nanolstm.language.dropout import unused_settings
from nanolstm.language.functions import Array
from nanolstm.language.restore import restored
from nanolstm.sequence import Sequence
from nanolstm.store import archive
from nanolstm.store.classes import CellClasses, by_name, find
from nanolstm.store.trial import same, tried
from nanolstm.store.values import encoded, shown

KIND = "model"


def save(model: Sequence, path: str | os.PathLike[str]) -> None:
    """Write `model` to a file, whole or not at all.

    ```python
    import nanolstm as nl

    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0), readout=1)
    nl.save(model, "model.safetensors")
    model = nl.load("model.safetensors")
    ```

    The file is a safetensors file: parameters, trained and frozen, under their names, and in the header's metadata a
    description in JSON: each cell's class by name, its fields, the stack, directions, readout, learned first states,
    backend. A seed (`rng=0`) is kept, the state of a generator is not.

    Args:
        model: the model.
        path: of the file, by convention `*.safetensors`; its folder must be there. An older file stays as it is until
            the new one is complete and on the disk.

    Raises:
        InputError: `model` is no `Sequence`.
        DescriptionError: a field of a cell has a value that is not plain: a function, an array, an object.
        FileAccessError: the operating system refuses; an older file is untouched.
    """
    if type(model) is not Sequence:
        hint = "; write nl.save(nl.Sequence(cell), path)" if isinstance(model, Cell) else ""
        raise InputError(f"save({shown(model)}): expected an nl.Sequence itself{hint}")
    arrays = {**model.frozen, **model.parameters}
    description = {
        "cells": [_describe(cell, path) for cell in model.cells],
        "backward": [_describe(cell, path) for cell in model.backward] if model.backward is not None else None,
        "readout": model.readout if model.readout is None else int(model.readout),
        "learn_initial": bool(model.learn_initial),
        "rng": _seed(model.rng),
        "backend": model.backend,
    }
    archive.write(path, arrays, description, kind=KIND)


def load(path: str | os.PathLike[str], cells: CellClasses = (), *, verify: bool = True) -> Sequence:
    """The model that `save` wrote to `path`: the same to the last bit.

    Classes of cells are found by their names: among those that are handed in, then among registered ones (see
    [`nanolstm_register_cells`][nanolstm.hookspecs.nanolstm_register_cells]). Nothing that the file says is imported or
    run, and each class is compared with what was saved: its fields, the names and shapes of its parameters, and what
    its step makes of a few inputs.

    ```python
    import numpy as np
    import nanolstm as nl
    from nanolstm import Cell, Gate, gate

    class Leaky(Cell):
        leak: float = 0.5
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = (1 - self.leak) * h + self.leak * self.new(x, h)
            return h, h

    nl.save(nl.Sequence(Leaky(inputs=2, hidden=3, leak=0.25)), "leaky.safetensors")
    nl.load("leaky.safetensors", cells=[Leaky]).cells[0].leak               # 0.25
    ```

    Args:
        path: of the file.
        cells: classes of cells that are not registered: one, several, or a mapping from the names in the file to
            classes where they have been renamed since.
        verify: False loads the parameters into a class whose step computes something else than it did when it was
            saved.

    Raises:
        MissingFileError: there is no such file.
        FileAccessError: it cannot be read.
        DamagedFileError: a bit of it is not as it was written, or it is no file of a model (`ForeignFileError`).
        NewerFileError: a later version of nanolstm wrote it in another format.
        UnknownNameError: a class is neither registered nor handed in.
        CellMismatchError: a class has other fields or parameters, or computes something else.
        InputError: `cells` are no classes of cells.
    """
    given = by_name(cells)
    held = archive.read(path, kind=KIND)
    try:
        return _rebuilt(Path(path), held, given, verify)
    except _MisdescribedError as error:
        raise DamagedFileError(f"{path} is damaged, or made up: {error}") from None


class _MisdescribedError(Exception):
    """A description that `save` does not write."""


def _describe(cell: Cell, path: str | os.PathLike[str]) -> dict[str, Any]:
    cls = type(cell)
    elsewhere = {"inputs", "hidden", "dtype", "rng", *unused_settings(cell)}
    names = [name for name in settings_of(cls) if name not in elsewhere]
    for name in names:
        try:
            encoded(getattr(cell, name), f"{cls.__name__}.{name}")
        except DescriptionError as error:
            raise DescriptionError(
                f"{path} cannot be written: {error}. An array can be a frozen parameter, param(shape, array, "
                "frozen=True); a function can be an attribute of the class, or be looked up by a name that is the field"
            ) from None
    return {
        "class": cls.__name__,
        "module": cls.__module__,
        "inputs": int(cell.inputs),
        "hidden": int(cell.hidden),
        "dtype": cell.dtype.name,
        "rng": _seed(cell.rng),
        "settings": {name: getattr(cell, name) for name in names},
        "parameters": [*cell.parameters],
        "frozen": [*cell.frozen],
        "trial": tried(cell),
    }


def _seed(rng: Any) -> int | None:
    return int(rng) if isinstance(rng, int | np.integer) else None


def _rebuilt(path: Path, held: archive.Archive, given: Mapping[str, type[Cell]], verify: bool) -> Sequence:
    told, arrays = held.description, dict(held.arrays)
    many = _field(told, "cells", list)
    back = _field(told, "backward", list, type(None))
    readout = _field(told, "readout", int, type(None))
    learned = _field(told, "learn_initial", bool)
    if not many or (back is not None and len(back) != len(many)) or _field(told, "backend", str) not in BACKENDS:
        raise _MisdescribedError("it describes no model")
    levels = [f"{i}." if len(many) > 1 else "" for i in range(len(many))]
    forward = "forward." if back is not None else ""
    cells = [_cell(path, a, level + forward, arrays, given, verify) for a, level in zip(many, levels, strict=True)]
    behind = back and [
        _cell(path, a, f"{level}backward.", arrays, given, verify) for a, level in zip(back, levels, strict=True)
    ]
    # Compared before a readout of that width is made.
    if readout is not None and (arrays["readout.b"].shape if "readout.b" in arrays else None) != (readout,):
        raise _MisdescribedError(f"its readout of width {shown(readout)} has no parameters")
    try:
        model = Sequence(
            cells,
            backward=behind,
            readout=readout,
            learn_initial=learned,
            rng=_field(told, "rng", int, type(None)),
            backend=told["backend"],
        )
    except NanolstmError as error:
        raise _MisdescribedError(one_line(error)) from None
    own = {**model.frozen, **model.parameters}
    if {name: (a.shape, a.dtype) for name, a in own.items()} != {
        name: (a.shape, a.dtype) for name, a in arrays.items()
    }:
        raise _MisdescribedError("its arrays are not the parameters of the model that it describes")
    for name, view in own.items():
        view[...] = arrays[name]
    return model


def _cell(
    path: Path,
    told: Any,
    prefix: str,
    arrays: Mapping[str, Array],
    given: Mapping[str, type[Cell]],
    verify: bool,
) -> Cell:
    name, dtype, settings = _field(told, "class", str), _field(told, "dtype", str), _field(told, "settings", dict)
    try:
        cls = find(name, _field(told, "module", str), given)
    except UnknownNameError as error:
        raise UnknownNameError(f"{path}: {error}") from None
    keys = [*_field(told, "parameters", list), *_field(told, "frozen", list)]
    lost = [key for key in keys if not isinstance(key, str) or prefix + key not in arrays]
    if lost:
        raise _MisdescribedError(f"it lacks the parameter {shown(lost[0])} of the {shown(name)} {prefix!r}")
    values = {key: arrays[prefix + key] for key in keys}
    sizes = {size: _field(told, size, int) for size in ("inputs", "hidden")}
    rng = _field(told, "rng", int, type(None))
    try:
        cell = restored(cls, {**settings, **sizes, "dtype": dtype, "rng": rng}, values)
    except Exception as error:  # the class's own code runs on what the file says
        raise CellMismatchError(
            f"{path} holds a {name!r} that the class {cls.__qualname__} of {cls.__module__} does not fit: "
            f"{one_line(error)}"
        ) from error
    if verify and not same(told.get("trial"), tried(cell), dtype):
        raise CellMismatchError(
            f"{path}: the class {cls.__qualname__} of {cls.__module__} computes something else than {name!r} did when "
            "it was saved: its step, a gate or an activation has changed. nl.load(path, verify=False) loads the "
            "parameters all the same"
        )
    return cell


def _field(told: Any, name: str, *kinds: type) -> Any:
    value = told.get(name, _MisdescribedError) if isinstance(told, dict) else _MisdescribedError
    if type(value) not in kinds:
        raise _MisdescribedError(f"its description lacks {name!r}, or says {shown(value)}")
    return value
