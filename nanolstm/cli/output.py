"""Tables for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer


def print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows of text below a head."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def print_json(value: Any) -> None:
    """Print plain values as one JSON text."""
    import json

    typer.echo(json.dumps(value, indent=2, allow_nan=False))
