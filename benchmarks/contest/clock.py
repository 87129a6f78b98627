"""The contestants take turns."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence

from contest.contestant import Contestant

REST = 0.02  # seconds between two turns, and again as long as threads of whoever was before are still spinning
LONGEST = 1.0  # seconds; those of OpenBLAS spin for 27 to 135 ms
TURN = 0.010  # seconds of calls, or one call
ROUNDS = 3  # at least
LONG = 5.0  # seconds; whoever has used that many need not go on to them


def medians(contestants: Sequence[Contestant], seconds: float) -> tuple[dict[str, float], dict[str, int]]:
    """The median seconds of a call of each, and how many calls that is of.

    They alternate, in another order each round, so that nobody always follows the same one, for at least three rounds,
    or fewer if they are long. Whoever has then used an equal share of `seconds` drops out, so that a loop that takes a
    second does not hold up what takes a microsecond; it ends when nobody is left to alternate with.
    """
    times: dict[str, list[float]] = {one.name: [] for one in contestants}
    used = dict.fromkeys(times, 0.0)
    playing, rounds, order = list(contestants), 0, random.Random(0)
    while len(playing) >= min(2, len(contestants)):
        for one in playing:
            begin = time.perf_counter()
            times[one.name] += turn(one, quick=bool(times[one.name]) and times[one.name][-1] < TURN)
            used[one.name] += time.perf_counter() - begin
        rounds += 1
        order.shuffle(playing)
        share = seconds / len(contestants)
        playing = [one for one in playing if used[one.name] < (share if rounds >= ROUNDS else max(share, LONG))]
    return {name: statistics.median(t) for name, t in times.items()}, {name: len(t) for name, t in times.items()}


def rest() -> None:
    """Wait until nothing in this process computes any more."""
    end = time.perf_counter() + LONGEST
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(REST)
        if time.process_time() - before < REST / 10:
            return


def turn(one: Contestant, *, quick: bool) -> list[float]:
    """The seconds of some calls; of a quick one, after a call that brings it back into the caches."""
    call, now, times = one.call, time.perf_counter, []
    with one.around():
        rest()
        if quick:
            call()
        end = now() + TURN
        while True:
            begin = now()
            call()
            after = now()
            times.append(after - begin)
            if after > end:
                return times
