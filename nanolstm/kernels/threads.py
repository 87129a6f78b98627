"""A few threads that stay, and take slices of one call's work.

The kernels release the GIL. None of them calls BLAS, so that its threads and ours cannot get into each other's way.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from nanolstm.errors import InputError

_chosen: int | None = None
_tasks: SimpleQueue[tuple[Callable[[], None], SimpleQueue[BaseException | None]]] = SimpleQueue()
_workers: list[threading.Thread] = []
_lock = threading.Lock()


def set_num_threads(number: int | None) -> None:
    """How many threads a model runs on: `number`, or by default one for each core that this process may use.

    The environment variable `NANOLSTM_NUM_THREADS` does the same. Results do not depend on it, to the last bit.

    Raises:
        InputError: no number from 1 on.
    """
    global _chosen
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise InputError(f"set_num_threads({number!r}): expected a number of threads from 1 on, or None")
    _chosen = number


def get_num_threads() -> int:
    """How many threads a model runs on; see `set_num_threads`."""
    if _chosen is not None:
        return _chosen
    given = os.environ.get("NANOLSTM_NUM_THREADS", "").strip()
    if given:
        if not given.isdecimal() or int(given) < 1:
            raise InputError(f"NANOLSTM_NUM_THREADS={given!r}: expected a number of threads from 1 on")
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(tasks: Sequence[Callable[[], None]]) -> None:
    """Run `tasks` at once: the first here, the others on threads that wait for them.

    Raises:
        BaseException: what one of them raised, after all have ended.
    """
    done: SimpleQueue[BaseException | None] = SimpleQueue()
    if len(tasks) > 1:
        _start(len(tasks) - 1)
        for task in tasks[1:]:
            _tasks.put((task, done))
    errors = [_tried(tasks[0])] if tasks else []
    interrupts: list[BaseException | None] = []
    while len(errors) < len(tasks):
        try:
            errors.append(done.get())
        except BaseException as error:  # noqa: BLE001  # Ctrl-C: the others still write to the arrays of the call
            interrupts.append(error)
    for failure in interrupts + errors:
        if failure is not None:
            raise failure


def _tried(task: Callable[[], None]) -> BaseException | None:
    try:
        task()
    except BaseException as error:  # noqa: BLE001  # it is raised where the work was asked for
        return error
    return None


def _start(number: int) -> None:
    if len(_workers) < number:
        with _lock:
            while len(_workers) < number:
                worker = threading.Thread(target=_work, name=f"nanolstm-{len(_workers)}", daemon=True)
                _workers.append(worker)
                worker.start()


def _work() -> None:
    while True:
        task, done = _tasks.get()
        done.put(_tried(task))


def _forget() -> None:
    """In a child after a fork there are no threads but the one that forked."""
    global _tasks, _lock
    _tasks, _lock = SimpleQueue(), threading.Lock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
