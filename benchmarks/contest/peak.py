"""A process of its own that prints the peak of its resident memory, in MB, during some training steps."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from contest.case import Case
from contest.contestant import Contestant


def contestant(name: str, case: Case) -> Contestant:
    """Only what it needs is imported."""
    if name == "nanolstm":
        from contest.opponents import ours

        return ours.training(case)
    if name == "lax.scan":
        from contest.opponents import with_jax

        return with_jax.training(case)
    from contest.opponents import with_torch

    return (with_torch.training if name == "nn.LSTM" else with_torch.training_eager)(case)


def forget_peak() -> bool:
    """What was used while compiling does not count; Linux can forget it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak(*, forgotten: bool) -> float:
    """Since then, or else of the process since its start, in MB."""
    if forgotten:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return whole / 2**20 if sys.platform == "darwin" else whole / 1024


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    one = contestant(job["name"], Case("LSTM", tuple(job["shape"]), job["dtype"]))
    for _ in range(2):
        one.call()
    forgotten = forget_peak()
    for _ in range(3):
        one.call()
    print(peak(forgotten=forgotten))
