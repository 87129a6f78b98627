"""One step a call, the state carried on: what a call costs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from contest.case import Case
from contest.contestant import Answer, Contestant
from contest.entry import Entry, timed
from contest.opponents import ours
from contest.settings import Settings

M, STEPS = 8, 5
Streamer = Callable[[], Any]
"""One more step; the output as whatever the library answers with."""


def run(settings: Settings) -> Iterator[Entry]:
    """All sizes."""
    for dtype in settings.dtypes:
        for H in (4, 8) if settings.quick else (8, 32, 128, 256):
            case = Case("LSTM", (1, STEPS, M, H), dtype)
            group, label = f"LSTM, {dtype}", f"H = {H}"
            if not hasattr(case.model, "stepper"):
                print("  left out: this nanolstm has no model.stepper()")
                return
            them = [_ours(case), *_torch(case, settings), *_onnx(case, settings)]
            yield timed(group, label, them, settings.seconds / 2, dtype, shape=case.shape)


def _contestant(
    name: str, make: Callable[[], Streamer], case: Case, around: Any = contextlib.nullcontext
) -> Contestant:
    """Compared over the first steps of one stream, and timed in another."""

    def read(_: Any) -> Answer:
        stream = make()
        with around():
            return {"y": np.stack([np.array(stream()).reshape(case.cell.hidden) for _ in range(STEPS)])}

    return Contestant(name, make(), read, around)


def _ours(case: Case) -> Contestant:
    def make() -> Streamer:
        stepper, steps = case.model.stepper(), itertools.cycle(case.x[0])
        return lambda: stepper(next(steps))

    return _contestant(ours.NAME, make, case)


def _torch(case: Case, settings: Settings) -> list[Contestant]:
    """`nn.LSTM` over a sequence of one step, and `nn.LSTMCell`."""
    if "torch" not in settings.rivals:
        return []
    import torch

    from contest.opponents import with_torch

    def of_lstm() -> Streamer:
        lstm, state = with_torch.lstm_of(case), None
        steps = itertools.cycle(with_torch.time_first(case.x).unsqueeze(1).unbind())

        def step() -> torch.Tensor:
            nonlocal state
            y, state = lstm(next(steps), state)
            return y

        return step

    def of_cell() -> Streamer:
        cell, state = with_torch.lstm_of(case, torch.nn.LSTMCell), None
        steps = itertools.cycle(with_torch.time_first(case.x).unbind())

        def step() -> torch.Tensor:
            nonlocal state
            state = cell(next(steps), state)
            return state[0]

        return step

    names = {with_torch.FUSED: of_lstm, "nn.LSTMCell": of_cell}
    return [_contestant(name, make, case, torch.no_grad) for name, make in names.items()]


def _onnx(case: Case, settings: Settings) -> list[Contestant]:
    if "onnxruntime" not in settings.rivals or case.dtype != "float32":
        return []
    from contest.opponents import with_onnx

    def make() -> Streamer:
        run = with_onnx.session_of(case, settings.threads, streaming=True).run
        h = c = np.zeros((1, 1, case.cell.hidden), np.float32)
        steps = itertools.cycle(case.x[0][:, None, None])

        def step() -> Any:
            nonlocal h, c
            h, c = run(None, {"X": next(steps), "h": h, "c": c})
            return h

        return step

    return [_contestant(with_onnx.NAME, make, case)]
