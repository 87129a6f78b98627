"""Which training it is: everything that decides which bits come out, in words that can be compared and shown."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from nanolstm.language.functions import Array
from nanolstm.train.generator import kind_of

if TYPE_CHECKING:
    from nanolstm.train.examples import Examples
    from nanolstm.train.plan import Plan

Identity: TypeAlias = dict[str, str]
"""By the name of an argument of `fit`. Not there: `epochs` and `patience`, with which a training is only shorter or
longer, `callbacks` and `progress`."""


def identity_of(plan: Plan) -> Identity:
    """The identity of a training that has not begun."""
    model = plan.model
    cells = ", ".join(f"{part.prefix}{shown(part.cell)}" for part in model.parts())
    shapes = {name: view.shape for name, view in {**model.parameters, **model.frozen}.items()}
    return {
        "model": cells,
        "parameters": ", ".join(f"{name} {shape}" for name, shape in shapes.items()),
        "data": _data(plan.examples),
        "validation": "none" if plan.held is None else f"{_data(plan.held.examples)}, from step {plan.held.begin}",
        "loss": str(plan.loss),
        "metrics": ", ".join(map(str, plan.metrics)) or "none",
        "optimizer": shown(plan.optimizer),
        "schedule": shown(plan.schedule),
        "clip": shown(plan.clip),
        "batching": shown(plan.batching),
        "batch_size": str(plan.batch_size),
        "truncate": str(plan.truncate),
        "steps": plan.steps,
        "rng": kind_of(plan.rng),
    }


def differences(then: Identity, now: Identity) -> list[str]:
    """What is not the same, each with both sides."""
    return [
        f"{name}: {then.get(name, 'unknown')} then, {now.get(name, 'unknown')} now"
        for name in dict.fromkeys([*now, *then])
        if then.get(name) != now.get(name)
    ]


def shown(value: Any) -> str:
    """As Python shows it, without addresses, which are others in each process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _data(examples: Examples) -> str:
    """Shapes, and a checksum of the numbers: prices of today and of yesterday have one shape."""
    arrays: dict[str, Array | None] = {
        "x": examples.x,
        "target": examples.target,
        "lengths": examples.lengths,
        "resets": examples.resets,
        **{f"feed {name}": feed for name, feed in sorted(examples.feeds.items())},
    }
    digest, shapes = hashlib.blake2b(digest_size=8), []
    for name, array in arrays.items():
        if array is not None:
            shapes.append(f"{name} {array.shape} {array.dtype}")
            digest.update(np.ascontiguousarray(array).data if array.size else b"")
    return f"{', '.join(shapes)}, checksum {digest.hexdigest()}"
