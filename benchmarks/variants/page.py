"""The page of the documentation, and what the command prints: tables, and sentences that follow from the numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd
from contest import machine

from variants.findings import Finding, Findings
from variants.paper import CHANGES, CRITICAL, DATASETS, LEVEL, WORSE
from variants.task import BATCH, Task
from variants.trials import Plan

HEAD = """# A search space odyssey, in small

Which parts of an LSTM are worth having? Greff, Srivastava, Koutník, Steunebrink and Schmidhuber (2017), "LSTM: a search
space odyssey", removed or changed one part at a time, and compared these eight variants with the vanilla LSTM on three
datasets. This is their comparison with small tasks and few trials. `python benchmarks/odyssey.py --out docs` runs it
and writes this page: the sentences too follow from the numbers.
"""

FAR = """The paper trained by stochastic gradient descent with momentum until the validation error rose, in both
directions on two of its datasets, drew 200 settings for each variant and dataset (learning rate, momentum, hidden size,
noise on the inputs), and compared the tenth of them that did best on validation data. Here it is Adam, one direction,
one hidden size and as many steps for everybody, a few learning rates, and the best of them from several seeds: the
spread in a row is that of first weights and of the order of the data, and not that of the search. Weights start as in
the paper, normal with a standard deviation of 0.1, and all biases at 0, that of the forget gate too.
"""


def printed(found: Findings) -> str:
    """For the terminal."""
    lines = []
    for task in found.tasks:
        lines.append(f"\n{task.title}: {task.measure}, %")
        lines += ["  ".join(f"{cell:<12}" for cell in _row(found, task, name)) for name in found.ranking_on(task)]
    return "\n".join([*lines, "", *sentences(found)])


def page(found: Findings, table: pd.DataFrame, plan: Plan, *, quick: bool) -> str:
    """In Markdown."""
    warning = (
        "!!! warning\n    Made with `--quick`, which only shows that everything works: the numbers mean nothing.\n"
    )
    parts = [HEAD, *([warning] if quick else []), "## The ranking\n", _ranking(found)]
    parts += [f"![A box of test errors for each variant, on {_listed(t.title for t in found.tasks)}]"]
    parts[-1] += "(pictures/odyssey.png)\n"
    parts += [
        f"Boxes reach from the first quartile to the third, whiskers over all {len(plan.seeds)} trials, and the dashed "
        "line is the median of the vanilla LSTM. Thick lines: significantly different from it, orange if worse and "
        "green if better.\n",
        "## Beside the paper\n",
        *(f"- {sentence}" for sentence in sentences(found)),
        "",
        _beside(found),
        *(_of_task(found, task) for task in found.tasks),
        "## How it was done\n",
        _done(found, table, plan),
        FAR,
        _measured_on(),
    ]
    return "\n".join(parts)


def sentences(found: Findings) -> list[str]:
    """Where this agrees with the paper, and where not."""
    others = [name for name in found.ranking if name != found.vanilla]
    told = [_critical(found, name) for name in CRITICAL if name in others]
    if len(told) == len(CRITICAL) < len(others):
        told = [_most(found), *told]
    better = [name for name in others if found.where(name, "better")]
    names = [f"{name} on {_listed(found.where(name, 'better'))}" for name in better]
    told.append(
        f"Significantly better than the vanilla LSTM: {_listed(names) or 'no variant'}. "
        + _agreement(not better, "In the paper none is")
    )
    for verdict, word in {"agrees": "with", "agrees in part": "with", "differs": "from"}.items():
        some = [name for name in others if found.beside_the_paper(name) == verdict]
        told += [f"What the change does {verdict} {word} the paper for {_listed(some)}."] if some else []
    return told


def _most(found: Findings) -> str:
    """The changes that cost most, beside those of the paper."""
    rankings = {task.title: found.ranking_on(task) for task in found.tasks}
    each = [f"{_listed(ranking[-len(CRITICAL) :])} on {title}" for title, ranking in rankings.items()]
    last = found.ranking[-len(CRITICAL) :]
    return f"The two changes that cost most are {_listed(last)} together, {_listed(each)}. " + _agreement(
        set(last) == set(CRITICAL), f"In the paper they are {_listed(CRITICAL)}"
    )


def _critical(found: Findings, name: str) -> str:
    worse, place = found.where(name, "worse"), found.ranking.index(name) + 1
    hurts = f"is significantly worse on {_listed(worse)}" if worse else "is significantly worse on neither task"
    return (
        f"{name}, {CHANGES[name]}, {hurts}, with {found.overall(name):.2f} times the vanilla LSTM's error over all "
        f"tasks, place {place} of {len(found.variants)}. "
        + _agreement(len(worse) == len(found.tasks), "In the paper it is worse on all three datasets")
    )


def _agreement(same: bool, there: str) -> str:
    return f"{there}: that agrees." if same else f"{there}: that differs."


def _ranking(found: Findings) -> str:
    titles = [task.title for task in found.tasks]
    head = ["", "variant", "change", *titles, "together"]
    rows = []
    for place, name in enumerate(found.ranking, 1):
        ratios = [_ratio(found.by[task.name][name]) for task in found.tasks]
        rows.append([str(place), _cell(name), CHANGES[name], *ratios, f"{found.overall(name):.2f}"])
    return (
        "Errors on test data as multiples of the vanilla LSTM's, and their geometric mean, by which they are ranked; "
        f"those in bold differ significantly (Welch's t-test, p < {LEVEL:g}, as in the paper).\n\n"
        + _markdown(head, rows, right=[0, *range(3, len(head))])
    )


def _beside(found: Findings) -> str:
    head = ["variant", "change", "worse in the paper on", "worse here on", "better here on", ""]
    rows = [
        [
            _cell(name),
            CHANGES[name],
            ", ".join(WORSE[name]) or "none",
            ", ".join(found.where(name, "worse")) or "none",
            ", ".join(found.where(name, "better")) or "none",
            found.beside_the_paper(name),
        ]
        for name in found.variants
        if name != found.vanilla
    ]
    count = len(rows) * len(found.tasks)
    return (
        _markdown(head, rows)
        + f"\nIt agrees where a change hurts always (on all of {_listed(DATASETS)} there, on both tasks here), "
        "sometimes or never in both; it differs where it hurts always in one and never in the other, or where it is "
        f"better here, which none was in the paper. If no variant differed from the vanilla LSTM, about "
        f"{count * LEVEL:.1f} of the {count} comparisons would be significant by chance. That the forget gate and "
        "the output activation matter most, and that no variant is better, stands in the paper's abstract; the column "
        "of single datasets was written down from memory of its figures, and not checked against them.\n"
    )


def _of_task(found: Findings, task: Task) -> str:
    head = ["", "variant", "mean", "deviation", "median", "of vanilla's", "p", "learning rate"]
    rows = [[str(i), *_row(found, task, name)] for i, name in enumerate(found.ranking_on(task), 1)]
    diverged = {name: one.diverged for name, one in found.by[task.name].items() if one.diverged}
    note = "".join(
        f"\nOf {name} {count} diverged, and count as 'nothing learned'.\n" for name, count in diverged.items()
    )
    about = f"The task: {task.about}. The error: {task.measure}, in per cent; {100 * task.nothing:.0f} % is as good as "
    under = _markdown(head, rows, right=[0, *range(2, 8)])
    return f"## {task.title.capitalize()}\n\n{about}nothing learned.\n\n{under}{note}"


def _row(found: Findings, task: Task, name: str) -> list[str]:
    one = found.by[task.name][name]
    errors = 100 * one.errors
    p = "" if name == found.vanilla else "< 0.0001" if one.p < 0.0001 else f"{one.p:.2g}"
    spread = f"{errors.std(ddof=1):.2f}"
    numbers = [f"{errors.mean():.2f}", spread, f"{pd.Series(errors).median():.2f}", _ratio(one), p]
    return [_cell(name), *numbers, f"{one.rate:g}"]


def _ratio(one: Finding) -> str:
    return f"**{one.ratio:.2f}**" if one.significant else f"{one.ratio:.2f}"


def _cell(name: str) -> str:
    return "vanilla" if name == "VanillaLSTM" else name


def _done(found: Findings, table: pd.DataFrame, plan: Plan) -> str:
    steps = _listed(f"{task.training_steps} on {task.title}" for task in found.tasks)
    return (
        f"For each variant and task {len(plan.rates)} learning rates are drawn at random, their logarithms spread "
        f"evenly ({_listed(f'{rate:g}' for rate in plan.rates)}), the same for all variants, and each is trained with "
        f"once. The one with the lowest validation error is trained with from {len(plan.seeds)} other seeds, the same "
        "for all variants, and the errors on the test data of these are what the tables show. All have "
        f"{plan.hidden} hidden units, {BATCH} sequences in a batch and the same number of steps, {steps}, with Adam, a "
        "learning rate that falls to 0 as a cosine, gradients clipped to a norm of 1, and float32. "
        f"[Every trial](odyssey.csv), {len(table)} of them.\n"
    )


def _measured_on() -> str:
    rows = [("Processor", f"{machine.processor()}, {len(machine.cores())} cores")]
    rows += [("Date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))]
    rows += [
        (name, version)
        for name, version in machine.versions().items()
        if name in ("python", "nanolstm", "numpy", "numba")
    ]
    return _markdown(["Made with", ""], rows)


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))


def _markdown(head: list[str], rows: list[list[str]], right: Iterable[int] = ()) -> str:
    right = set(right)
    rule = ["--:" if i in right else "---" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows]) + "\n"
