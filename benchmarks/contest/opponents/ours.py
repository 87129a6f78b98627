"""nanolstm."""

from __future__ import annotations

from typing import Any

import nanolstm as nl
from contest.case import Case
from contest.contestant import Answer, Contestant

NAME = "nanolstm"


def read_gradient(result: tuple[float, dict[str, Any]]) -> Answer:
    """The value among the gradients."""
    value, gradients = result
    return {"value": value, **gradients}


def training(case: Case) -> Contestant:
    model, x, target = case.model, case.x, case.target
    return Contestant(NAME, lambda: model.value_and_grad(x, target, loss="mse"), read_gradient)


def forward(case: Case) -> Contestant:
    model, x = case.model, case.x
    return Contestant(NAME, lambda: model(x), lambda y: {"y": y})


def training_in_numpy(case: Case) -> Contestant:
    """The backend that is the reference."""
    model, x, target = nl.Sequence(case.cell, backend="numpy"), case.x, case.target
    return Contestant("NumPy", lambda: model.value_and_grad(x, target, loss="mse"), read_gradient)
