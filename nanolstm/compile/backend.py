"""What a program runs on: kernels that Numba compiles, or NumPy."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np

from nanolstm.compile.memory import Memory
from nanolstm.compile.numpy_target import program
from nanolstm.compile.steps import Steps
from nanolstm.compile.writer import Wanted
from nanolstm.errors import InputError, KernelError, KernelWarning, one_line

BACKENDS = ("auto", "numpy", "numba")


class Runnable(Protocol):
    """A program, whatever it runs on."""

    def __call__(
        self, steps: Steps, dtype: np.dtype[Any], given: Mapping[str, Any], memory: Memory | None = None
    ) -> dict[str, Any]:
        """From inputs by name to outputs by name, last states as "last h"; other outputs may be of `memory`."""


def made(runs: Sequence[Wanted], kernel: str) -> list[Runnable]:
    """Programs that belong together; `kernel` is the dtype of those that are compiled, or "" for NumPy.

    Raises:
        KernelError: it cannot be compiled; the text says why.
    """
    if not kernel:
        return [program(run.graph, run.carried) for run in runs]
    if why := _no_numba():
        raise KernelError(why)
    from nanolstm.compile.kernel import compiled_kernels

    return [*compiled_kernels(runs, kernel)]


@cache
def _no_numba() -> str:
    """Why there is no Numba here, or nothing: a version that does not fit to NumPy's refuses to be imported."""
    # Submodules without their package are left by Ctrl-C during an import (numba 0.68); the next one would be broken.
    if "numba" not in sys.modules and any(name.startswith("numba.") for name in sys.modules):
        return "an earlier import of Numba was interrupted; start a new process (or restart the notebook's kernel)"
    try:
        import numba  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name == "numba":
            return "Numba is not installed; it comes with nanolstm for the versions of Python it is made for"
        return f"Numba cannot be imported: {one_line(error)}"
    except Exception as error:  # noqa: BLE001  # whatever it stumbles over, NumPy runs
        return f"Numba cannot be imported: {one_line(error)}"
    return ""


def chosen(backend: str) -> str:
    """The backend of a model: its own, and for "auto" that of the environment variable NANOLSTM_BACKEND, if any.

    Raises:
        InputError: it names none.
    """
    if backend != "auto":
        return backend
    given = os.environ.get("NANOLSTM_BACKEND", "").strip() or "auto"
    if given not in BACKENDS:
        raise InputError(f"NANOLSTM_BACKEND={given!r}: expected one of {', '.join(BACKENDS)}")
    return given


_told: set[str] = set()


def tell_once(reason: str) -> None:
    """Warn that NumPy takes over, once for each reason."""
    if reason not in _told:
        _told.add(reason)
        warnings.warn(f"{reason}; NumPy runs it instead, more slowly", KernelWarning, stacklevel=2)
