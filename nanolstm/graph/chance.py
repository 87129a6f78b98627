"""Whether what is traced draws random numbers or asks for the time: what comes of it looks like any other constant.

Two traces that differ show most of it, but not a mask of which few elements change. So a trace is watched: calls of
Python's own generator, of clocks and of the system's entropy are seen as such; those of NumPy's generators are not, and
the states of those that the author's code can name are compared.
"""

from __future__ import annotations

import dis
import os
import pickle
import random
import time
import traceback
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import attrs
import numpy as np

from nanolstm.graph.place import in_library

_NUMPYS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator)
_NOW = ("now", "utcnow", "today")


@attrs.define
class _Source:
    """A generator of NumPy's, its state when it was met, and the names that it was met under."""

    generator: Any
    state: bytes
    names: set[str] = attrs.field(factory=set)


@attrs.define(eq=False)
class Chance:
    """What a profile function sees of a run.

    Attributes:
        drawn: the frames, innermost first, and their lines, in which the first random number was drawn; [] for none.
    """

    drawn: list[tuple[FrameType, int]] = attrs.field(factory=list)
    _sources: dict[int, _Source] = attrs.field(factory=dict)

    def watch(self, frame: FrameType, event: str, called: Any) -> None:
        """Take note of one event."""
        if self.drawn:
            return
        authors = not in_library(frame.f_code.co_filename)
        if event == "c_call" and (_draws(called) or (authors and _asks_the_time(called))):
            stack = list(traceback.walk_stack(frame))
            # A module that is imported only now may draw what it likes for itself.
            if not any(f.f_code.co_filename.startswith("<frozen importlib") for f, _ in stack):
                self.drawn = stack
        if not authors:
            return
        if event == "call":
            for name, generator in _within_reach(frame):
                if id(generator) not in self._sources:
                    self._sources[id(generator)] = _Source(generator, _state(generator))
                self._sources[id(generator)].names.add(name)
        elif event == "return":
            for source in self._sources.values():
                if _state(source.generator) != source.state:
                    # What returns here may have had nothing to do with it, such as a callback of the garbage collector.
                    self.drawn = _from_where_it_is_named(frame, source.names)


def _draws(called: Any) -> bool:
    return called is os.urandom or issubclass(type(getattr(called, "__self__", None)), random.Random)


def _asks_the_time(called: Any) -> bool:
    # Not time.perf_counter: it differs from trace to trace, and a profiler may ask for it at any moment.
    return called in (time.time, time.time_ns) or (
        getattr(called, "__name__", "") in _NOW and isinstance(called.__self__, type)
    )


def _within_reach(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """NumPy's own generator, and those that the code of `frame` can name."""
    yield "random", np.random.mtrand._rand
    names = frame.f_code.co_names
    held = {**{name: frame.f_globals[name] for name in names if name in frame.f_globals}, **frame.f_locals}
    for holder in list(held.values()):
        own = {**vars(type(holder)), **_own(holder, "__dict__", {})}
        held |= {name: own[name] for name in names if name in own}
    for name, value in held.items():
        for generator in (value, _own(value, "__self__", None)):
            if issubclass(type(generator), _NUMPYS):
                yield name, generator


def _own(value: Any, name: str, otherwise: Any) -> Any:
    """An attribute that the type of `value` provides, so that no `__getattr__` of the author's is run."""
    known = any(name in vars(base) for base in type(value).__mro__)
    return getattr(value, name, otherwise) if known else otherwise


def _state(generator: Any) -> bytes:
    if isinstance(generator, np.random.RandomState):
        return pickle.dumps(generator.get_state(legacy=False))
    return pickle.dumps(getattr(generator, "bit_generator", generator).state)


def _from_where_it_is_named(frame: FrameType, names: set[str]) -> list[tuple[FrameType, int]]:
    """The stack from `frame` outwards, beginning with the first frame whose code names one of `names`, if any does."""
    stack = list(traceback.walk_stack(frame))
    for i, (inner, _) in enumerate(stack):
        line = _line_that_names(inner.f_code, names)
        if line is not None:
            return [(inner, line), *stack[i + 1 :]]
    return [(frame, frame.f_code.co_firstlineno), *stack[1:]]


def _line_that_names(code: CodeType, names: set[str]) -> int | None:
    """The first line of `code` that names one of `names`, if any does."""
    for step in dis.get_instructions(code):
        if isinstance(step.argval, str) and step.argval in names and step.positions and step.positions.lineno:
            return step.positions.lineno
    return None
