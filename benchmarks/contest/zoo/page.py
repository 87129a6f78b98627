"""The speed of the zoo as lines of a terminal, while they come, and as a page of the documentation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from contest.shapes import Shape
from contest.table import mean, quantity, times
from contest.zoo.case import NOTES, SHAPES
from contest.zoo.results import Timed, ZooResults
from nanolstm.cells.zoo import HOMES

OTHERS = ("torch eager", "lax.scan")

HEAD = """# Speed of the zoo

How long a training step of each cell of the zoo takes (forward, mean squared error, backward with the gradients of all
parameters), beside the same cell in PyTorch, as a loop in Python derived by autograd, and in JAX, as
`jit(value_and_grad(lax.scan))`. `python benchmarks/zoo.py --out docs/zoo-speed` measures all of it and writes this
page: nothing here was written by hand.

Nobody writes every cell three times. The graph of a step, which our kernels are made from, is written out as source for
the other libraries, in the form that somebody who cares for speed would give it: products that share a vector are one,
weights are stacked and transposed once in a step, what does not depend on the state is computed for all steps at once
before or after the loop, a product is added to in one call. `python benchmarks/zoo.py --show LSTM` prints it. It is
less than what an expert may find for one cell: a layer norm is spelled out, and block-diagonal weights stay apart.

Everybody has the same weights and the same batch, in float32, and the loss and all gradients are compared before
anything is timed. Contestants then alternate in one process, and medians are compared. Shapes are (B, T, M, H):
sequences, steps, inputs, hidden units. The first column of each shape is our time; the others say how many times ours
theirs is: above 1 we are faster. **What is below 1 is in bold**.
"""


def line(entry: Timed) -> str:
    """For the terminal."""
    text = f"  {entry.cell:<20}{entry.shape!s:<20}"
    if entry.failed:
        return f"{text}FAILED: {entry.failed}"
    ratios = "".join(f"{other:>14} {times(ratio):>8}" for other in OTHERS if (ratio := entry.ratio(other)) is not None)
    return f"{text}{quantity(entry.values['nanolstm'], 's'):>10}{ratios}"


def page(results: ZooResults) -> str:
    """In Markdown."""
    parts = [HEAD, _measured_on(results), _summary(results), _slower(results), _table(results), _notes(results)]
    return "\n".join(part for part in parts if part)


def _measured_on(results: ZooResults) -> str:
    machine, dates = results.machine, sorted(entry.date for entry in results.entries.values())
    versions = {entry.version for entry in results.entries.values()}
    rows = [("Processor", f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads")]
    rows += [("Date", dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}")]
    rows += [(name, version) for name, version in machine["versions"].items()]
    lines = ["| Measured with | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    mixed = f"\nnanolstm was at {len(versions)} states of its sources meanwhile.\n" if len(versions) > 1 else ""
    return "\n".join(lines) + "\n" + mixed


def _summary(results: ZooResults) -> str:
    rows = ["| | " + " | ".join(map(str, SHAPES)) + " |", f"|---|{'--:|' * len(SHAPES)}"]
    for other in OTHERS:
        cells = []
        for shape in SHAPES:
            ratios = list(_ratios(results, shape, other))
            faster = sum(ratio > 1 for ratio in ratios)
            cells.append(f"{times(mean(ratios))}, {faster} of {len(ratios)}" if ratios else "")
        rows.append(f"| {other} | {' | '.join(cells)} |")
    text = "Geometric means of their times over ours, and in how many cells we are faster:\n"
    return text + "\n" + "\n".join(rows) + "\n"


def _slower(results: ZooResults) -> str:
    slower = [
        f"{name} at {shape} ({times(ratio)} {other})"
        for (name, shape), entry in results.entries.items()
        for other in OTHERS
        if (ratio := entry.ratio(other)) is not None and ratio <= 1
    ]
    if not slower:
        return "No cell is slower than another library's at any shape.\n"
    text = (
        f"Slower than another: {', '.join(slower)}. At B = 1 and H = 3 a call of ours has a fixed part "
        "in Python, which counts where a step has few operations; and a `lax.scan` of few operations takes "
        "far less time, step by step, than one that has some more."
    )
    return textwrap.fill(text, 120) + "\n"


def _ratios(results: ZooResults, shape: Shape, other: str) -> Iterator[float]:
    for (_, at), entry in results.entries.items():
        if at == shape and (ratio := entry.ratio(other)) is not None:
            yield ratio


def _table(results: ZooResults) -> str:
    columns = [f"{column}{shape}" for shape in SHAPES for column in ("", "torch, ", "scan, ")]
    rows = [["cell", *columns], ["---", *["--:"] * len(columns)]]
    for name in HOMES:
        cells = [cell for shape in SHAPES for cell in _cells(results, name, shape)]
        rows.append([name + " \\*" * (name in NOTES), *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _cells(results: ZooResults, name: str, shape: Shape) -> list[str]:
    entry = results.entries.get((name, shape))
    if entry is None:
        return ["", "", ""]
    if entry.failed:
        return ["failed", "", ""]
    return [quantity(entry.values["nanolstm"], "s"), *(_ratio(entry.ratio(other)) for other in OTHERS)]


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return times(ratio) if ratio > 1 else f"**{times(ratio)}**"


def _notes(results: ZooResults) -> str:
    lines = [f"\\* {name} {note}." for name, note in NOTES.items()]
    failed = [e for e in results.entries.values() if e.failed]
    return "\n\n".join([*lines, *(f"{e.cell} at {e.shape} failed: {e.failed}" for e in failed)]) + "\n"
