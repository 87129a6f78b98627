"""Arrays by name and a description of them, in one file that is whole or refused.

The file is a safetensors file, which any reader of that format opens: the arrays under their names, and in the header's
metadata one entry, `nanolstm`, which is JSON:

    {"sha256": ..., "format": 1, "kind": "model", "version": "0.1.0", "description": ...}

`sha256` is that of the whole file with 64 zeros in its own place, so that no bit of it can change unnoticed. Whatever a
later format changes, these five keys stay, and the checksum is made like this.

Nothing in a file is run, imported or used as a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import attrs
import numpy as np

from nanolstm import __version__
from nanolstm.errors import (
    DamagedFileError,
    DescriptionError,
    FileAccessError,
    ForeignFileError,
    MissingFileError,
    NewerFileError,
    StoreError,
)
from nanolstm.language.functions import Array
from nanolstm.store.atomic import replacing
from nanolstm.store.values import decoded, encoded, parsed, shown

FORMAT = 1
"""Raised by one when a file comes to hold what an older version could not read."""

_KEY = "nanolstm"
_BLANK = b"0" * 64
_LONGEST_HEADER = 100_000_000
"""Bytes: what safetensors itself allows."""

DTYPES = {
    "BOOL": "bool",
    **{f"I{n}": f"int{n}" for n in (8, 16, 32, 64)},
    **{f"U{n}": f"uint{n}" for n in (8, 16, 32, 64)},
    **{f"F{n}": f"float{n}" for n in (16, 32, 64)},
}
"""What an array may hold: safetensors' names and NumPy's."""

_FOREIGN = {
    b"PK": "a zip archive, as PyTorch and numpy.savez write them",
    b"\x80": "a pickle, which nanolstm neither writes nor reads",
    b"\x93NUMPY": "an array that numpy.save wrote",
    b"\x89HDF": "an HDF5 file, as Keras writes them",
}
"""How other files begin that are taken for models."""


@attrs.frozen(eq=False)
class Archive:
    """What a file holds: arrays by name, each the reader's own, and the description that was written with them."""

    arrays: dict[str, Array]
    description: dict[str, Any]


def write(
    path: str | os.PathLike[str], arrays: Mapping[str, Any], description: Mapping[str, Any], *, kind: str
) -> None:
    """Write `arrays` and their `description` to one file, which takes the place of an older one when it is complete.

    Args:
        path: of the file; its folder must be there.
        arrays: bool, int, uint and float arrays of any shape.
        description: plain values; see `nanolstm.store.values.encoded`.
        kind: what it is a file of; only what asks for this kind reads it.

    Raises:
        DescriptionError: an array or a value that a file cannot hold.
        FileAccessError: the operating system refuses; an older file is untouched.
    """
    path = Path(path)
    held = {name: _plain(path, name, array) for name, array in arrays.items()}
    try:
        told = encoded(dict(description), "the description")
    except DescriptionError as error:
        raise DescriptionError(f"{path} cannot be written: {error}") from None
    envelope = {"sha256": _BLANK.decode(), "format": FORMAT, "kind": kind, "version": __version__, "description": told}
    whole = _serialized(held, json.dumps(envelope, allow_nan=False, separators=(",", ":")))
    place = _place_of_checksum(whole, _BLANK)
    digest = hashlib.sha256(whole).hexdigest().encode()
    with replacing(path) as file:
        for piece in (memoryview(whole)[:place], digest, memoryview(whole)[place + len(digest) :]):
            file.write(piece)


def read(path: str | os.PathLike[str], *, kind: str) -> Archive:
    """What `write` wrote to `path`, or an error: never something else.

    Raises:
        MissingFileError: there is no such file.
        FileAccessError: it cannot be read.
        ForeignFileError: it is no file of nanolstm's, or of another kind.
        DamagedFileError: a bit of it is not as it was written.
        NewerFileError: a later version of nanolstm wrote it in another format.
    """
    path = Path(path)
    with _opened(path) as file:
        start, envelope = _envelope(path, file)
        whole = start + file.read()
    _check(path, whole, envelope, kind)
    try:
        arrays = _deserialized(whole)
        description = decoded(envelope["description"])
    except (ValueError, OverflowError) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error
    if not isinstance(description, dict):
        raise DamagedFileError(f"{path} is damaged: its description is {shown(description)}, and no dict")
    return Archive(arrays, description)


def _plain(path: Path, name: Any, array: Any) -> Array:
    """`array` as a file holds it: contiguous, little-endian."""
    if not isinstance(name, str) or not name or name == "__metadata__" or not name.isprintable():
        raise DescriptionError(f"{path} cannot be written: {name!r} is no name of an array")
    array = np.asarray(array, order="C")
    if array.dtype.name not in DTYPES.values():
        raise DescriptionError(
            f"{path} cannot be written: the array {name!r} is of dtype {array.dtype}; a file holds "
            f"{', '.join(DTYPES.values())}"
        )
    plain: Array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return plain


