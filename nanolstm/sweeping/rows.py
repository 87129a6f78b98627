"""The file of a sweep: the rows of its finished members, and what they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.errors import (
    CheckpointMismatchError,
    DamagedFileError,
    FileAccessError,
    ForeignFileError,
    NewerFileError,
    one_line,
)
from nanolstm.store.atomic import replacing
from nanolstm.store.trial import same, tried
from nanolstm.store.values import decoded, encoded, parsed
from nanolstm.sweeping.member import COLUMNS, SETTINGS, Member, Row
from nanolstm.train.examples import by_name
from nanolstm.train.identity import shown

_FORM = "nanolstm sweep"
_VERSION = 1

Identity: TypeAlias = dict[str, dict[str, Any]]
"""What the rows are of: a checksum of each series, what each cell computes, each option as Python shows it."""


def identity_of(members: Iterable[Member]) -> Identity:
    """The identity of a sweep; its settings are not in it, for more of them may be asked for later."""
    data: dict[str, Any] = {}
    cells: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for member in members:
        if member.series not in data:
            data[member.series] = _checksum(by_name(member.data, f"series {member.series!r}"))
        if member.cell not in cells:
            cells[member.cell] = _tried(attrs.evolve(member, size=4, seed=0))
        if not options:
            given = {"score": str(member.score), "readout": member.readout, **member.options}
            options = {name: shown(value) for name, value in sorted(given.items()) if name != "callbacks"}
    return {"series": data, "cells": cells, "options": options}


@attrs.define
class Finished:
    """Rows of members that have ended well, on the disk as soon as each is there, if a path is given."""

    path: Path | None
    identity: Identity
    rows: dict[tuple[Any, ...], Row] = attrs.field(factory=dict)

    def find(self, member: Member) -> Row | None:
        """The row of a member, if it has one with all that is asked for."""
        row = self.rows.get(_key(member.settings))
        return None if row is None or (member.keeps_history and "history" not in row) else row

    def add(self, row: Row) -> None:
        """Keep one more."""
        self.rows[_key(row)] = row
        if self.path is None:
            return
        body = encoded({**self.identity, "rows": [*self.rows.values()]}, "the rows of a sweep")
        text = json.dumps({_FORM: _VERSION, "checksum": _digest(body), **body}, indent=1, allow_nan=False)
        with replacing(self.path) as file:
            file.write(text.encode())


def finished(path: Path | None, identity: Identity) -> Finished:
    """What the file at `path` holds, or nothing where there is none yet.

    Raises:
        CheckpointMismatchError: its rows are of other data, other cells or other options.
        StoreError: it cannot be read or used.
    """
    if path is not None and not path.parent.is_dir():
        raise FileAccessError(f"{path} cannot be written: there is no folder {path.parent}")
    if path is None or not path.exists():
        return Finished(path, identity)
    kept, rows = _read(path)
    found = [
        f"{part[:-1] if part != 'series' else part} {name!r}: {kept[part].get(name)} then, {now.get(name)} now"
        for part, now in identity.items()
        for name in (now.keys() | kept[part].keys() if part == "options" else now.keys() & kept[part].keys())
        if not _alike(part, kept[part].get(name), now.get(name))
    ]
    if found:
        raise CheckpointMismatchError(
            f"{path} holds rows of another sweep. {'; '.join(sorted(found))}. Give another file, or delete this one"
        )
    return Finished(
        path, {part: {**kept[part], **now} for part, now in identity.items()}, {_key(row): row for row in rows}
    )


def _read(path: Path) -> tuple[Identity, list[Row]]:
    try:
        told = parsed(path.read_bytes())
    except OSError as error:
        raise FileAccessError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DamagedFileError(f"{path} is no file of a sweep, or is cut off: {one_line(error)}") from None
    if not isinstance(told, dict) or not isinstance(told.get(_FORM), int):
        raise ForeignFileError(f"{path} is no file of a sweep; give file= another name")
    if told.pop(_FORM) > _VERSION:
        raise NewerFileError(f"{path} was written by a later version of nanolstm; read it with that one")
    if told.pop("checksum", None) != _digest(told):
        raise DamagedFileError(f"{path} is not as it was written; delete it, or restore it from a copy")
    try:
        body = decoded(told)
        rows = [{**row} for row in body.pop("rows") if row.keys() >= set(COLUMNS)]
        return {part: {**body[part]} for part in ("series", "cells", "options")}, rows
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DamagedFileError(f"{path} is no file that a sweep has written") from None


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in SETTINGS)


def _alike(part: str, then: Any, now: Any) -> bool:
    if part == "cells" and then and now:
        return same(then["makes"], now["makes"], now["dtype"])
    return part == "cells" or then == now


def _tried(member: Member) -> Any:
    try:
        made = member.made_cell()
        made = made if isinstance(made, list | tuple) else [made]
        makes = [tried(cell) for cell in made]
    except Exception:  # noqa: BLE001  # the member itself will say what is wrong
        return None
    if any(one is None for one in makes):
        return None
    return {"dtype": made[0].dtype.name, "makes": [numbers for one in makes if one for numbers in one]}


def _digest(body: Any) -> str:
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).hexdigest()


def _checksum(given: Mapping[str, Any]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for name, value in sorted(given.items()):
        if value is None:  # of which NumPy makes an address
            continue
        for part in value if isinstance(value, list | tuple) else [value]:
            array = np.ascontiguousarray(part)
            digest.update(f"{name} {array.shape} {array.dtype}".encode() + array.tobytes())
    return digest.hexdigest()
