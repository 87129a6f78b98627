"""PyTorch's side of a training: `nn.LSTM` with our first weights, our order of data, and `torch.optim.Adam`.

Time comes first, which is what PyTorch prefers; the data is laid out so before anything is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import attrs
import numpy as np
import torch
from torch.nn.functional import cross_entropy, mse_loss

import nanolstm as nl
from contest.opponents.with_torch import give_weights, time_first
from contest.task import Examples, Held, Reached, Task
from nanolstm import Array

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mse": mse_loss,
    "cross_entropy": cross_entropy,
}


class Twin(torch.nn.Module):
    """A model of one `nl.cells.LSTM`, with its readout if it has one.

    PyTorch has two biases and we have one: the second is 0 and stays it, or it would be another model under Adam.
    """

    def __init__(self, model: nl.Sequence) -> None:
        super().__init__()
        p, hidden = model.parameters, model.cells[0].hidden
        self.lstm = torch.nn.LSTM(model.inputs, hidden)
        give_weights(self.lstm, p)
        self.lstm.bias_hh_l0.requires_grad_(False)
        self.linear = None
        if "readout.U" in p:
            self.linear = torch.nn.Linear(hidden, model.outputs)
            with torch.no_grad():
                self.linear.weight.copy_(torch.from_numpy(p["readout.U"].copy()))
                self.linear.bias.copy_(torch.from_numpy(p["readout.b"].copy()))

    def forward(self, x: torch.Tensor, ends: torch.Tensor | None = None) -> torch.Tensor:
        """Outputs (T, B, N) of x (T, B, M); or (B, N), those at the step before each sequence's end."""
        y = self.lstm(x)[0]
        if ends is not None:
            y = y[ends - 1, torch.arange(len(ends))]
        return y if self.linear is None else self.linear(y)

    def trained(self) -> list[torch.nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]


def one_batch(model: nl.Sequence, x: Array, target: Array, steps: int, *, fused: bool) -> Callable[[], Array]:
    """Answers with the losses of so many steps on one batch; a second call trains on."""
    twin, inputs, wanted = Twin(model), time_first(x), time_first(target)

    def call() -> Array:
        optimizer = torch.optim.Adam(twin.trained(), fused=fused)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = mse_loss(twin(inputs), wanted)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return np.array(losses)

    return call


@attrs.frozen(eq=False)
class Tensors:
    """Examples as PyTorch takes them: time first, and for answers at the last step where each sequence ends."""

    x: torch.Tensor
    target: torch.Tensor
    ends: torch.Tensor | None
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    @classmethod
    def of(cls, examples: Examples, task: Task) -> Tensors:
        target, ends = torch.from_numpy(examples.target), None
        if task.steps == "last":
            lengths = np.full(len(examples.x), examples.x.shape[1]) if examples.lengths is None else examples.lengths
            ends = torch.from_numpy(lengths)
        else:
            target = target.T.contiguous()
        return cls(time_first(examples.x), target, ends, LOSSES[task.loss])

    def take(self, rows: torch.Tensor) -> Tensors:
        """Some sequences, without the steps that are beyond the longest of them."""
        if self.ends is None:
            return attrs.evolve(self, x=self.x[:, rows], target=self.target[:, rows])
        ends = self.ends[rows]
        return attrs.evolve(self, x=self.x[: ends.max(), rows], target=self.target[rows], ends=ends)

    def scores(self, twin: Twin) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss, and the predictions that it is of, one in a row."""
        predicted = twin(self.x, self.ends)
        if self.ends is None:
            predicted = predicted.flatten(0, 1)
        return self.loss(predicted, self.target if self.ends is not None else self.target.flatten()), predicted


def solve(task: Task, model: nl.Sequence, seed: int, epochs: int) -> Reached:
    """Train until the target is reached, or for so many epochs."""
    twin, rng = Twin(model), np.random.default_rng(seed)
    train, held = Tensors.of(task.train, task), Tensors.of(task.held, task)
    optimizer = torch.optim.Adam(twin.trained(), lr=task.rate)
    reached, count = Reached(), len(task.train.x)
    began = time.perf_counter()
    for _ in range(epochs):
        losses = []
        for rows in batches(rng.permutation(count), task.batch):
            optimizer.zero_grad()
            loss, _ = train.take(rows).scores(twin)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(twin.trained(), task.clip)
            optimizer.step()
            losses.append(loss.item() * len(rows))
        reached.add(sum(losses) / count, held_out(twin, held, task), len(losses))
        if task.reached(reached.held[-1]):
            break
    reached.seconds = time.perf_counter() - began
    return reached


def held_out(twin: Twin, held: Tensors, task: Task) -> Held:
    with torch.no_grad():
        loss, predicted = held.scores(twin)
        right = (predicted.argmax(-1) == held.target).float().mean().item() if task.score == "accuracy" else None
    return Held(loss.item(), right)


def batches(order: Array, size: int) -> Iterator[torch.Tensor]:
    return (torch.from_numpy(order[begin : begin + size]) for begin in range(0, len(order), size))
