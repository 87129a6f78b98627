"""The page of the documentation: all tables, and the goals."""

from __future__ import annotations

from itertools import groupby

from contest import table
from contest.goals import goals
from contest.parts import PARTS
from contest.results import Measured, Results

HEAD = """# Speed

How fast nanolstm is beside others on the same processor. `python benchmarks/speed.py --out docs/speed` measures all of
it and writes this page: nothing here was written by hand.

In each table the first column is our time, and the others say how many times ours theirs is: above 1 we are faster.
Every contestant has the same weights and the same batch, in the layout and precision it is written for, and before
anything is timed the results of all (outputs, or the loss and all gradients) are compared. They then alternate in one
process, and medians are compared. Shapes are (B, T, M, H): sequences, steps, inputs, hidden units.
"""


def page(results: Results, picture: str | None) -> str:
    """In Markdown; `picture` is the name of its file, if there is one."""
    parts = [_part(name, list(several)) for name, several in groupby(results, key=lambda m: m.part)]
    return "\n".join(
        [HEAD, _quick(results), _measured_on(results), _picture(results, picture), _goals(results), *parts]
    )


def _picture(results: Results, picture: str | None) -> str:
    if not picture:
        return ""
    threads = results.most_threads
    return f"![Times of the others over ours, at each shape]({picture})\n\nOn {_threads(threads)}.\n"


def _quick(results: Results) -> str:
    if not any(m.settings.quick for m in results):
        return ""
    return (
        "!!! warning\n    Measured with `--quick`, which only shows that everything works: the numbers mean nothing.\n"
    )


def _measured_on(results: Results) -> str:
    latest = max(results, key=lambda m: m.date)
    rows = [("Processor", f"{latest.processor}, {latest.cores} cores"), ("Date", latest.date)]
    rows += [(name, version) for name, version in latest.versions.items()]
    lines = ["| Measured with | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    mixed = any((m.versions, m.processor) != (latest.versions, latest.processor) for m in results)
    note = "\nSome parts were measured with other versions or elsewhere; they say so.\n" if mixed else ""
    return "\n".join(lines) + "\n" + note


def _goals(results: Results) -> str:
    found = goals(results)
    if not found:
        return ""
    rows = ["| goal | wanted | measured | |", "|---|--:|--:|---|", *(f"| {' | '.join(goal.row)} |" for goal in found)]
    met = sum(goal.met for goal in found)
    return (
        f"## The goals\n\n{met} of {len(found)} are met, on {_threads(results.most_threads)}.\n\n"
        + "\n".join(rows)
        + "\n"
    )


def _part(name: str, several: list[Measured]) -> str:
    part = PARTS[name]
    texts = [f"## {part.title}\n", f"{part.about}\n" if part.about else ""]
    for measured in several:
        texts.append(f"### {part.title}: {measured.settings.on}\n" if not part.once else "")
        for one in table.of(measured.entries, ratios=part.ratios):
            texts += [table.as_markdown(one), *(f"{e.label} failed: {e.failed}\n" for e in one.entries if e.failed)]
        texts.append(f"{_when(measured)}\n")
    return "\n".join(text for text in texts if text)


def _when(measured: Measured) -> str:
    return (
        f"*{measured.date}, {measured.settings.seconds:g} s an entry, nanolstm {measured.versions['nanolstm']}, "
        f"{measured.processor}.*"
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count != 1)}"
