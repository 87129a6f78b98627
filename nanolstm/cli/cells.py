"""`nanolstm cells`: the cells that there are, and one of them in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nanolstm.cli.output import print_code, print_json, print_table, writable

if TYPE_CHECKING:
    from nanolstm.describing.portrait import Portrait


_WIDE = 120
"""Columns from which on the titles of papers are shown beside their authors."""


def cells(
    cell: Annotated[
        str | None, typer.Argument(help="One in full: a cell, module:Class, or file.py:Class; fields in brackets.")
    ] = None,
    inputs: Annotated[int | None, typer.Option(help="With a cell: its width M, and not any.", min=1)] = None,
    hidden: Annotated[int | None, typer.Option(help="With a cell: its size K, and not any.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the cells with their papers and numbers of parameters; or show one: equations, source, parameters, graph."""
    if cell is None:
        if inputs or hidden:
            raise typer.BadParameter("--inputs and --hidden go with a cell: nanolstm cells LSTM --hidden 8")
        _print_catalogue(as_json=as_json)
        return
    from nanolstm.cells.find import find_cell
    from nanolstm.describing.portrait import portrait

    kind, fields = find_cell(cell)
    shown = portrait(kind, fields, inputs, hidden)
    if as_json:
        print_json(shown.facts())
    else:
        _print_portrait(shown)


def _print_catalogue(*, as_json: bool) -> None:
    from rich.console import Console

    from nanolstm.describing.card import cards

    found = cards()
    if as_json:
        print_json([card.facts() for card in found])
        return
    # Who registered a cell is worth a column where there is more than one.
    several = len({card.plugin for card in found}) > 1
    wide = Console().width >= _WIDE
    rows = []
    for card in found:
        what = card.wrong or (str(card.paper) if wide else card.paper.authors) or card.paper.reference or card.about
        year = str(card.paper.year or "")
        names = (card.name, card.plugin) if several else (card.name,)
        rows.append((*names, what, year, writable(card.count()), ", ".join(card.states)))
    head = ("cell", "plugin") if several else ("cell",)
    print_table((*head, "paper", "year", "parameters", "states"), rows)
    typer.echo("K is the hidden size, M the number of inputs.\nOne of them in full: nanolstm cells NAME")


def _print_portrait(shown: Portrait) -> None:
    from rich.console import Console

    from nanolstm.describing.docstring import for_a_screen

    fields = ", ".join(f"{name}={value}" for name, value in shown.fields.items())
    typer.echo(f"{shown.name}({', '.join(part for part in ('inputs=M, hidden=K', fields) if part)}), {shown.module}\n")
    if shown.docstring:
        typer.echo(writable(for_a_screen(shown.docstring, Console().width)) + "\n")
    print_code(shown.source)
    typer.echo()
    rows = [(a.name, a.what, writable(a.shape), a.value) for a in shown.arguments]
    print_table(("step", "", "shape", ""), rows)
    counted = [(p.name, p.shape, p.count, p.initial + (", frozen" if p.frozen else "")) for p in shown.parameters]
    counted.append(("all trained", "", shown.trained, ""))
    if shown.frozen != "0":
        counted.append(("all frozen", "", shown.frozen, ""))
    print_table(("parameter", "shape", "count", "first values"), [tuple(map(writable, row)) for row in counted])
    if shown.where:
        typer.echo(f"These hold for: {shown.where}.")
    if shown.changed:
        typer.echo("Its method `initialise` changes first values after all are drawn.")
    typer.echo("\nThe step as a graph, one operation a line, for n rows:\n\n" + writable(shown.graph))
