"""A task with a target: what is to be learned, with what, and when it counts as solved."""

from __future__ import annotations

import time

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
class Task:
    """One answer for each sequence, from an LSTM with a linear readout of its last output, trained with Adam.

    Attributes:
        x: (B, T, M), and `held_x` likewise.
        target: (B, N), or classes (B,); and `held_target` likewise.
        goal: the held-out loss to come down to, or if there are classes the accuracy to come up to.
    """

    name: str
    x: Array
    target: Array
    held_x: Array
    held_target: Array
    loss: str
    goal: float
    outputs: int
    hidden: int
    rate: float
    batch: int
    clip: float
    epochs: int

    @property
    def classes(self) -> bool:
        return self.loss == "cross_entropy"

    @property
    def wanted(self) -> str:
        """The goal in words."""
        return f"accuracy >= {self.goal:g}" if self.classes else f"{self.loss} <= {self.goal:g}"

    def reached(self, held: Held) -> bool:
        return held.loss <= self.goal if held.accuracy is None else held.accuracy >= self.goal

    def model(self, seed: int) -> nl.Sequence:
        """With its first weights."""
        cell = nl.cells.LSTM(inputs=self.x.shape[2], hidden=self.hidden, rng=seed, dtype="float32")
        return nl.Sequence(cell, readout=self.outputs)

    def beginning(self, batches: int) -> Task:
        """The same with less data."""
        rows = batches * self.batch
        return attrs.evolve(self, x=self.x[:rows], target=self.target[:rows])


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
        (task.x, task.target),
        loss=task.loss,
        optimizer=f"adam(lr={task.rate})",
        epochs=epochs,
        batch_size=task.batch,
        validation=(task.held_x, task.held_target),
        clip=task.clip,
        steps="last",
        metrics=["accuracy"] if task.classes else [],
        callbacks=watch,
        rng=seed,
        progress=False,
    )
    reached.seconds = time.perf_counter() - began
    return reached
