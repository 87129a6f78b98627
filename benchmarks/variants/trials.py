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
class Plan:
    """How much is tried.

    Attributes:
        variants: their names, the vanilla LSTM first.
        rates: the learning rates of the search, the same for all variants.
        hidden: the hidden size, the same for all variants. Kernels are made for a size.
        seeds: of the test; the search has seed 0.
        jobs: how many are trained at once.
        rows: the folder of the files that `nl.sweep` keeps what is done in.
    """

    variants: tuple[str, ...]
    rates: tuple[float, ...]
    hidden: int
    seeds: tuple[int, ...]
    jobs: int
    rows: Path


def drawn(count: int, low: float = 0.004, high: float = 0.2) -> tuple[float, ...]:
    """Learning rates: the logarithms at random, one in each of as many equal parts of the range."""
    places = (np.arange(count) + np.random.default_rng(0).uniform(size=count)) / count
    return tuple(float(f"{rate:.2g}") for rate in low * (high / low) ** places)


def trials(task: Task, plan: Plan) -> pd.DataFrame:
    """A row for each training: `task`, `part`, `variant`, `rate`, `seed`, `error`, `seconds`."""
    search = pd.concat(
        [_trained(task, "search", plan.variants, rate, [0], plan) for rate in plan.rates], ignore_index=True
    )
    return pd.concat([search, *_tests(task, search, plan)], ignore_index=True)


def _tests(task: Task, search: pd.DataFrame, plan: Plan) -> Iterator[pd.DataFrame]:
    for rate in plan.rates:
        if chosen := [name for name in plan.variants if best(search, name) == rate]:
            yield _trained(task, "test", chosen, rate, plan.seeds, plan)


def best(search: pd.DataFrame, variant: str) -> float:
    """The learning rate with which a variant has the lowest validation error."""
    mine = search[search["variant"] == variant]
    return float(mine.loc[mine["error"].idxmin(), "rate"])


def _trained(task: Task, part: str, variants: Any, rate: float, seeds: Any, plan: Plan) -> pd.DataFrame:
    held: Data = {"search": task.validation, "test": task.test}[part]
    data, share = task.with_held_back(held)
    plan.rows.mkdir(parents=True, exist_ok=True)
    file = plan.rows / f"{task.name}-{part}-{rate:g}.json"
    table = nl.sweep(
        {task.name: data},
        cells={name: partial(getattr(nl.cells, name), dtype="float32") for name in variants},
        sizes=plan.hidden,
        losses=task.loss,
        seeds=seeds,
        score=task.score,
        validation=share,
        readout=task.readout,
        steps=task.steps,
        optimizer=f"adam(lr={rate})",
        schedule="cosine",
        clip=1.0,
        batch_size=BATCH,
        epochs=1,
        n_jobs=plan.jobs,
        file=file,
    )
    print(f"{task.name}, {part}, learning rate {rate:g}: {len(table)} trials", flush=True)
    # Who diverges is as good as whoever has learned nothing.
    error = (1 - table["score"]).fillna(task.nothing)
    columns = {"task": task.name, "part": part, "variant": table["cell"], "rate": rate, "seed": table["seed"]}
    columns |= {"error": error, "diverged": table["error"] != "", "seconds": table["seconds"]}
    return pd.DataFrame(columns)
