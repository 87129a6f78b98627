"""The parts of the whole table, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

import attrs

from contest.entry import Entry
from contest.settings import Settings


@attrs.frozen
class Part:
    """A part by what it is called.

    Args:
        name: for `--only`.
        title: above its tables.
        about: what is compared, for the page.
        module: where its `run` is.
        ratios: whether all but the first column are shown as a multiple of the first.
        once: measured with the most threads only.
    """

    name: str
    title: str
    about: str
    module: str
    function: str = "run"
    ratios: bool = True
    once: bool = False

    def run(self, settings: Settings) -> Iterator[Entry]:
        """Measure it, entry by entry."""
        found: Callable[[Settings], Iterator[Entry]] = getattr(import_module(self.module), self.function)
        return found(settings)


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part(
            "training",
            "LSTM, training step",
            "Forward, mean squared error, backward with the gradients of all parameters. Ours is a subclass of `Cell` "
            "that a user wrote; `NumPy` is the same on the backend that is the reference. *of peak*: what is left of "
            "the speed of a product of large matrices, measured between the others, if only the step's own products "
            "are counted.",
            "contest.parts.lstm",
            "training",
        ),
        Part(
            "forward",
            "LSTM, forward alone",
            "Inference: PyTorch under `torch.no_grad()`, ours as `model(x)`. ONNX Runtime's operator has no float64.",
            "contest.parts.lstm",
            "forward",
        ),
        Part(
            "cells",
            "Other cells, training step",
            "The reset gate of GRU v1 comes before the product, so that no library has it fused.",
            "contest.parts.others",
            "training",
        ),
        Part("cells-forward", "Other cells, forward alone", "", "contest.parts.others", "forward", once=True),
        Part(
            "lengths",
            "Unequal lengths, LSTM, training step",
            "*half*: lengths drawn evenly from 1 to T, *short*: from 1 to T / 4. *padded* is our own run over all "
            "steps. *of proportion*: 1 means that the time fell in proportion to the steps that are valid, less that "
            "it fell less.",
            "contest.parts.lengths",
        ),
        Part(
            "growth",
            "Growth with T and with B, LSTM, training step",
            "M = 16, H = 64. *ns a step*: our time divided by B T.",
            "contest.parts.growth",
        ),
        Part(
            "recording",
            "Recording every gate, LSTM, forward",
            "`model.record(x)` as a multiple of `model(x)`.",
            "contest.parts.recording",
        ),
        Part(
            "streaming",
            "Streaming, LSTM, one step a call",
            "One sequence, M = 8; each call takes one step and carries the state on.",
            "contest.parts.streaming",
        ),
        Part(
            "memory",
            "Peak memory, LSTM, training step, float32",
            "The highest resident memory of a process during three steps, after the same steps have compiled and "
            "warmed everything, beyond that of a process in which T = 2: what the length of the sequences costs.",
            "contest.parts.memory",
            ratios=False,
            once=True,
        ),
        Part(
            "starting",
            "First use and import",
            "The first forward and training step of a cell in a new process, less those of a second time: with a fresh "
            "cache folder, and again from that folder. *empty cache*: what all cells share is compiled as well. "
            "*Numba there*: again from the folder, where the process had imported Numba before.",
            "contest.parts.starting",
            ratios=False,
            once=True,
        ),
    )
}
