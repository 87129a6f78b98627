"""A cell of the zoo in PyTorch: a loop in Python, derived by autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import mse_loss, softplus

from contest.contestant import Answer, Contestant
from contest.opponents.with_torch import time_first
from contest.zoo.case import ZooCase
from contest.zoo.languages import SHARED, call, reduction
from contest.zoo.written import Language, Writing
from nanolstm.graph.node import Node

NAME = "torch eager"


def bound(side: str, function: str) -> Writing:
    """The greater or smaller of two; of a value and a number, what is much quicker."""

    def write(node: Node, a: Sequence[str], _: int) -> str:
        numbers = [x.op.name == "constant" for x in node.inputs]
        if not any(numbers):
            return f"xp.{function}({a[0]}, {a[1]})"
        return f"{a[numbers.index(False)]}.clamp({side}={a[numbers.index(True)]})"

    return write


def affine(_: Node, a: Sequence[str], rows: int) -> str:
    return f"xp.addmm({', '.join(a)})" if rows == 1 else f"{a[0]} + {a[1]} @ {a[2]}"


def transpose(node: Node, a: Sequence[str], rows: int) -> str:
    return f"{a[0]}.permute({', '.join(map(str, [*range(rows), *(rows + p for p in node.static)]))})"


OPS: dict[str, Writing] = SHARED | {
    "affine": affine,
    "concat": lambda node, a, _: f"xp.cat(({', '.join(a)}), {node.static[0]})",
    "erf": call("xp.erf"),
    "max": reduction("xp.amax", "keepdim"),
    "maximum": bound("min", "maximum"),
    "minimum": bound("max", "minimum"),
    "mod": call("xp.remainder"),
    "stop": lambda _, a, __: f"{a[0]}.detach()",
    "sum": reduction("xp.sum", "keepdim"),
    "transpose": transpose,
}


def first(x: torch.Tensor, start: float, shape: tuple[int, ...]) -> torch.Tensor:
    return x.new_full((x.shape[1], *shape), start)


def late(values: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    return torch.cat([start[None], values[:-1]])


def scan(step: Callable[..., Any], states: Any, given: tuple[torch.Tensor, ...], x: torch.Tensor) -> Any:
    kept = []
    # Taken apart at once: an index at each step would make its gradient quadratic in T.
    for now in zip(*(values.unbind(0) for values in given), strict=True) if given else [()] * len(x):
        states, out = step(states, now)
        kept.append(out)
    return tuple(torch.stack(values) for values in zip(*kept, strict=True))


LANGUAGE = Language(
    OPS,
    {
        "xp": torch,
        "sigmoid": torch.sigmoid,
        "softplus": softplus,
        "split": lambda x, sizes: x.split(sizes, -1),
        "first": first,
        "late": late,
        "scan": scan,
        "inf": float("inf"),
    },
)


def training(case: ZooCase) -> Contestant:
    run, trained = LANGUAGE.function_of(case.cell), case.model.parameters
    p = {name: torch.tensor(value, requires_grad=name in trained) for name, value in case.weights.items()}
    wanted = [p[name] for name in trained]
    inputs = {"x": time_first(case.x)} | {name: time_first(value) for name, value in case.feeds.items()}
    target = time_first(case.target)

    def step() -> Any:
        y = run(p, inputs)
        if "readout.U" in p:
            y = y @ p["readout.U"].T + p["readout.b"]
        value = mse_loss(y, target)
        return value, torch.autograd.grad(value, wanted)

    def read(result: Any) -> Answer:
        value, gradients = result
        found = {name: g.numpy() for name, g in zip(trained, gradients, strict=True)}
        return {"value": np.asarray(value.item()), **found}

    return Contestant(NAME, step, read)
