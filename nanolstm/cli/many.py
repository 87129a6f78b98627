"""Options of the commands that train many models: each of them once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from nanolstm.errors import InputError

CELLS = Annotated[
    str, typer.Option(help="Cells with commas: names, module:Class or file.py:Class, with (field=value) or not.")
]
SEEDS = Annotated[str, typer.Option(help="How many seeds, counted from 0; or which, with commas: 3, or 7,8,9.")]
EPOCHS = Annotated[int, typer.Option(help="How often the data is gone through, at most.", min=1)]
OPTIMIZER = Annotated[str, typer.Option(help="An optimizer; see `nanolstm optimizers`.")]
LEARNING_RATE = Annotated[float | None, typer.Option(help="In place of the optimizer's own.")]
BATCH_SIZE = Annotated[int | None, typer.Option(help="Sequences in one step; 32 unless given.", min=1)]
PATIENCE = Annotated[int | None, typer.Option(help="End after so many epochs without a better validation loss.", min=1)]
CLIP = Annotated[float | None, typer.Option(help="The largest norm of the gradient.")]
VALIDATION = Annotated[float, typer.Option(help="Share at the end that is held back, which scores are of.")]
METRIC = Annotated[str | None, typer.Option(help="What is ranked by; see `nanolstm metrics` and `losses`.")]
JOBS = Annotated[int, typer.Option(help="How many are trained at once; -1: one on each core.")]
FILE = Annotated[Path | None, typer.Option(help="Keep finished trainings here, *.json, and go on from them.")]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@contextlib.contextmanager
def kept_in(file: Path | None) -> Iterator[None]:
    """Where Ctrl-C ends the block, say where what is finished has been kept."""
    try:
        yield
    except KeyboardInterrupt:
        lost = "what was finished is lost: --file would keep it"
        kept = f"finished trainings are in {file}, and the same command goes on from there"
        sys.stderr.write(f"nanolstm: stopped; {lost if file is None else kept}\n")
        raise


def names(text: str, option: str) -> list[str]:
    """What stands between the commas outside of brackets.

    >>> names("LSTM, mine.py:Cell(sizes=(1, 2))", "--cells")
    ['LSTM', 'mine.py:Cell(sizes=(1, 2))']

    Raises:
        InputError: nothing does.
    """
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    found = [part.strip() for part in parts if part.strip()]
    if not found:
        raise InputError(f"{option} {text!r} names nothing; write one, or several with commas")
    return found


def seeds_of(text: str) -> list[int]:
    """A number is how many; several, or one with a comma after it, are the seeds themselves.

    >>> seeds_of("3"), seeds_of("7,9"), seeds_of("3,")
    ([0, 1, 2], [7, 9], [3])

    Raises:
        InputError: anything else.
    """
    found = numbers(text, "--seeds", 0)
    if "," in text:
        return found
    if found == [0]:
        raise InputError("--seeds 0 are none; write how many, from 1 on, or 0, with a comma for the seed 0")
    return [*range(found[0])]


def numbers(text: str, option: str, least: int) -> list[int]:
    """Whole numbers with commas.

    Raises:
        InputError: anything else.
    """
    found = names(text, option)
    if not all(part.isascii() and part.isdecimal() and int(part) >= least for part in found):
        raise InputError(f"{option} {text!r}: expected whole numbers from {least} on, with commas between them")
    return [int(part) for part in found]


def training_options(*, epochs: int, optimizer: str, learning_rate: float | None, **others: Any) -> dict[str, Any]:
    """What goes to `nl.fit`, of options that were given.

    Raises:
        InputError: a learning rate that is none.
        UnknownNameError: no such optimizer.
    """
    from nanolstm.train.optimizer import optimizer as find_optimizer

    made = find_optimizer(optimizer)
    if learning_rate is not None:
        if not 0 < learning_rate < float("inf"):
            raise InputError(f"--learning-rate {learning_rate:g}: expected a number above 0")
        made.lr = learning_rate
    return {"epochs": epochs, "optimizer": made, **{name: value for name, value in others.items() if value is not None}}
