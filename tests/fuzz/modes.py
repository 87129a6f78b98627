"""The ways in which a model is run: step by step, in NumPy programs, in interpreted kernels, in machine code."""

from __future__ import annotations

import importlib
import warnings
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

import nanolstm as nl

from .interpreter import interpreted
from .surroundings import Surroundings

EAGER, PLANNED, INTERPRETED, MACHINE = "eager", "planned", "interpreted", "machine"
"""`EAGER` runs the author's step, and derives in NumPy programs; `PLANNED` runs these forward, too."""

BACKENDS = {EAGER: "numpy", PLANNED: "auto", INTERPRETED: "numba", MACHINE: "numba"}

SLICING = {"nanolstm.gradient.rows.WORTH_A_SLICE": 1, "nanolstm.compile.kernel.WORTH_A_THREAD": 1}
"""What makes the library divide a batch however small it is."""

ROWS_PER_SLICE = "nanolstm.gradient.rows.SLICE"

BLOCKING = ("nanolstm.compile.kernel.DEPTH", "nanolstm.compile.steps.TOGETHER")
"""How many rows are worked on together at most: with less, small batches have several blocks."""

TRACES = ("nanolstm.traced._of_cells", "nanolstm.traced._watched")
"""Where the library keeps what it made of a class: each mode has its own, since some classes are the library's."""

_traces: dict[tuple[str, str], Any] = {}

BLOCK_BYTES = "nanolstm.compile.kernel.BLOCK"


@contextmanager
def replaced(path: str, value: Any) -> Iterator[None]:
    """Within the block the name `path`, such as "nanolstm.gradient.rows.SLICE", means `value`.

    Raises:
        AttributeError: there is no such name; what it was called has to be found, or a test loses its sense.
    """
    module_name, _, name = path.rpartition(".")
    module = importlib.import_module(module_name)
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextmanager
def running(mode: str, around: Surroundings) -> Iterator[None]:
    """Within the block models of the backend of `mode` run as it says, divided as `around` says."""
    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for path in TRACES:
            own = _traces.setdefault((path, mode), weakref.WeakKeyDictionary())
            stack.enter_context(replaced(path, own))
        if around.rows_per_slice and mode in (INTERPRETED, MACHINE):
            for path, value in SLICING.items():
                stack.enter_context(replaced(path, value))
            stack.enter_context(replaced(ROWS_PER_SLICE, around.rows_per_slice))
        if around.rows_per_block and mode in (INTERPRETED, MACHINE):
            for path in BLOCKING:
                stack.enter_context(replaced(path, around.rows_per_block))
            stack.enter_context(replaced(BLOCK_BYTES, 1))
        if mode == PLANNED:
            stack.enter_context(replaced("nanolstm.compile.backend._no_numba", lambda: "left out by the fuzzer"))
        if mode == INTERPRETED:
            stack.enter_context(interpreted())
        nl.set_num_threads(around.threads)
        try:
            yield
        finally:
            nl.set_num_threads(None)
