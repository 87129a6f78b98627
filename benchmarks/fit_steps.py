"""Training steps per second through `nl.fit`, beside the same loop in PyTorch with `nn.LSTM` and Adam.

    pip install ".[compare]"
    python benchmarks/fit_steps.py
    python benchmarks/fit_steps.py --threads 1 --seconds 5

One batch is trained on again and again, in float32, with the mean squared error at all steps. A call is a whole
`nl.fit`, with all that it does before and after its steps; PyTorch's is the loop and the making of its optimizer. Both
keep the loss of each step. Their loss curves are compared before anything is timed; then they alternate in one process,
and medians are compared.
"""

from __future__ import annotations

import argparse

from contest import machine, restart
from contest.clock import medians
from contest.contestant import Contestant, errors

SHAPES = {(1, 522, 2, 3): 100, (32, 100, 8, 32): 50, (32, 100, 32, 128): 20}
"""(B, T, M, H), and how many steps are in one call."""

OURS, THEIRS, FUSED = "nl.fit", "PyTorch", "PyTorch, fused Adam"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15.0, help="for a shape, all contestants together")
    return parser.parse_args()


def contestants(shape: tuple[int, int, int, int], steps: int) -> list[Contestant]:
    import numpy as np
    from contest.opponents import torch_training

    import nanolstm as nl

    B, T, M, H = shape
    rng = np.random.default_rng(0)
    x = rng.standard_normal((B, T, M)).astype("float32")
    target = rng.standard_normal((B, T, H)).astype("float32")
    model = nl.Sequence(nl.cells.LSTM(inputs=M, hidden=H, rng=0, dtype="float32"))
    theirs = [
        Contestant(
            name, torch_training.one_batch(model, x, target, steps, fused=fused), lambda losses: {"losses": losses}
        )
        for name, fused in {THEIRS: False, FUSED: True}.items()
    ]

    def fit() -> nl.Run:
        return nl.fit(model, (x, target), epochs=steps, batch_size=B, progress=False)

    return [Contestant(OURS, fit, lambda run: {"losses": run.history["loss"].to_numpy()}), *theirs]


def main() -> None:
    given = options()
    restart.on(given.threads)
    print(f"{machine.processor()}, {given.threads} threads, float32; training steps per second")
    print(", ".join(f"{name} {version}" for name, version in machine.versions().items()))
    print(f"{'(B, T, M, H)':<20}{OURS:>10}{THEIRS:>10}{'ratio':>8}{FUSED:>22}{'ratio':>8}{'calls':>12}", flush=True)
    for shape, steps in SHAPES.items():
        playing = contestants(shape, steps)
        errors(playing, "float32")
        seconds, calls = medians(playing, given.seconds)
        rates = {name: steps / value for name, value in seconds.items()}
        line = f"{shape!s:<20}{rates[OURS]:>10.1f}"
        for name, width in ((THEIRS, 10), (FUSED, 22)):
            line += f"{rates[name]:>{width}.1f}{rates[OURS] / rates[name]:>8.2f}"
        print(f"{line}{'/'.join(map(str, calls.values())):>12}", flush=True)


if __name__ == "__main__":
    main()
