"""The goals, and whether what was measured reaches them. All of them are for the most threads measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from contest.cells import CELLS
from contest.entry import Entry
from contest.results import Results
from contest.table import mean, seconds, times

Ratios = dict[str, float]
"""By the line of the table."""


@attrs.frozen
class Goal:
    """One of them.

    Args:
        text: what is wanted, in words.
        wanted: the bound.
        measured: what was found.
        at: where that was, if it is the worst of several.
        most: whether the bound is from above.
        show: how numbers are written.
    """

    text: str
    wanted: float
    measured: float
    at: str = ""
    most: bool = False
    show: Callable[[float], str] = times

    @property
    def met(self) -> bool:
        """Not so with NaN."""
        return self.measured <= self.wanted if self.most else self.measured >= self.wanted

    @property
    def verdict(self) -> str:
        """Met, or missed by how much of what is wanted."""
        return "met" if self.met else f"**missed by {abs(self.measured / self.wanted - 1):.0%}**"

    @property
    def row(self) -> tuple[str, str, str, str]:
        """Text, bound, finding, verdict."""
        bound = f"{'at most' if self.most else 'at least'} {self.show(self.wanted)}"
        return self.text, bound, self.show(self.measured) + (f" at {self.at}" if self.at else ""), self.verdict


def goals(results: Results) -> list[Goal]:
    """All about which something was measured."""
    every = (_training, _against_loops, _peak, _same, _forward, _onnx, _lengths, _recording, _streaming, _starting)
    return [goal for some in every for goal in some(results)]


def _ratios(entries: list[Entry], other: str) -> Ratios:
    return {e.label: r for e in entries if (r := e.ratio(other)) is not None}


def _mean(text: str, ratios: Ratios, wanted: float) -> Iterator[Goal]:
    if ratios:
        yield Goal(f"{text}, geometric mean", wanted, mean(ratios.values()))


def _least(text: str, values: Ratios, wanted: float, show: Callable[[float], str] = times) -> Iterator[Goal]:
    if values:
        at = min(values, key=values.__getitem__)
        yield Goal(f"{text}, least", wanted, values[at], at, show=show)


def _most(text: str, values: Ratios, wanted: float, show: Callable[[float], str] = times) -> Iterator[Goal]:
    if values:
        at = max(values, key=values.__getitem__)
        yield Goal(f"{text}, most", wanted, values[at], at, most=True, show=show)


def _training(results: Results) -> Iterator[Goal]:
    single = _ratios(results.entries("training", dtype="float32"), "nn.LSTM")
    double = _ratios(results.entries("training", dtype="float64"), "nn.LSTM")
    yield from _mean("Training step over `nn.LSTM`, float32", single, 3)
    yield from _least("Training step over `nn.LSTM`, float32", single, 1.3)
    yield from _mean("Training step over `nn.LSTM`, float64", double, 10)


def _against_loops(results: Results) -> Iterator[Goal]:
    for dtype in ("float32", "float64"):
        small = [e for e in results.entries("training", dtype=dtype) if e.shape and e.shape[3] <= 128]
        yield from _mean(
            f"Training step over the torch eager loop, H up to 128, {dtype}", _ratios(small, "torch eager"), 20
        )
    for name in CELLS:
        part = "training" if name == "LSTM" else "cells"
        for dtype in ("float32", "float64"):
            ratios = _ratios(results.entries(part, cell=name, dtype=dtype), "lax.scan")
            yield from _mean(f"Training step over `jit(lax.scan)`, {name}, {dtype}", ratios, 4)
            yield from _least(f"Training step over `jit(lax.scan)`, {name}, {dtype}", ratios, 1.3)


def _peak(results: Results) -> Iterator[Goal]:
    large = [e for e in results.entries("training", dtype="float32") if e.shape and e.shape[3] >= 256]
    shares = {e.label: e.extra["of peak"] for e in large}
    yield from _least("Share of the sgemm peak in the training step, H from 256", shares, 0.85, "{:.0%}".format)


def _same(results: Results) -> Iterator[Goal]:
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        errors = {e.label: e.errors["NumPy"] for e in results.entries("training", dtype=dtype) if "NumPy" in e.errors}
        yield from _most(f"Difference from the NumPy backend, {dtype}", errors, tolerance, "{:.0e}".format)


def _forward(results: Results) -> Iterator[Goal]:
    ratios = _ratios(results.entries("forward", dtype="float32"), "nn.LSTM")
    yield from _mean("Forward alone over `nn.LSTM`, float32", ratios, 2)
    yield from _least("Forward alone over `nn.LSTM`, float32", ratios, 0.95)


def _onnx(results: Results) -> Iterator[Goal]:
    entries = results.entries("forward", dtype="float32")
    one = [e for e in entries if e.shape and e.shape[0] == 1]
    more = [e for e in entries if e.shape and e.shape[0] > 1]
    yield from _least("Forward alone over ONNX Runtime, B = 1", _ratios(one, "ONNX Runtime"), 1)
    yield from _least("Forward alone over ONNX Runtime, larger B", _ratios(more, "ONNX Runtime"), 1)


def _lengths(results: Results) -> Iterator[Goal]:
    for dtype in ("float32", "float64"):
        entries = results.entries("lengths", dtype=dtype)
        short = {e.label: e.extra["of proportion"] for e in entries if e.label.endswith("short")}
        yield from _least(f"Unequal lengths over our padded run, {dtype}", _ratios(entries, "padded"), 1)
        yield from _least(f"Short sequences in proportion (taken as within a quarter), {dtype}", short, 0.8)
        packed = _ratios(entries, "nn.LSTM, packed")
        yield from _mean(f"Unequal lengths far ahead of packed sequences (taken as 3), {dtype}", packed, 3)


def _recording(results: Results) -> Iterator[Goal]:
    for dtype in ("float32", "float64"):
        ratios = _ratios(results.entries("recording", dtype=dtype), "recording")
        yield from _most(f"Recording all gates over the plain run, {dtype}", ratios, 1.3)


def _streaming(results: Results) -> Iterator[Goal]:
    for dtype in ("float32", "float64"):
        entries = results.entries("streaming", dtype=dtype)
        for other in ("ONNX Runtime", "nn.LSTM", "nn.LSTMCell"):
            yield from _least(f"Streaming over {other}, {dtype}", _ratios(entries, other), 1)


def _starting(results: Results) -> Iterator[Goal]:
    cells = [e for e in results.entries("starting") if "new" in e.values]
    new = {f"{e.label}, {e.dtype}": e.values["new"] for e in cells if not e.label.endswith("empty cache")}
    cached = {f"{e.label}, {e.dtype}": e.values["from the cache"] for e in cells}
    there = {f"{e.label}, {e.dtype}": e.values["Numba there"] for e in cells}
    yield from _most("A new cell, forward and backward", new, 3, seconds)
    yield from _most("From the cache in a new process", cached, 0.3, seconds)
    yield from _most("From the cache where Numba is imported already", there, 0.3, seconds)
