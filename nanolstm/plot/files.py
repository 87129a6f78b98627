"""Pictures as files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nanolstm.errors import FileAccessError, InputError, nearest
from nanolstm.store.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_picture(path: Path) -> None:
    """Find out before any work is done whether a picture can be written to `path`.

    Raises:
        InputError: a format that there is not, or a folder that there is not.
    """
    _ending(path)
    try:
        if path.is_dir() or not path.parent.is_dir():
            raise InputError(f"{path}: {'is a folder' if path.is_dir() else f'there is no folder {path.parent}'}")
        path.exists()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write `figure` whole or not at all; the ending chooses the format: `.png`, `.svg`, `.pdf`.

    Raises:
        InputError: a format that there is not, or a file that cannot be written.
    """
    path = Path(path)
    ending = _ending(path)
    try:
        with replacing(path) as file:
            figure.savefig(file, format=ending, dpi=120)
    except FileAccessError as error:
        raise InputError(str(error)) from None


def _ending(path: Path) -> str:
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    ending = path.suffix.lower().lstrip(".")
    if ending not in formats:
        raise InputError(f"{path}: no picture format {ending!r}; {nearest(ending, formats, 'formats')}")
    return ending