def _serialized(arrays: Mapping[str, Array], told: str) -> bytes:
    from safetensors import TensorSpec, serialize

    specs = {
        name: TensorSpec(dtype=a.dtype.name, shape=a.shape, data_ptr=a.ctypes.data, data_len=a.nbytes)
        for name, a in arrays.items()
    }
    return serialize(specs, {_KEY: told})


def _deserialized(whole: bytes) -> dict[str, Array]:
    """The arrays by name.

    Raises:
        ValueError: offsets, shapes and dtypes that do not go together, or a dtype that we do not write.
    """
    from safetensors import SafetensorError, deserialize

    try:
        tensors = deserialize(whole)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"its table of arrays is wrong: {error}") from error
    arrays = {}
    for name, tensor in tensors:
        if tensor["dtype"] not in DTYPES:
            raise ValueError(f"the array {name!r} is of dtype {tensor['dtype']}, which nanolstm does not write")
        dtype = np.dtype(DTYPES[tensor["dtype"]])
        if dtype == np.bool_ and max(tensor["data"], default=0) > 1:
            raise ValueError(f"the array {name!r} is of dtype bool and holds something else")
        flat = np.frombuffer(tensor["data"], dtype.newbyteorder("<")).astype(dtype, copy=False)
        arrays[name] = flat.reshape(tensor["shape"])
    return arrays


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        _refuse_special(path)
        with path.open("rb") as file:
            yield file
    except StoreError:
        raise
    except FileNotFoundError:
        raise MissingFileError(f"{path}: there is no such file") from None
    except OSError as error:
        raise FileAccessError(f"{path} cannot be read: {error.strerror or error}") from error
    except MemoryError:
        raise FileAccessError(f"{path} cannot be read: it is larger than the memory") from None


def _refuse_special(path: Path) -> None:
    """Of a pipe the end would be waited for, and a device has none."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a null byte
        raise MissingFileError(f"{path!r}: {error}") from None
    if not stat.S_ISREG(mode):
        raise FileAccessError(f"{path} cannot be read: it is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}")


def _envelope(path: Path, file: BinaryIO) -> tuple[bytes, dict[str, Any]]:
    """The beginning of the file up to the end of its header, and what the header says of it; the rest is not read."""
    start = file.read(8)
    size, length = os.fstat(file.fileno()).st_size, int.from_bytes(start, "little")
    for begin, what in _FOREIGN.items():
        if start.startswith(begin) and length > _LONGEST_HEADER:
            raise ForeignFileError(f"{path} is no file of nanolstm's: it looks like {what}")
    if len(start) < 8 or length > size - 8 or length > _LONGEST_HEADER:
        why = "it is empty" if not start else f"its {size} bytes are a part of it, or no safetensors file"
        raise DamagedFileError(f"{path} is damaged: {why}")
    start += file.read(length)
    try:
        header = parsed(start[8:])
    except ValueError as error:
        raise DamagedFileError(f"{path} is damaged, or no safetensors file: {error}") from None
    told = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get(_KEY), str):
        raise ForeignFileError(f"{path} is no file of nanolstm's: its header has no description under {_KEY!r}")
    try:
        envelope = parsed(told[_KEY])
    except ValueError as error:
        raise DamagedFileError(f"{path} is damaged: its description is no JSON: {error}") from None
    for key, kind in {"sha256": str, "format": int, "kind": str, "version": str}.items():
        if not isinstance(envelope, dict) or type(envelope.get(key)) is not kind:
            raise DamagedFileError(f"{path} is damaged: its description lacks {key!r}")
    if not re.fullmatch("[0-9a-f]{64}", envelope["sha256"]):
        raise DamagedFileError(f"{path} is damaged: its checksum is none")
    return start, envelope


def _check(path: Path, whole: bytes, envelope: Mapping[str, Any], kind: str) -> None:
    digest = envelope["sha256"].encode()
    try:
        place = _place_of_checksum(whole, digest)
    except ValueError:
        raise DamagedFileError(f"{path} is damaged: its checksum is in no place for one") from None
    sum_ = hashlib.sha256(memoryview(whole)[:place])
    sum_.update(_BLANK)
    sum_.update(memoryview(whole)[place + len(_BLANK) :])
    if sum_.hexdigest().encode() != digest:
        raise DamagedFileError(
            f"{path} is damaged: its checksum is wrong, so it was cut off or changed after it was written"
        )
    written = f"{path} was written by nanolstm {shown(envelope['version'])} in format {shown(envelope['format'])}"
    if envelope["format"] > FORMAT:
        raise NewerFileError(
            f"{written}; this is nanolstm {__version__}, which reads formats up to "
            f"{FORMAT}: pip install --upgrade nanolstm"
        )
    if envelope["format"] < 1 or "description" not in envelope:
        raise DamagedFileError(f"{written}, which there never was")
    if envelope["kind"] != kind:
        raise ForeignFileError(f"{path} holds a {shown(envelope['kind'])}; expected a {kind!r}")


def _place_of_checksum(whole: bytes, digest: bytes) -> int:
    """Where in the file the checksum stands: in a JSON text inside of a JSON text.

    Raises:
        ValueError: nowhere.
    """
    before = b'\\"sha256\\":\\"'
    return whole.index(before + digest) + len(before)
