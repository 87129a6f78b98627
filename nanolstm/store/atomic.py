"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nanolstm.errors import FileAccessError

_ABANDONED = 3600.0
"""Seconds after which an unfinished file is that of a process that was killed: none takes so long between writes."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file, open for writing, that takes the place of `path` when the block ends without an error.

    Until then it bears another name in the same folder, and whatever happens, `path` is either what it was or the new
    file, complete and on the disk. A link stays a link, and a file's permissions stay as they are.

    ```python
    from pathlib import Path
    from nanolstm.store.atomic import replacing

    with replacing(Path("numbers.txt")) as file:
        file.write(b"1 2 3")
    ```

    Raises:
        FileAccessError: the operating system refuses; `path` is untouched.
    """
    place = _place_of(path)
    stem = f".{place.name[:40]}."
    _remove_abandoned(place.parent, stem)
    unfinished = place.with_name(f"{stem}{secrets.token_hex(6)}.part")
    try:
        try:
            with unfinished.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if place.exists():
                shutil.copymode(place, unfinished)
            os.replace(unfinished, place)  # noqa: PTH105  # beside fsync, whose other half it is
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, error.strerror or error) from error
    _sync(place.parent)


def _place_of(path: Path) -> Path:
    """Where `path` leads in the end."""
    try:
        place = Path(os.path.realpath(path))
        if place.is_dir():
            raise _refused(path, "it is a folder")
        if not place.parent.is_dir():
            raise _refused(path, f"there is no folder {place.parent}")
    except FileAccessError:
        raise
    except OSError as error:
        raise _refused(path, error.strerror or error) from error
    except ValueError as error:  # a null byte
        raise _refused(path, error) from error
    return place


def _refused(path: Path, reason: object) -> FileAccessError:
    return FileAccessError(f"{path} cannot be written: {reason}")


def _remove_abandoned(folder: Path, stem: str) -> None:
    with contextlib.suppress(OSError):
        for left in folder.glob("*.part"):
            if left.name.startswith(stem) and time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()


def _sync(folder: Path) -> None:
    """Bring the new name to the disk as well, where a folder can be opened (on Windows it cannot)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
