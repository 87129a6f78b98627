"""`nanolstm compare`: cells of equally many parameters on one task, over several seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanolstm.cli import many
from nanolstm.cli.output import print_json
from nanolstm.cli.reserved import write_answer
from nanolstm.errors import InputError

if TYPE_CHECKING:
    from nanolstm.sweeping.comparison import Comparison


def compare(
    cells: many.CELLS,
    task: Annotated[
        str, typer.Option(help="A task, adding or adding(length=50), or a source of sequences; see `nanolstm sources`.")
    ],
    parameters: Annotated[
        int, typer.Option(help="How many each model shall have, its readout included.", min=1)
    ] = 2000,
    seeds: many.SEEDS = "5",
    epochs: many.EPOCHS = 50,
    loss: Annotated[
        str | None, typer.Option(help="mse, and cross_entropy where the targets are classes, unless given.")
    ] = None,
    metric: many.METRIC = None,
    optimizer: many.OPTIMIZER = "adam(lr=0.01)",
    learning_rate: many.LEARNING_RATE = None,
    batch_size: many.BATCH_SIZE = None,
    patience: many.PATIENCE = None,
    clip: many.CLIP = None,
    validation: many.VALIDATION = 0.2,
    jobs: many.JOBS = -1,
    out: Annotated[
        Path | None, typer.Option(help="Draw the learning curves here (.png, .svg, .pdf); compare.png unless given.")
    ] = None,
    file: many.FILE = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV.")] = False,
    as_json: many.JSON = False,
) -> None:
    """Train cells at an equal number of parameters on a task, and say which scores best and how surely."""
    from nanolstm.plot import check_picture, save
    from nanolstm.sweeping.compare import compare as run

    if as_csv and as_json:
        raise InputError("--csv and --json: choose one")
    quiet = as_csv or as_json
    if out is None and not quiet:
        out = Path("compare.png")
    if out is not None:
        check_picture(out)
    with many.kept_in(file):
        comparison = run(
            many.names(cells, "--cells"),
            task,
            parameters=parameters,
            seeds=many.seeds_of(seeds),
            loss=loss,
            metric=metric,
            validation=validation,
            n_jobs=jobs,
            file=file,
            progress=not quiet,
            **many.training_options(
                epochs=epochs,
                optimizer=optimizer,
                learning_rate=learning_rate,
                batch_size=batch_size,
                patience=patience,
                clip=clip,
            ),
        )
    trained = bool(comparison.table["seeds"].any())
    if out is not None and trained:
        save(comparison.plot(), out)
    if as_csv:
        write_answer(comparison.table.to_csv())
    else:
        _tell(comparison, out if trained else None, as_json=as_json)
    if not trained:
        raise typer.Exit(1)


def _tell(comparison: Comparison, picture: Path | None, *, as_json: bool) -> None:
    from nanolstm.sweeping.told import facts_of, print_comparison

    if as_json:
        print_json(facts_of(comparison) | {"picture": None if picture is None else str(picture)})
        return
    from rich.console import Console

    print_comparison(Console(highlight=False), comparison)
    if picture is not None:
        typer.echo(f"The learning curves are in {picture}.")
