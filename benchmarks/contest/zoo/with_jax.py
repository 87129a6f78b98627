"""A cell of the zoo in JAX: `jit` of the gradient of a `lax.scan`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from contest.contestant import Answer, Contestant
from contest.opponents.with_jax import time_first
from contest.zoo.case import ZooCase
from contest.zoo.languages import SHARED, call, reduction
from contest.zoo.written import Language, Writing
from nanolstm.graph.node import Node

NAME = "lax.scan"


def transpose(node: Node, a: Sequence[str], rows: int) -> str:
    return f"{a[0]}.transpose({', '.join(map(str, [*range(rows), *(rows + p for p in node.static)]))})"


OPS: dict[str, Writing] = SHARED | {
    "affine": lambda _, a, __: f"{a[0]} + {a[1]} @ {a[2]}",
    "concat": lambda node, a, _: f"xp.concatenate(({', '.join(a)}), {node.static[0]})",
    "erf": call("jax.scipy.special.erf"),
    "max": reduction("xp.max", "keepdims"),
    "maximum": call("xp.maximum"),
    "minimum": call("xp.minimum"),
    "mod": call("xp.mod"),
    "stop": call("jax.lax.stop_gradient"),
    "sum": reduction("xp.sum", "keepdims"),
    "transpose": transpose,
}


def split(x: Any, sizes: Sequence[int]) -> Any:
    return jnp.split(x, np.cumsum(sizes)[:-1], -1)


def first(x: Any, start: float, shape: tuple[int, ...]) -> Any:
    return jnp.full((x.shape[1], *shape), start, x.dtype)


def late(values: Any, start: Any) -> Any:
    return jnp.concatenate([start[None], values[:-1]])


def scan(step: Callable[..., Any], states: Any, given: tuple[Any, ...], x: Any) -> Any:
    return jax.lax.scan(step, states, given, length=len(x))[1]


LANGUAGE = Language(
    OPS,
    {
        "jax": jax,
        "xp": jnp,
        "sigmoid": jax.nn.sigmoid,
        "softplus": jax.nn.softplus,
        "split": split,
        "first": first,
        "late": late,
        "scan": scan,
        "inf": float("inf"),
    },
)


def training(case: ZooCase) -> Contestant:
    run, trained = LANGUAGE.function_of(case.cell), case.model.parameters
    p = {name: jnp.asarray(case.weights[name]) for name in trained}
    frozen = {name: jnp.asarray(value) for name, value in case.weights.items() if name not in trained}
    inputs = {"x": time_first(case.x)} | {name: time_first(value) for name, value in case.feeds.items()}
    target = time_first(case.target)

    def loss(p: Any, frozen: Any, inputs: Any, target: Any) -> Any:
        y = run(p | frozen, inputs)
        if "readout.U" in p:
            y = y @ p["readout.U"].T + p["readout.b"]
        return jnp.mean(jnp.square(y - target))

    both = jax.jit(jax.value_and_grad(loss))

    def read(result: Any) -> Answer:
        value, gradients = result
        return {"value": np.asarray(value), **{name: np.asarray(gradients[name]) for name in trained}}

    return Contestant(NAME, lambda: jax.block_until_ready(both(p, frozen, inputs, target)), read)
