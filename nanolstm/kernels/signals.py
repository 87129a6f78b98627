"""Signals between threads that run without the GIL: a number that one writes and another waits for.

A thread that is asleep takes 50 to 100 microseconds to wake up, twice if it needs the GIL as well. One that waits here
is there at once: it finds the GIL free, since who gives the signal has just let go of it.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from nanolstm.kernels.compiled import compiled

GO, DONE, WIDTH = 0, 1, 16
"""The places of the two signals of a thread in its row of numbers, and how many such a row has: two lines of cache."""


@intrinsic
def _write(typing: Any, signal: Any, place: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a number, after everything that was written before."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.store_atomic(arguments[2], builder.gep(data, [arguments[1]]), "release", 8)
        return context.get_dummy_value()

    return types.void(signal, types.int64, types.int64), emit


@intrinsic
def _read(typing: Any, signal: Any, place: Any) -> Any:  # noqa: ARG001
    """Read a number, before everything that is read after."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(builder.gep(data, [arguments[1]]), "acquire", 8)

    return types.int64(signal, types.int64), emit


@compiled("void(int64[:, ::1])", inlined=True)
def announce(signals: Any) -> None:
    """Tell every thread that has a row in `signals` to go."""
    for row in range(len(signals)):
        _write(signals, row * WIDTH + GO, 1)


@compiled("boolean(int64[::1], boolean, int64)")
def wait(signal: Any, finished: bool, turns: int) -> bool:
    """Tell that the last task is `finished`, if it is, and wait to be told to go: whether that came in `turns`."""
    if finished:
        _write(signal, DONE, 1)
    for _ in range(turns):
        if _read(signal, GO) == 1:
            _write(signal, GO, 0)
            return True
    return False


@compiled("boolean(int64[::1], int64)")
def wait_for(signal: Any, turns: int) -> bool:
    """Wait until a thread has finished: whether that came in `turns`.

    The signal stays: where Ctrl-C comes during this call its result is lost, and it is called again. Whoever hands the
    thread its next task takes the signal back.
    """
    for _ in range(turns):  # noqa: SIM110  (Numba has no any())
        if _read(signal, DONE) == 1:
            return True
    return False
