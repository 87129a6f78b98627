"""One training step, value and gradient, of the same LSTM: nanolstm's NumPy backend, HIPS/autograd, a PyTorch loop.

    pip install ".[compare]"
    python benchmarks/training_step.py

Each of the three computes the mean squared error of every output and its gradient by every parameter, in float64 from
the same numbers, and the gradients are compared first. They then take turns; medians are printed, and how many times
longer the others take.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd import value_and_grad

import nanolstm as nl
from nanolstm import Array, Cell, Gate, gate, sigmoid

SHAPES = [(1, 522, 2, 3), (32, 100, 8, 32), (32, 100, 32, 128)]
GATES = ("input", "forget", "output", "new")


class LSTM(Cell):
    """Gers, Schmidhuber and Cummins (2000)."""

    input: Gate = gate(sigmoid, init=nl.glorot())
    forget: Gate = gate(sigmoid, init=nl.glorot())
    output: Gate = gate(sigmoid, init=nl.glorot())
    new: Gate = gate(np.tanh, init=nl.glorot())

    def step(self, x: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


def of_nanolstm(cell: Cell, x: Array, target: Array) -> Callable[[], tuple[float, list[Array]]]:
    model = nl.Sequence(cell)

    def step() -> tuple[float, list[Array]]:
        value, grads = model.value_and_grad(x, target, loss="mse")
        return value, [grads[key] for key in cell.parameters]

    return step


def of_autograd(cell: Cell, x: Array, target: Array) -> Callable[[], tuple[float, list[Array]]]:
    """The four gates are one product, as anybody would write it who wants it fast."""
    hidden = cell.hidden

    def loss(U: Any, W: Any, b: Any) -> Any:
        before = anp.dot(x, U.T) + b
        h = c = anp.zeros((len(x), hidden))
        outputs = []
        for t in range(x.shape[1]):
            z = before[:, t] + anp.dot(h, W.T)
            i, f, o = (1 / (1 + anp.exp(-z[:, k * hidden : (k + 1) * hidden])) for k in range(3))
            c = f * c + i * anp.tanh(z[:, 3 * hidden :])
            h = o * anp.tanh(c)
            outputs.append(h)
        return anp.mean((anp.stack(outputs, axis=1) - target) ** 2)

    weights = [np.concatenate([cell.parameters[f"{name}.{w}"] for name in GATES]) for w in "UWb"]
    both = value_and_grad(loss, argnum=(0, 1, 2))

    def step() -> tuple[float, list[Array]]:
        value, stacked = both(*weights)
        parts = [np.split(g, 4) for g in stacked]
        return value, [parts[w][k] for k in range(4) for w in range(3)]

    return step


def of_torch(cell: Cell, x: Array, target: Array) -> Callable[[], tuple[float, list[Array]]]:
    """The same loop in PyTorch, eager."""
    weights = [
        torch.tensor(np.concatenate([cell.parameters[f"{name}.{w}"] for name in GATES]), requires_grad=True)
        for w in "UWb"
    ]
    U, W, b = weights
    inputs, wanted = torch.tensor(x), torch.tensor(target)

    def step() -> tuple[float, list[Array]]:
        before = inputs @ U.T + b
        h = c = torch.zeros((len(x), cell.hidden), dtype=before.dtype)
        outputs = []
        for t in range(x.shape[1]):
            i, f, o, g = (before[:, t] + h @ W.T).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        value = torch.mean((torch.stack(outputs, 1) - wanted) ** 2)
        parts = [np.split(grad.numpy(), 4) for grad in torch.autograd.grad(value, weights)]
        return value.item(), [parts[w][k] for k in range(4) for w in range(3)]

    return step


def median_times(steps: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The median time of each in ms: they take turns, for `seconds` in all and at least five times."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["nanolstm"]) < 5:
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - begin)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="for each shape")
    parser.add_argument("--dtype", choices=["float64", "float32"], default="float64")
    args = parser.parse_args()
    print(f"numpy {np.__version__}, torch {torch.__version__} on {torch.get_num_threads()} threads, {args.dtype}")
    print(f"{'B, T, M, H':>18}  {'nanolstm':>12}  {'autograd':>22}  {'PyTorch, eager':>22}")
    slower = False
    for B, T, M, H in SHAPES:
        rng = np.random.default_rng(0)
        cell = LSTM(inputs=M, hidden=H, rng=0, dtype=args.dtype)
        x, target = rng.normal(size=(B, T, M)).astype(cell.dtype), rng.normal(size=(B, T, H)).astype(cell.dtype)
        steps = {
            "nanolstm": of_nanolstm(cell, x, target),
            "autograd": of_autograd(cell, x, target),
            "torch": of_torch(cell, x, target),
        }
        answers = [step() for step in steps.values()]
        tolerance = 1e-10 if args.dtype == "float64" else 1e-4
        for _, grads in answers[1:]:
            for ours, theirs in zip(answers[0][1], grads, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * 1e-2)
        ms = median_times(steps, args.seconds)
        ratios = {name: ms[name] / ms["nanolstm"] for name in ("autograd", "torch")}
        slower = slower or min(ratios.values()) < 1
        others = "  ".join(f"{ms[name]:10.2f} ms {ratios[name]:6.2f} x" for name in ratios)
        print(f"{(B, T, M, H)!s:>18}  {ms['nanolstm']:9.2f} ms  {others}")
    sys.exit(slower)


if __name__ == "__main__":
    main()
