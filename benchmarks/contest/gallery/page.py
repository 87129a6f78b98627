"""The page: the cells by family, and all that is known of each."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import nanolstm as nl
from contest.gallery.docstring import equations
from contest.gallery.learning import BATCH, CLIP, HIDDEN, LESSONS, RATE
from contest.gallery.picture import Curves
from contest.table import quantity, times
from contest.zoo.case import SHAPES
from contest.zoo.page import OTHERS
from contest.zoo.results import ZooResults
from nanolstm.cells.zoo import FAMILIES
from nanolstm.describing.card import Card, card_of
from nanolstm.describing.docstring import first_line
from nanolstm.describing.portrait import source_of

HEAD = """# The zoo

Every cell that comes with nanolstm: its paper, its equations, its source, how many parameters it has, how fast it is
and how it learns. `python benchmarks/gallery.py --out docs/gallery` made this page; nothing here was written by hand.
The curves are of {date}, learnt on this machine: {processor}.

`nanolstm cells` lists the cells, `nanolstm cells LSTM` shows one with its graph, and `nl.cells.LSTM(inputs=8,
hidden=32)` makes one. In formulas K is the hidden size and M the number of inputs; the whole docstring of each is in
[the API](api.md).

**Speed** is that of a training step in float32, from [the speed of the zoo](zoo-speed.md), where it says how it is
measured: our time, and how many times that a PyTorch loop derived by autograd takes, and a `lax.scan` under `jax.jit`.

**Learning**: {hidden} units, a linear readout of the last output, the cell's own first values, Adam with a rate of
{rate:g}, {batch} sequences a step, gradients clipped at a norm of {clip:g}, one seed, no setting chosen for any cell.
The sizes are not equal, and some cells give little to read: ToyLSTM and Jordan have a single output, and SRU, which is
as wide as its input, 8 units. So the curves show whether and how a cell begins to learn, and rank nothing: that takes
[a comparison](compare.md) with a rate for each, equal parameters and several seeds. The LSTM is the grey line, guessing
the dotted one, and a cross is a training that diverged.

{lessons}
"""


def page(results: ZooResults, curves: Curves, made: Mapping[str, str], pictures: Mapping[str, str]) -> str:
    """In Markdown; `pictures` are the paths of those of each family."""
    items = [f"- *{lesson.name}*: {lesson.about}" for lesson in LESSONS.values()]
    lessons = "\n".join(textwrap.fill(item, 120, subsequent_indent="  ") for item in items)
    parts = [HEAD.format(**made, hidden=HIDDEN, rate=RATE, batch=BATCH, clip=CLIP, lessons=lessons)]
    for module, names in FAMILIES.items():
        about = inspect.getdoc(import_module(f"nanolstm.cells.{module}")) or ""
        parts += [f"## {module.replace('_', ' ').capitalize()}\n", f"{about.splitlines()[0]}\n"]
        if module in pictures:
            parts.append(f"![Learning curves of {names.replace(' ', ', ')} on both tasks]({pictures[module]})\n")
        for name in names.split():
            parts += _cell(name, results, curves)
    return "\n".join(parts)


def _cell(name: str, results: ZooResults, curves: Curves) -> Iterator[str]:
    kind, card = getattr(nl.cells, name), card_of(name, "nanolstm")
    yield f"### {name}\n"
    yield f"{first_line(kind)}\n"
    if card.paper.reference:
        yield f"*{card.paper.reference}*\n"
    for before, block in equations(kind):
        if before:
            yield f"{before}\n"
        yield f"```text\n{block}\n```\n"
    yield f"```py\n{source_of(kind)}\n```\n"
    yield f"{_counted(card)}\n"
    yield _numbers(name, results, curves.get(name, {}))


def _counted(card: Card) -> str:
    text = f"**Parameters**: {card.parameters}"
    if card.frozen not in ("", "0"):
        text += f", and {card.frozen} that are frozen"
    return text + (f" ({card.where})" if card.where else "") + "."


def _numbers(name: str, results: ZooResults, learnt: Mapping[str, Any]) -> str:
    rows = [["step at (B, T, M, H)", "nanolstm", *(f"{other}, times" for other in OTHERS)]]
    rows.append(["---", *["--:"] * (len(rows[0]) - 1)])
    for shape in SHAPES:
        entry = results.entries.get((name, shape))
        if entry and not entry.failed:
            ratios = [entry.ratio(other) for other in OTHERS]
            rows.append(
                [str(shape), quantity(entry.values["nanolstm"], "s"), *("" if r is None else times(r) for r in ratios)]
            )
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n" if len(rows) > 2 else ""
    return "\n".join(part for part in (table, _learnt(learnt)) if part)


def _learnt(learnt: Mapping[str, Any]) -> str:
    words = [f"{lesson} {_last(curve)}" for lesson, curve in learnt.items()]
    return f"**Held-out accuracy** in the end: {', '.join(words)}.\n" if words else ""


def _last(curve: Mapping[str, Any]) -> str:
    text = f"{100 * curve['accuracy'][-1]:.0f}%"
    return f"{text} when it {curve['ended']}" if curve["ended"] else text
