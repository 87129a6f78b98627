"""One cell at one shape: the contestants are compared, and if they agree, timed."""

from __future__ import annotations

import nanolstm as nl
from contest import machine
from contest.clock import medians
from contest.contestant import Contestant, DifferentError, errors
from contest.opponents.ours import NAME, read_gradient
from contest.shapes import Shape
from contest.zoo.case import ZooCase
from contest.zoo.results import Timed

DTYPE = "float32"

TOLERANCE = 1e-3
"""In float32 and over many steps some cells lose digits, each library others."""


def measured(name: str, shape: Shape, seconds: float, *, date: str, version: str) -> Timed:
    """A training step by everybody who is installed."""
    contestants = contestants_of(ZooCase(name, shape, DTYPE))
    try:
        try:
            found = errors(contestants, DTYPE, TOLERANCE)
        except DifferentError:  # in a chaotic cell rounding grows from step to step: with more digits it stays small
            found = errors(contestants_of(ZooCase(name, shape, "float64", "numpy")), "float64", TOLERANCE)
        values, calls = medians(contestants, seconds)
    except (DifferentError, nl.NanolstmError) as error:
        return Timed(name, shape, failed=str(error), date=date, version=version)
    return Timed(name, shape, values, calls, found, date=date, version=version)


def contestants_of(case: ZooCase) -> list[Contestant]:
    """Ours first."""
    model, x, target, feeds = case.model, case.x, case.target, case.feeds
    found = [Contestant(NAME, lambda: model.value_and_grad(x, target, loss="mse", **feeds), read_gradient)]
    rivals = machine.rivals()
    if "torch" in rivals:
        from contest.zoo import with_torch

        found.append(with_torch.training(case))
    if "jax" in rivals:
        from contest.zoo import with_jax

        found.append(with_jax.training(case))
    return found
