"""The LSTM against everybody who has one."""

from __future__ import annotations

from collections.abc import Iterator

from contest.case import Case
from contest.contestant import Contestant
from contest.entry import Entry, timed
from contest.opponents import matmul, ours
from contest.settings import Settings


def trained(case: Case, rivals: tuple[str, ...], *, reference: bool = False) -> list[Contestant]:
    """A training step by everybody."""
    contestants = [ours.training(case)]
    if "torch" in rivals:
        from contest.opponents import with_torch

        if case.name == "LSTM":
            contestants.append(with_torch.training(case))
        contestants.append(with_torch.training_eager(case))
    if "jax" in rivals:
        from contest.opponents import with_jax

        contestants.append(with_jax.training(case))
    return contestants + [ours.training_in_numpy(case)] * reference


def ran(case: Case, settings: Settings) -> list[Contestant]:
    """A forward run by everybody."""
    contestants = [ours.forward(case)]
    if "torch" in settings.rivals:
        from contest.opponents import with_torch

        if case.name == "LSTM":
            contestants.append(with_torch.forward(case))
        contestants.append(with_torch.forward_eager(case))
    if "jax" in settings.rivals:
        from contest.opponents import with_jax

        contestants.append(with_jax.forward(case))
    if "onnxruntime" in settings.rivals and (case.name, case.dtype) == ("LSTM", "float32"):
        from contest.opponents import with_onnx

        contestants.append(with_onnx.forward(case, settings.threads))
    return contestants


def training(settings: Settings) -> Iterator[Entry]:
    """All shapes, with the share of the peak."""
    for dtype in settings.dtypes:
        for shape in settings.shapes:
            case = Case("LSTM", shape, dtype)
            contestants = trained(case, settings.rivals, reference=True)
            contestants.append(matmul.product(dtype, settings.threads))
            entry = timed(f"LSTM, {dtype}", str(shape), contestants, settings.seconds, dtype, shape=shape)
            if not entry.failed:
                peak = matmul.FLOPS / entry.values.pop(matmul.NAME)
                reached = matmul.flops_of_lstm(shape) / entry.values[ours.NAME]
                entry.extra = {"of peak": reached / peak, "peak GF/s": peak / 1e9}
            yield entry


def forward(settings: Settings) -> Iterator[Entry]:
    """All shapes."""
    for dtype in settings.dtypes:
        for shape in settings.shapes:
            contestants = ran(Case("LSTM", shape, dtype), settings)
            yield timed(f"LSTM, {dtype}", str(shape), contestants, settings.seconds, dtype, shape=shape)
