"""`nanolstm sweep`: many trainings as one table, over cells, sizes, losses, seeds and series."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanolstm.cli import many
from nanolstm.cli.options import Options
from nanolstm.cli.output import print_json
from nanolstm.errors import InputError, SweepWarning

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.cli.windows import SeriesOptions
    from nanolstm.losses import Loss
    from nanolstm.sweeping.task import Task

_RUN = Options()
"""The defaults of `nanolstm run`."""


def sweep(
    cells: many.CELLS = "LSTM",
    sizes: Annotated[str, typer.Option(help="Hidden sizes with commas.")] = "8",
    losses: Annotated[
        str | None, typer.Option(help="Losses with commas; mse, and cross_entropy for classes, unless given.")
    ] = None,
    seeds: many.SEEDS = "1",
    task: Annotated[
        str | None, typer.Option(help="A task, adding or adding(length=50), or a source of sequences.")
    ] = None,
    symbols: Annotated[str | None, typer.Option(help="Series with commas, as --source calls them.")] = None,
    source: Annotated[str | None, typer.Option(help="Where series are from; see `nanolstm sources`.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option(help="Day after the last, YYYY-MM-DD.")] = None,
    features: Annotated[str, typer.Option(help="Columns of series that are seen, with commas.")] = _RUN.features,
    target: Annotated[str, typer.Option(help="Column of series that is predicted.")] = _RUN.target,
    missing: Annotated[str, typer.Option(help="Rows with missing values: error, drop or ffill.")] = _RUN.missing,
    context: Annotated[int, typer.Option(help="Rows of a series that a forecast sees.", min=1)] = _RUN.context,
    transform: Annotated[str, typer.Option(help="log_return, difference, none or auto, as in `run`.")] = _RUN.transform,
    scaler: Annotated[str, typer.Option(help="A scaler of series; see `nanolstm scalers`.")] = _RUN.scaler,
    metric: many.METRIC = None,
    epochs: many.EPOCHS = 30,
    optimizer: many.OPTIMIZER = "adam(lr=0.01)",
    learning_rate: many.LEARNING_RATE = None,
    batch_size: many.BATCH_SIZE = None,
    patience: many.PATIENCE = None,
    clip: many.CLIP = None,
    validation: many.VALIDATION = 0.2,
    jobs: many.JOBS = -1,
    file: many.FILE = None,
    out: Annotated[Path | None, typer.Option(help="Write the table to this CSV file.")] = None,
    as_json: many.JSON = False,
) -> None:
    """Train a model for each combination of series, cells, sizes, losses and seeds; the best one comes first."""
    from nanolstm.cli.windows import SeriesOptions
    from nanolstm.losses import loss as find_loss
    from nanolstm.losses import metric as find_metric
    from nanolstm.sweeping.sweep import sweep as run

    if (task is None) == (symbols is None and source is None):
        raise InputError("say on what: --task adding, or --symbols AAPL,MSFT of a --source")
    if out is not None and not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
    wanted = many.training_options(
        epochs=epochs,
        optimizer=optimizer,
        learning_rate=learning_rate,
        batch_size=batch_size,
        patience=patience,
        clip=clip,
    )
    asked = SeriesOptions(
        source=source,
        symbols=many.names(symbols, "--symbols") if symbols is not None else (),
        start=start,
        end=end,
        features=features,
        target=target,
        missing=missing,
        context=context,
        transform=transform,
        scaler=scaler,
        validation=validation,
    )
    series, on = _loaded(task, asked)
    usual = "cross_entropy" if on.classes else "mse"
    functions = [find_loss(name) for name in (many.names(losses, "--losses") if losses else [usual])]
    score = find_metric(metric or usual) if metric or len(functions) > 1 else functions[0]
    with many.kept_in(file), warnings.catch_warnings():
        warnings.simplefilter("ignore", SweepWarning)  # told below
        table = run(
            series,
            cells=many.names(cells, "--cells"),
            sizes=many.numbers(sizes, "--sizes", 1),
            losses=functions,
            seeds=many.seeds_of(seeds),
            score=score,
            validation=validation,
            readout=on.columns(functions[0]),
            n_jobs=jobs,
            file=file,
            progress=not as_json,
            steps=on.steps,
            **wanted,
        )
    table = table.sort_values("score", ascending=not score.higher_is_better, kind="stable", na_position="last")
    if out is not None:
        _write(table, out)
    _show(table, score, out, as_json=as_json)
    if (table["error"] != "").all():
        raise typer.Exit(1)


def _loaded(task: str | None, asked: SeriesOptions) -> tuple[dict[str, Any], Task]:
    """The data by name, and how its targets are to be read."""
    from nanolstm.cli.windows import load_windows
    from nanolstm.sweeping.task import Task, task_of

    if task is None:
        return load_windows(asked), Task(name="", data=None, steps="last")
    on = task_of(task)
    return {on.name: on.data}, on


def _write(table: pd.DataFrame, path: Path) -> None:
    from nanolstm.store.atomic import replacing

    with replacing(path) as file:
        file.write(table.to_csv(index=False).encode())


def _show(table: pd.DataFrame, score: Loss, out: Path | None, *, as_json: bool) -> None:
    from nanolstm.sweeping.told import plain_rows, print_sweep

    if as_json:
        facts: dict[str, Any] = {"score": str(score), "higher_is_better": score.higher_is_better}
        print_json(facts | {"trainings": plain_rows(table), "table": None if out is None else str(out)})
        return
    from rich.console import Console

    print_sweep(Console(highlight=False), table, str(score))
    if out is not None:
        typer.echo(f"The table is in {out}.")
