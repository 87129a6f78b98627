"""A few threads that stay, and take slices of one call's work.

The kernels release the GIL. None of them calls BLAS, so that its threads and ours cannot get into each other's way.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeAlias

import numpy as np

from nanolstm.errors import InputError

_chosen: int | None = None
_default: int | None = None

Task: TypeAlias = "Callable[[Array], None]"
"""A kernel with all its arguments but the first, the signals that it gives when it begins."""

Array: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"

NO_SIGNALS = np.zeros((0, 16), np.int64)

_DONE = 1
"""The place of `nanolstm.kernels.signals.DONE`, which needs Numba to be imported."""

_TURNS = 400_000
"""How often a thread looks for its next task before it goes to sleep: for some tenths of a millisecond."""

_workers: list[_Worker] = []
_signals = NO_SIGNALS
_busy = threading.Lock()


def set_num_threads(number: int | None) -> None:
    """How many threads a model runs on: `number`, or by default one for each core that this process may use.

    The environment variable `NANOLSTM_NUM_THREADS` does the same; it is read when it is first needed, and again after
    `set_num_threads(None)`. Results do not depend on the number, to the last bit.

    Raises:
        InputError: no number from 1 on.
    """
    global _chosen, _default
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise InputError(f"set_num_threads({number!r}): expected a number of threads from 1 on, or None")
    _chosen, _default = number, None


def get_num_threads() -> int:
    """How many threads a model runs on; see `set_num_threads`."""
    global _default
    if _chosen is not None:
        return _chosen
    if _default is None:
        _default = _threads_by_default()
    return _default


def _threads_by_default() -> int:
    given = os.environ.get("NANOLSTM_NUM_THREADS", "").strip()
    if given:
        if not given.isdecimal() or int(given) < 1:
            raise InputError(f"NANOLSTM_NUM_THREADS={given!r}: expected a number of threads from 1 on")
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def limited_to(number: int | None) -> Iterator[None]:
    """Within the block models run on so many threads, and after it on as many as before; None changes nothing."""
    before = _chosen
    if number is not None:
        set_num_threads(number)
    try:
        yield
    finally:
        set_num_threads(before)


def run_all(tasks: Sequence[Task]) -> None:
    """Run `tasks` at once: the first here, the others on threads that wait for them; here all, if these are busy.

    Raises:
        BaseException: what one of them raised, after all have ended.
    """
    if len(tasks) == 1:
        tasks[0](NO_SIGNALS)
        return
    if not _busy.acquire(blocking=False):  # by another thread of the caller's
        for task in tasks:
            task(NO_SIGNALS)
        return
    workers: list[_Worker] = []
    try:
        workers = _first_workers(len(tasks) - 1)
        for worker in workers:
            if worker.owes:  # Ctrl-C came where the last call was to wait for it
                worker.wait_for()
        for worker, task in zip(workers, tasks[1:], strict=True):
            worker.hand(task)
        failures = [_tried(tasks[0], _signals[: len(workers)])]
    finally:
        # Also after Ctrl-C: no thread may write to the arrays of a call that has ended, nor say "done" in the next one.
        try:
            others = [worker.wait_for() for worker in workers if worker.owes]
        finally:
            _busy.release()
    failures += others
    for failure in failures:
        if failure is not None:
            raise failure


class _Worker:
    """A thread that runs one task after the other, and sleeps when there is none for a while.

    Attributes:
        owes: whether it was given a task that nobody has waited for yet.
    """

    def __init__(self, signal: Array, number: int) -> None:
        """With its own row of signals."""
        from nanolstm.kernels.compiled import entry_point
        from nanolstm.kernels.signals import wait, wait_for

        self._signal, self._wait, self._wait_for = signal, entry_point(wait), entry_point(wait_for)
        self._task: Task | None = None
        self.owes = False
        self._asleep = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._failure: BaseException | None = None
        threading.Thread(target=self._work, name=f"nanolstm-{number}", daemon=True).start()

    def hand(self, task: Task) -> None:
        """Give it a task; it begins when the first kernel gives its signal, or at once if it has to be woken."""
        # Python handles signals at calls, so none comes between these lines.
        self._signal[_DONE] = 0
        self._task, self.owes = task, True
        if self._asleep:
            self._asleep = False
            self._bell.put(None)

    def wait_for(self) -> BaseException | None:
        """Wait until it has finished, and answer with what its task raised."""
        interrupt: BaseException | None = None
        while True:
            try:
                if self._wait_for(self._signal, _TURNS):
                    self.owes = False
                    return interrupt or self._failure
                time.sleep(0)
            except BaseException as error:  # noqa: BLE001  # Ctrl-C: it still writes to the arrays of the call
                interrupt = error

    def _work(self) -> None:
        finished = False
        while True:
            self._wait(self._signal, finished, _TURNS)
            # Under the GIL: either there is a task here, or who brings the next one sees that this thread is asleep.
            if self._task is None:
                self._asleep = True
                finished = False
                self._bell.get()
                continue
            task, self._task = self._task, None
            self._failure = _tried(task, NO_SIGNALS)
            del task
            finished = True


def _tried(task: Task, signals: Array) -> BaseException | None:
    try:
        task(signals)
    except BaseException as error:  # noqa: BLE001  # it is raised where the work was asked for
        return error
    return None


def _first_workers(number: int) -> list[_Worker]:
    global _signals
    if len(_workers) < number:
        if len(_signals) < number:
            _signals = np.zeros((max(64, number), NO_SIGNALS.shape[1]), np.int64)
            _workers.clear()  # those that there are sleep on
        try:
            _workers.extend(_Worker(_signals[i], i) for i in range(len(_workers), number))
        except BaseException:  # Ctrl-C: a thread that is not in the list may have begun to listen to its row
            _workers.clear()
            _signals = NO_SIGNALS
            raise
    return _workers[:number]


def _forget() -> None:
    """In a child after a fork there are no threads but the one that forked."""
    global _busy, _signals
    _busy, _signals = threading.Lock(), NO_SIGNALS
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
