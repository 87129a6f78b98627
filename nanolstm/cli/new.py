"""`nanolstm new`: files to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

INTO = Annotated[Path, typer.Option(help="The folder to write into.")]

new = typer.Typer(no_args_is_help=True, help="Write files to start from: a cell, or a plugin.")


@new.command()
def cell(
    name: Annotated[str, typer.Argument(help="Its class, in CamelCase: MyCell is written to my_cell.py.")],
    into: INTO = Path(),
) -> None:
    """Write a cell with comments that say what may be changed, and a test of it."""
    from nanolstm.starting import start_cell

    started = start_cell(name, into)
    source, test = (into / path for path in started.paths)
    _tell(
        f"Wrote {source} and {test}.",
        [
            (f"nanolstm check {_word(source)}:{name}", "every derivative beside finite differences"),
            (f"nanolstm cells {_word(source)}:{name}", "its parameters and its graph"),
            (f"{_in(into)}python -m pytest {_word(test.relative_to(into))}", "its promises and its equations"),
        ],
    )


@new.command()
def plugin(
    name: Annotated[str, typer.Argument(help="Its name, in small letters: river is the distribution nanolstm-river.")],
    into: INTO = Path(),
) -> None:
    """Write a distribution with a data source, a loss, a cell, and tests of them."""
    from nanolstm.starting import start_plugin

    started = start_plugin(name, into)
    folder = into / started.paths[0].parts[0]
    _tell(
        f"Wrote {len(started.paths)} files to {folder}.",
        [
            (f"cd {_word(folder)}", ""),
            ('pip install -e ".[test]"', "nanolstm then finds it"),
            ("python -m pytest", "what nanolstm expects of a source, a loss and a cell"),
            (f"nanolstm check {started.cell}", "every derivative of the cell"),
        ],
    )


def _tell(what: str, commands: list[tuple[str, str]]) -> None:
    typer.echo(f"{what} Next:\n")
    width = max(len(command) for command, _ in commands)
    for command, why in commands:
        typer.echo(f"  {command.ljust(width)}  # {why}" if why else f"  {command}")


def _word(path: Path) -> str:
    return shlex.quote(str(path))


def _in(folder: Path) -> str:
    return "" if folder == Path() else f"cd {_word(folder)} && "
