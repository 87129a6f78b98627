"""PyTorch: its own LSTM, and any cell as a loop in Python. All of it time first, which is what PyTorch prefers."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.nn.functional import layer_norm, mse_loss
from torch.nn.utils.rnn import pack_padded_sequence

from contest.case import Case
from contest.contestant import Answer, Contestant
from contest.twins import TWINS, Twin
from nanolstm import Array

FUSED, EAGER, PACKED = "nn.LSTM", "torch eager", "nn.LSTM, packed"

XP = SimpleNamespace(
    sigmoid=torch.sigmoid,
    tanh=torch.tanh,
    affine=torch.addmm,
    split=lambda z, n: z.chunk(n, -1),
    join=lambda zs: torch.cat(zs, -1),
    layer_norm=lambda z: layer_norm(z, z.shape[-1:]),
)

ORDER = ("input", "forget", "new", "output")
"""PyTorch's order of the gates."""


def time_first(array: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.swapaxes(array, 0, 1)))


def batch_first(y: torch.Tensor) -> Answer:
    return {"y": y.transpose(0, 1).numpy()}


# nn.LSTM


def lstm_of(case: Case, made: Any = torch.nn.LSTM) -> Any:
    """An `nn.LSTM` or `nn.LSTMCell` with our weights; it has two biases, and the second stays 0."""
    _, _, M, H = case.shape
    lstm = made(M, H, dtype=getattr(torch, case.dtype))
    give_weights(lstm, case.cell.parameters)
    return lstm


def give_weights(lstm: torch.nn.Module, parameters: Mapping[str, Array]) -> None:
    """Ours to an `nn.LSTM` or `nn.LSTMCell`; its second bias becomes 0."""
    stacked = {w: np.concatenate([parameters[f"{name}.{w}"] for name in ORDER]) for w in "UWb"}
    values = (*stacked.values(), np.zeros_like(stacked["b"]))
    with torch.no_grad():
        for weight, value in zip(lstm.parameters(), values, strict=True):
            weight.copy_(torch.from_numpy(value))


def read_lstm(result: tuple[torch.Tensor, tuple[torch.Tensor, ...]]) -> Answer:
    """Gradients under our names."""
    value, gradients = result
    parts = {w: np.split(g.numpy(), 4) for w, g in zip("UWb", gradients[:3], strict=True)}
    named = {f"{name}.{w}": part for w in "UWb" for name, part in zip(ORDER, parts[w], strict=True)}
    return {"value": value.detach().numpy(), **named}


def training(case: Case) -> Contestant:
    lstm, x, target = lstm_of(case), time_first(case.x), time_first(case.target)
    weights = list(lstm.parameters())

    def call() -> Any:
        value = mse_loss(lstm(x)[0], target)
        return value, torch.autograd.grad(value, weights)

    return Contestant(FUSED, call, read_lstm)


def forward(case: Case) -> Contestant:
    lstm, x = lstm_of(case), time_first(case.x)
    return Contestant(FUSED, lambda: lstm(x)[0], batch_first, torch.no_grad)


def packed(case: Case, lengths: Array) -> Contestant:
    """A training step over sequences of unequal length, from the same padded batch as ours."""
    lstm, x, target, ends = lstm_of(case), time_first(case.x), time_first(case.target), torch.from_numpy(lengths)
    weights = list(lstm.parameters())

    def call() -> Any:
        y, _ = lstm(pack_padded_sequence(x, ends, enforce_sorted=False))
        value = mse_loss(y.data, pack_padded_sequence(target, ends, enforce_sorted=False).data)
        return value, torch.autograd.grad(value, weights)

    return Contestant(PACKED, call, read_lstm)


# The loop


def run(twin: Twin, p: dict[str, torch.Tensor], x: torch.Tensor, hidden: int) -> torch.Tensor:
    """(T, B, M) to (T, B, N)."""
    z, fixed = twin.before(XP, p, x)
    states = (x.new_zeros(x.shape[1], hidden),) * twin.states
    outputs = []
    for now in z.unbind(0):  # indexing z at each step would make its gradient quadratic in T
        y, *states = twin.step(XP, fixed, now, *states)
        outputs.append(y)
    return torch.stack(outputs)


def training_eager(case: Case) -> Contestant:
    twin, x, target = TWINS[case.name], time_first(case.x), time_first(case.target)
    parameters = case.cell.parameters
    p = {name: torch.tensor(value, requires_grad=True) for name, value in twin.stack(parameters).items()}

    def call() -> Any:
        value = mse_loss(run(twin, p, x, case.cell.hidden), target)
        return value, torch.autograd.grad(value, list(p.values()))

    def read(result: Any) -> Answer:
        value, gradients = result
        stacked = {name: g.numpy() for name, g in zip(p, gradients, strict=True)}
        return {"value": value.detach().numpy(), **twin.unstack(stacked, parameters)}

    return Contestant(EAGER, call, read)


def forward_eager(case: Case) -> Contestant:
    twin, x, hidden = TWINS[case.name], time_first(case.x), case.cell.hidden
    p = {name: torch.tensor(value) for name, value in twin.stack(case.cell.parameters).items()}
    return Contestant(EAGER, lambda: run(twin, p, x, hidden), batch_first, torch.no_grad)
