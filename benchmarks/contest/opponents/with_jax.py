"""JAX: any cell as `jit(lax.scan)`, compiled before it is timed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from contest.case import Case
from contest.contestant import Answer, Contestant
from contest.twins import TWINS
from nanolstm import Array

NAME = "lax.scan"

jax.config.update("jax_enable_x64", True)  # float32 stays float32


def layer_norm(z: Any) -> Any:
    centred = z - z.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5)


XP = SimpleNamespace(
    sigmoid=jax.nn.sigmoid,
    tanh=jnp.tanh,
    affine=lambda z, h, W: z + h @ W,
    split=lambda z, n: jnp.split(z, n, -1),
    join=lambda zs: jnp.concatenate(zs, -1),
    layer_norm=layer_norm,
)


def time_first(array: Array) -> jax.Array:
    return jnp.asarray(np.swapaxes(array, 0, 1))


def run_of(case: Case) -> Callable[[dict[str, Any], Any], Any]:
    """(Parameters, x (T, B, M)) to y (T, B, N)."""
    twin, hidden = TWINS[case.name], case.cell.hidden

    def run(p: dict[str, Any], x: Any) -> Any:
        z, fixed = twin.before(XP, p, x)

        def step(states: tuple[Any, ...], now: Any) -> tuple[tuple[Any, ...], Any]:
            y, *states = twin.step(XP, fixed, now, *states)
            return tuple(states), y

        return jax.lax.scan(step, (jnp.zeros((x.shape[1], hidden), x.dtype),) * twin.states, z)[1]

    return run


def parameters_of(case: Case) -> dict[str, jax.Array]:
    return {name: jnp.asarray(value) for name, value in TWINS[case.name].stack(case.cell.parameters).items()}


def training(case: Case) -> Contestant:
    p, x, target, run = parameters_of(case), time_first(case.x), time_first(case.target), run_of(case)
    both = jax.jit(jax.value_and_grad(lambda p, x, target: jnp.mean(jnp.square(run(p, x) - target))))

    def read(result: Any) -> Answer:
        value, gradients = result
        return {"value": np.asarray(value), **TWINS[case.name].unstack(gradients, case.cell.parameters)}

    return Contestant(NAME, lambda: jax.block_until_ready(both(p, x, target)), read)


def forward(case: Case) -> Contestant:
    p, x, run = parameters_of(case), time_first(case.x), jax.jit(run_of(case))
    return Contestant(NAME, lambda: run(p, x).block_until_ready(), lambda y: {"y": np.swapaxes(y, 0, 1)})
