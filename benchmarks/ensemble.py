"""Training steps of many small models side by side, `nl.Ensemble`, beside training them one by one with `nl.fit`.

    python benchmarks/ensemble.py
    python benchmarks/ensemble.py --threads 1 --seconds 5 --members 32

One batch is trained on again and again, in float32, with Adam and the mean squared error at all steps. A call is a
whole `ensemble.fit`, or a whole `nl.fit` of each of at most eight of its members, with all that these do before and
after their steps; both are given for one member. The parameters at the end are compared before anything is timed: they
have to be the same bits. Then they alternate in one process, and medians are compared.
"""

from __future__ import annotations

import argparse
import copy

from contest import machine, restart
from contest.clock import medians
from contest.contestant import Contestant

SHAPES = {(1, 522, 2, 3): 100, (1, 100, 8, 32): 100, (32, 100, 8, 32): 10}
"""(B, T, M, H), and how many steps are in one call."""

ALONE = 8
"""How many members are trained one by one at most: each takes as long as any other."""

TOGETHER, APART = "Ensemble.fit", "nl.fit"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6.0, help="for a line, both together")
    parser.add_argument("--members", type=int, nargs="+", default=[8, 32, 128])
    return parser.parse_args()


def contestants(shape: tuple[int, int, int, int], members: int, steps: int) -> list[Contestant]:
    """Both, after it has been seen that they come to the same parameters."""
    import numpy as np

    import nanolstm as nl

    B, T, M, H = shape
    rng = np.random.default_rng(0)
    data = rng.standard_normal((B, T, M)).astype("float32"), rng.standard_normal((B, T, H)).astype("float32")
    ensemble = nl.Ensemble(nl.cells.LSTM(inputs=M, hidden=H, dtype="float32"), members=members, rng=0)
    alone = [copy.deepcopy(model) for model in list(ensemble)[:ALONE]]
    told = {"epochs": steps, "batch_size": B, "progress": False}

    def together() -> nl.EnsembleRun:
        return ensemble.fit(data, **told)

    def apart() -> list[nl.Run]:
        return [nl.fit(model, data, **told) for model in alone]

    together(), apart()
    for one, other in zip(alone, ensemble, strict=False):
        for name, value in one.parameters.items():
            np.testing.assert_array_equal(other.parameters[name], value)
    return [Contestant(TOGETHER, together), Contestant(APART, apart)]


def main() -> None:
    given = options()
    restart.on(given.threads)
    print(f"{machine.processor()}, {given.threads} threads, float32; microseconds for a step of one member")
    print(", ".join(f"{name} {version}" for name, version in machine.versions().items()))
    print(f"{'(B, T, M, H)':<20}{'members':>8}{TOGETHER:>14}{APART:>10}{'ratio':>8}{'calls':>12}", flush=True)
    for shape, steps in SHAPES.items():
        for members in given.members:
            seconds, calls = medians(contestants(shape, members, steps), given.seconds)
            ours = 1e6 * seconds[TOGETHER] / steps / members
            theirs = 1e6 * seconds[APART] / steps / min(members, ALONE)
            line = f"{shape!s:<20}{members:>8}{ours:>14.1f}{theirs:>10.1f}{theirs / ours:>8.2f}"
            print(f"{line}{'/'.join(map(str, calls.values())):>12}", flush=True)


if __name__ == "__main__":
    main()
