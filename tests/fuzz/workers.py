"""Processes that run cases, so that one that dies or hangs costs a case and no more."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import attrs

PATIENCE = 180.0
"""How many seconds one case may take."""

MOST = 60
"""How many cases one process runs: what is compiled stays in its memory."""


@attrs.define(eq=False)
class Worker:
    """A process that takes one seed after the other.

    Attributes:
        seed: what it is working on, or None.
        since: since when.
        done: how many cases its process has run.
    """

    work: Callable[[int, Any], Any]
    process: Any = None
    connection: Connection | None = None
    seed: int | None = None
    since: float = 0.0
    done: int = 0

    def start(self) -> None:
        """Begin anew."""
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, self.work), daemon=True)
        self.process.start()
        other.close()

    def give(self, seed: int, more: Any) -> None:
        """Hand it a seed."""
        if self.done >= MOST:
            self.stop()
        if self.process is None or not self.process.is_alive():
            self.start()
            self.done = 0
        self.done += 1
        assert self.connection is not None
        self.seed, self.since = seed, time.monotonic()
        self.connection.send((seed, more))

    def stop(self) -> None:
        """End it."""
        if self.process is not None and self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process = None


def _serve(connection: Connection, work: Callable[[int, Any], Any]) -> None:
    # A library that prints must not end up between the lines of whoever started this.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        while True:
            try:
                seed, more = connection.recv()
            except EOFError:
                return
            connection.send(work(seed, more))


def answers(
    work: Callable[[int, Any], Any], seeds: Iterator[tuple[int, Any]], processes: int
) -> Iterator[tuple[int, Any]]:
    """What `work` answers to each seed and what goes with it, in whatever order; for one that died, its reason.

    `work` is a function of a module; a reason is a str.
    """
    workers = [Worker(work) for _ in range(processes)]
    try:
        idle: list[Worker] = list(workers)
        exhausted = False
        while True:
            while idle and not exhausted:
                following = next(seeds, None)
                if following is None:
                    exhausted = True
                    break
                idle.pop().give(*following)
            busy = [worker for worker in workers if worker.seed is not None]
            if not busy:
                return
            yield from _ready(busy, idle)
    finally:
        for worker in workers:
            worker.stop()


def _ready(busy: Sequence[Worker], idle: list[Worker]) -> Iterator[tuple[int, Any]]:
    by_connection = {worker.connection: worker for worker in busy}
    for connection in wait([c for c in by_connection if c is not None], timeout=1.0):
        worker = by_connection[connection]  # type: ignore[index]
        seed, worker.seed = worker.seed, None
        assert seed is not None
        try:
            answer = connection.recv()  # type: ignore[union-attr]
        except (EOFError, OSError):
            worker.process.join()
            answer = f"the process died with code {worker.process.exitcode}"
            worker.process = None
        idle.append(worker)
        yield seed, answer
    for worker in busy:
        if worker.seed is not None and time.monotonic() - worker.since > PATIENCE:
            seed, worker.seed = worker.seed, None
            worker.stop()
            idle.append(worker)
            yield seed, f"no answer within {PATIENCE:.0f} s"
