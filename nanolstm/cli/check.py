"""`nanolstm check` and `nanolstm kernel`: what a cell is made into, and whether it is right."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from nanolstm.cli.output import print_json, print_table
from nanolstm.cli.reserved import write_answer


def check(
    cell: Annotated[str, typer.Argument(help="A cell, module:Class, or path/to/file.py:Class; fields in brackets.")],
    inputs: Annotated[int | None, typer.Option(help="Width M of x; a small one that fits.", min=1)] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden size K; a small one that fits.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, data and directions.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Check a cell: traced as it runs, and every derivative beside differences; ends with 1 if anything is wrong."""
    from rich.console import Console
    from rich.markup import escape

    from nanolstm.cells.find import find_cell
    from nanolstm.checking.check import check as check_cell

    kind, fields = find_cell(cell)
    progress = Console(stderr=True)
    with progress.status("") if progress.is_terminal else contextlib.nullcontext() as status:
        tell = (lambda text: status.update(escape(f"checking {text}"))) if status else None
        report = check_cell(kind, inputs=inputs, hidden=hidden, seed=seed, tell=tell, **fields)
    if as_json:
        print_json(report.facts())
    else:
        typer.echo(f"{report.cell}")
        yes, no = ("\u2713", "\u2717") if "utf" in Console().encoding.lower() else ("ok", "FAILED")
        rows = [(yes if row.passed else no, *row.cells()) for row in report.rows]
        print_table(("", "what", "over", "error", "allowed", "at"), rows)
        typer.echo(report.verdict())
    if not report.ok:
        raise typer.Exit(1)


def kernel(
    cell: Annotated[str, typer.Argument(help="A cell, module:Class, or path/to/file.py:Class; fields in brackets.")],
    inputs: Annotated[int, typer.Option(help="Width M of x.", min=1)] = 8,
    hidden: Annotated[int, typer.Option(help="Hidden size K.", min=1)] = 32,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
) -> None:
    """Print the source of a cell's kernels, forward and backward, as Numba compiles it."""
    from nanolstm.cells.find import find_cell
    from nanolstm.traced import kernel_source

    kind, fields = find_cell(cell)
    write_answer(kernel_source(kind(inputs=inputs, hidden=hidden, dtype=dtype, **fields)))
