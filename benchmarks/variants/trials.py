"""The trainings: a search at random for each variant, and the best of it once more with other seeds, on the test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd

import nanolstm as nl
from variants.task import BATCH, Data, Task


@attrs.frozen
class Draw:
    """What the search is over."""

    number: int
    rate: float
    hidden: int


@attrs.frozen
class Plan:
    """How much is tried.

    Attributes:
        variants: their names, the vanilla LSTM first.
        draws: of the search, the same for all variants.
        seeds: of the test; the search has seed 0.
        jobs: how many are trained at once.
        rows: the folder of the files that `nl.sweep` keeps what is done in.
    """

    variants: tuple[str, ...]
    draws: tuple[Draw, ...]
    seeds: tuple[int, ...]
    jobs: int
    rows: Path


def drawn(count: int, *, rates: tuple[float, float], hidden: tuple[int, int]) -> tuple[Draw, ...]:
    """Learning rates and hidden sizes, the logarithms of both uniform within bounds, as in the paper."""
    rng = np.random.default_rng(0)
    logs = rng.uniform(np.log([rates[0], hidden[0]]), np.log([rates[1], hidden[1]]), size=(count, 2))
    return tuple(
        Draw(number, float(f"{np.exp(rate):.2g}"), round(float(np.exp(size))))
        for number, (rate, size) in enumerate(logs, 1)
    )


def trials(task: Task, plan: Plan) -> pd.DataFrame:
    """A row for each training: `task`, `part`, `variant`, `draw`, `rate`, `hidden`, `seed`, `error`, `seconds`."""
    search = pd.concat(
        [_trained(task, "search", plan.variants, draw, [0], plan) for draw in plan.draws], ignore_index=True
    )
    return pd.concat([search, *_tests(task, search, plan)], ignore_index=True)


def _tests(task: Task, search: pd.DataFrame, plan: Plan) -> Iterator[pd.DataFrame]:
    for draw in plan.draws:
        if chosen := [name for name in plan.variants if best(search, name) == draw.number]:
            yield _trained(task, "test", chosen, draw, plan.seeds, plan)


def best(search: pd.DataFrame, variant: str) -> int:
    """The number of the draw with which a variant has the lowest validation error."""
    mine = search[search["variant"] == variant]
    return int(mine.loc[mine["error"].idxmin(), "draw"])


def _trained(task: Task, part: str, variants: Any, draw: Draw, seeds: Any, plan: Plan) -> pd.DataFrame:
    held: Data = {"search": task.validation, "test": task.test}[part]
    data, share = task.with_held_back(held)
    plan.rows.mkdir(parents=True, exist_ok=True)
    file = plan.rows / f"{task.name}-{part}-{draw.number}.json"
    table = nl.sweep(
        {task.name: data},
        cells={name: partial(getattr(nl.cells, name), dtype="float32") for name in variants},
        sizes=draw.hidden,
        losses=task.loss,
        seeds=seeds,
        score=task.score,
        validation=share,
        readout=task.readout,
        steps=task.steps,
        optimizer=f"adam(lr={draw.rate})",
        schedule="cosine",
        clip=1.0,
        batch_size=BATCH,
        epochs=1,
        n_jobs=plan.jobs,
        file=file,
    )
    print(f"{task.name}, {part}, lr {draw.rate:g}, {draw.hidden} units: {len(table)} trials", flush=True)
    # Who diverges is as good as whoever has learned nothing.
    error = (1 - table["score"]).fillna(task.nothing)
    columns = {"task": task.name, "part": part, "variant": table["cell"], "draw": draw.number, "rate": draw.rate}
    columns |= {"hidden": draw.hidden, "seed": table["seed"], "error": error, "seconds": table["seconds"]}
    return pd.DataFrame(columns | {"diverged": table["error"] != ""})
