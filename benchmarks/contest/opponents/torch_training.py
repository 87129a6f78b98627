"""PyTorch's side of a training: `nn.LSTM` with our first weights, our order of data, and `torch.optim.Adam`.

Time comes first, which is what PyTorch prefers; the data is laid out so before anything is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn.functional import cross_entropy, mse_loss

import nanolstm as nl
from contest.opponents.with_torch import give_weights, time_first
from contest.task import Held, Reached, Task
from nanolstm import Array

LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "mse": mse_loss,
    "cross_entropy": cross_entropy,
}


class Twin(torch.nn.Module):
    """A model of one `nl.cells.LSTM`, with its readout if it has one.

    PyTorch has two biases and we have one: the second is 0 and stays it, or it would be another model under Adam.
    """

    def __init__(self, model: nl.Sequence, *, last: bool = False) -> None:
        super().__init__()
        p, hidden = model.parameters, model.cells[0].hidden
        self.last = last
        self.lstm = torch.nn.LSTM(model.inputs, hidden)
        give_weights(self.lstm, p)
        self.lstm.bias_hh_l0.requires_grad_(False)
        self.linear = None
        if "readout.U" in p:
            self.linear = torch.nn.Linear(hidden, model.outputs)
            with torch.no_grad():
                self.linear.weight.copy_(torch.from_numpy(p["readout.U"].copy()))
                self.linear.bias.copy_(torch.from_numpy(p["readout.b"].copy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.lstm(x)[0]
        if self.last:
            y = y[-1]
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


def solve(task: Task, model: nl.Sequence, seed: int, epochs: int) -> Reached:
    """Train until the target is reached, or for so many epochs."""
    twin, rng = Twin(model, last=True), np.random.default_rng(seed)
    x, target = time_first(task.x), torch.from_numpy(task.target)
    held_x, held_target = time_first(task.held_x), torch.from_numpy(task.held_target)
    optimizer, loss_of = torch.optim.Adam(twin.trained(), lr=task.rate), LOSSES[task.loss]
    reached = Reached()
    began = time.perf_counter()
    for _ in range(epochs):
        losses = []
        for rows in batches(rng.permutation(len(task.target)), task.batch):
            optimizer.zero_grad()
            loss = loss_of(twin(x[:, rows]), target[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(twin.trained(), task.clip)
            optimizer.step()
            losses.append(loss.item() * len(rows))
        with torch.no_grad():
            predicted = twin(held_x)
            held = Held(loss_of(predicted, held_target).item(), None)
            if task.classes:
                held = Held(held.loss, (predicted.argmax(-1) == held_target).float().mean().item())
        reached.add(sum(losses) / len(target), held, len(losses))
        if task.reached(held):
            break
    reached.seconds = time.perf_counter() - began
    return reached


def batches(order: Array, size: int) -> Iterator[torch.Tensor]:
    return (torch.from_numpy(order[begin : begin + size]) for begin in range(0, len(order), size))
