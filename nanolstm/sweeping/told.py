"""Sweeps and comparisons as tables for people, and as plain values for programs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nanolstm.report import number
from nanolstm.sweeping.member import SETTINGS

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from nanolstm.sweeping.comparison import Comparison


def facts_of(comparison: Comparison) -> dict[str, Any]:
    """All of it but the curves, as JSON can hold it."""
    return {
        "task": comparison.task,
        "metric": str(comparison.metric),
        "higher_is_better": comparison.metric.higher_is_better,
        "parameters": comparison.wanted,
        "cells": plain_rows(comparison.table.reset_index()),
        "trainings": plain_rows(comparison.members),
        "verdict": comparison.verdict(),
    }


def print_comparison(console: Console, comparison: Comparison) -> None:
    """The table, what failed, and what it comes to."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=escape(f"{comparison.metric} of the held-back part of {comparison.task}"),
        title_justify="left",
    )
    several = bool(comparison.table["failed"].any())
    table.add_column("cell", overflow="fold")
    for name in ("hidden", "para-\nmeters", "median", "lowest", "highest", "best\nepoch", "ms a\nstep"):
        table.add_column(name, justify="right", no_wrap=True)
    if several:
        table.add_column("failed", justify="right")
    for row in comparison.table.reset_index().to_dict(orient="records"):
        cells = [row["cell"], str(row["hidden"]), f"{row['parameters']:,}", *_scores(row)]
        cells += [f"{row['failed']} of {row['seeds'] + row['failed']}"] if several else []
        table.add_row(*map(escape, cells))
    console.print(table)
    _print_failures(console, comparison.members)
    console.print(escape(comparison.verdict()))


def print_sweep(console: Console, table: pd.DataFrame, score: str) -> None:
    """The trainings in the order of the table, without what is the same in all of them, and those that failed."""
    from rich.markup import escape
    from rich.table import Table

    varied = _varied(table)
    same = [f"{name} {table[name].iloc[0]}" for name in SETTINGS if name not in varied]
    shown = Table(title=escape(", ".join(same)), title_justify="left")
    for name in varied:
        shown.add_column(name, justify="right" if name in ("size", "seed") else "left", overflow="fold")
    for name in ("parameters", escape(score), "best epoch", "ms a step"):
        shown.add_column(name, justify="right")
    well = table[table["error"] == ""]
    for row in well.to_dict(orient="records"):
        numbers = [f"{row['parameters']:,}", f"{row['score']:.4g}", str(row["best_epoch"]), _milliseconds(row)]
        shown.add_row(*(escape(str(row[name])) for name in varied), *numbers)
    if len(well):
        console.print(shown)
    _print_failures(console, table)


def _print_failures(console: Console, table: pd.DataFrame) -> None:
    from rich.markup import escape

    failed = table[table["error"] != ""]
    if len(failed):
        console.print(f"{len(failed)} of {len(table)} trainings failed:")
    varied = _varied(table) or ["cell"]
    for row in failed.to_dict(orient="records"):
        console.print(escape(f" {', '.join(_named(name, row[name]) for name in varied)}: {row['error']}"))


def _named(name: str, value: Any) -> str:
    return f"{name} {value}" if name in ("size", "seed") else str(value)


def _varied(table: pd.DataFrame) -> list[str]:
    """The settings that are not the same in all trainings."""
    return [name for name in SETTINGS if (table[name] != table[name].iloc[0]).any()]


def text_of(comparison: Comparison) -> str:
    """The same as text."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100, highlight=False)
    print_comparison(console, comparison)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def _scores(row: Mapping[Any, Any]) -> list[str]:
    if not row["seeds"]:
        return ["failed", "", "", "", ""]
    return [
        *(f"{row[name]:.4g}" for name in ("score", "low", "high")),
        f"{row['best_epoch']:g}",
        _milliseconds(row),
    ]


def _milliseconds(row: Mapping[Any, Any]) -> str:
    return f"{1000 * row['step_seconds']:.3g}" if row["step_seconds"] == row["step_seconds"] else ""


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, as JSON can hold them."""
    return [
        {str(name): number(value) if isinstance(value, float) else value for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]
