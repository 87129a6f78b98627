"""A task with a target: what is to be learned, with what, and when it counts as solved."""

from __future__ import annotations

import time
from typing import Literal

import attrs
import numpy as np

import nanolstm as nl
from nanolstm import Array


@attrs.frozen
class Held:
    """The scores on held-out data after an epoch."""

    loss: float
    accuracy: float | None


@attrs.frozen(eq=False)
class Examples:
    """Sequences and what is to be said of them.

    Attributes:
        x: (B, T, M), beyond a sequence's end 0.
        target: (B, N), or classes (B,) or (B, T).
        lengths: (B,), or None if all are of T steps.
    """

    x: Array
    target: Array
    lengths: Array | None = None

    def first(self, count: int) -> Examples:
        """The same with fewer sequences."""
        lengths = None if self.lengths is None else self.lengths[:count]
        return Examples(self.x[:count], self.target[:count], lengths)

    def named(self) -> dict[str, Array]:
        """As `nl.fit` takes them."""
        parts = {"x": self.x, "target": self.target, "lengths": self.lengths}
        return {name: part for name, part in parts.items() if part is not None}


@attrs.frozen(eq=False, kw_only=True)
class Task:
    """To be learned by an LSTM with a linear readout, trained with Adam.

    Attributes:
        loss: `mse` or `cross_entropy`.
        steps: which outputs answer: the last one of each sequence, or all.
        score: what is looked at after an epoch: the held-out loss, or the accuracy.
        goal: the loss to come down to, or the accuracy to come up to.
    """

    name: str
    train: Examples
    held: Examples
    loss: Literal["mse", "cross_entropy"]
    score: Literal["loss", "accuracy"]
    goal: float
    outputs: int
    hidden: int
    rate: float = 0.005
    batch: int = 32
    clip: float = 1.0
    epochs: int
    steps: Literal["last", "all"] = "last"

    @property
    def wanted(self) -> str:
        """The goal in words."""
        return f"accuracy >= {self.goal:g}" if self.score == "accuracy" else f"loss <= {self.goal:.3g}"

    def scored(self, held: Held) -> float:
        """The number that the goal is about."""
        return float(getattr(held, self.score))

    def reached(self, held: Held) -> bool:
        """Whether that is good enough."""
        return self.scored(held) >= self.goal if self.score == "accuracy" else self.scored(held) <= self.goal

    def model(self, seed: int) -> nl.Sequence:
        """With its first weights."""
        cell = nl.cells.LSTM(inputs=self.train.x.shape[2], hidden=self.hidden, rng=seed, dtype="float32")
        return nl.Sequence(cell, readout=self.outputs)

    def beginning(self, batches: int) -> Task:
        """The same with less data."""
        return attrs.evolve(self, train=self.train.first(batches * self.batch))


@attrs.define(eq=False)
class Reached:
    """How a training went."""

    losses: list[float] = attrs.field(factory=list)
    held: list[Held] = attrs.field(factory=list)
    steps: int = 0
    seconds: float = 0.0

    def add(self, loss: float, held: Held, steps: int) -> None:
        """An epoch."""
        self.losses.append(loss)
        self.held.append(held)
        self.steps += steps

    @property
    def curves(self) -> dict[str, Array]:
        return {"loss": np.array(self.losses), "held-out loss": np.array([held.loss for held in self.held])}


def solve(task: Task, model: nl.Sequence, seed: int, epochs: int) -> Reached:
    """Train through `nl.fit` until the target is reached, or for so many epochs."""

    def watch(training: nl.Training) -> None:
        row = training.history[-1]
        held = Held(row["validation_loss"], row.get("validation_accuracy"))
        reached.add(row["loss"], held, training.steps - reached.steps)
        if task.reached(held):
            training.stop(task.wanted)

    reached = Reached()
    began = time.perf_counter()
    nl.fit(
        model,
        task.train.named(),
        loss=task.loss,
        optimizer=f"adam(lr={task.rate})",
        epochs=epochs,
        batch_size=task.batch,
        validation=task.held.named(),
        clip=task.clip,
        steps=task.steps,
        metrics=["accuracy"] if task.score == "accuracy" else [],
        callbacks=watch,
        rng=seed,
        progress=False,
    )
    reached.seconds = time.perf_counter() - began
    return reached
