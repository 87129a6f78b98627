"""Tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer

from nanolstm.cli.reserved import write_answer


def print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows of text below a head."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def print_code(source: str) -> None:
    """Print Python source as it is, in colours where a terminal shows them."""
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console()
    if console.is_terminal:
        # The terminal's own colours, which are legible on its own background.
        console.print(Syntax(source, "python", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        typer.echo(source)


def writable(text: str) -> str:
    """`text` with powers as ^2 and products as * where standard output has no letters for them."""
    from rich.console import Console

    return text if "utf" in Console().encoding.lower() else text.translate({0xB2: "^2", 0xB3: "^3", 0xB7: "*"})


def print_json(value: Any) -> None:
    """Print plain values as one JSON text."""
    import json

    write_answer(json.dumps(value, indent=2, allow_nan=False) + "\n")
