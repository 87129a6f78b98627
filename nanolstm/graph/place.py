"""Which line of the author's own code is running: neither NumPy's, nor Python's, nor nanolstm's."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import TypeAlias

import numpy as np

Place: TypeAlias = tuple[str, int]
"""A file and the number of a line."""

_PACKAGE, _INSTALLED = Path(__file__).parents[1], Path(np.__file__).parents[1]
_LIBRARIES = tuple(f"{path}{os.sep}" for path in (_PACKAGE, *(_INSTALLED / n for n in ("numpy", "scipy", "pandas"))))
_AUTHORS_TOO = f"{_PACKAGE / 'cells'}{os.sep}"  # the zoo's cells are written as anybody's
_PYTHON = f"{sysconfig.get_path('stdlib')}{os.sep}"


def authors_line(frames: Iterable[tuple[FrameType, int]] | None = None) -> Place:
    """File and line of the innermost author's code among `frames`, innermost first, or in what is running."""
    file, line = "", 0
    for frame, number in traceback.walk_stack(sys._getframe(1)) if frames is None else frames:
        file, line = frame.f_code.co_filename, number
        if not in_library(file):
            break
    return file, line


@lru_cache(maxsize=4096)
def in_library(file: str) -> bool:
    """Whether the code in `file` is no author's."""
    if file.startswith(_AUTHORS_TOO):
        return False
    inside_python = file.startswith(_PYTHON) and "site-packages" not in file and "dist-packages" not in file
    return inside_python or file.startswith((*_LIBRARIES, "<frozen ", "<attrs "))
