"""What a run is made of: each option once, for the command line and for the file that a run is written to."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import attrs
import typer

from nanolstm.cli.config import read_config


@attrs.frozen(kw_only=True)
class Options:
    """The data, the model, its training, and how it is scored."""

    symbol: Annotated[str | None, typer.Argument(help="A ticker, a path, a task: what the source calls it.")] = None
    source: Annotated[str | None, typer.Option(help="Where the data is from; see `nanolstm sources`.")] = None
    start: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None
    end: Annotated[str | None, typer.Option(help="Day after the last, YYYY-MM-DD.")] = None
    features: Annotated[str, typer.Option(help="Columns that the model sees, with commas.")] = "Adj Close,Volume"
    target: Annotated[str, typer.Option(help="Column that it predicts.")] = "Adj Close"
    missing: Annotated[str, typer.Option(help="Rows with missing values: error, drop or ffill.")] = "error"

    cell: Annotated[str | None, typer.Option(help="A cell, or module:Class; see `nanolstm cells`.")] = None
    hidden: Annotated[
        int | None, typer.Option(help="Hidden size K; 8, and 3 without training, unless given.", min=1)
    ] = None
    readout: Annotated[
        bool, typer.Option("--readout/--no-readout", help="A linear layer on top, whose output has no bounds.")
    ] = True
    seed: Annotated[int, typer.Option("--seed", "--rng", help="Draws the weights and the order of batches.", min=0)] = 0

    loss: Annotated[
        str | None, typer.Option(help="A loss; see `nanolstm losses`. mse, and rmse without training, unless given.")
    ] = None
    optimizer: Annotated[str, typer.Option(help="An optimizer; see `nanolstm optimizers`.")] = "adam(lr=0.01)"
    schedule: Annotated[str | None, typer.Option(help="Of the learning rate; see `nanolstm schedules`.")] = None
    epochs: Annotated[int, typer.Option(help="How often the data is gone through, at most.", min=1)] = 30
    batch_size: Annotated[int | None, typer.Option(help="Windows or sequences in one step.", min=1)] = None
    patience: Annotated[int, typer.Option(help="Epochs without a better validation loss, then it ends.", min=1)] = 10
    clip: Annotated[float | None, typer.Option(help="The largest norm of the gradient.")] = None

    context: Annotated[int, typer.Option(help="Rows that a forecast sees.", min=1)] = 20
    horizon: Annotated[int, typer.Option(help="Rows that it looks ahead.", min=1)] = 1
    transform: Annotated[
        str,
        typer.Option(help="log_return, difference or none; auto: log returns of what is above 0, else differences."),
    ] = "auto"
    scaler: Annotated[str, typer.Option(help="A scaler; see `nanolstm scalers`.")] = "standard"
    held_out: Annotated[float, typer.Option(help="Share of the rows at the end that is held out.")] = 0.2
    validation: Annotated[float, typer.Option(help="Share before it that says when to stop.")] = 0.1

    def told(self) -> dict[str, Any]:
        """Every option that has a value, as a file holds it."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not None}


def _configure(context: typer.Context, path: Path | None) -> Path | None:
    """Let the file say what the command line does not."""
    if path is not None:
        known = [str(parameter.name) for parameter in context.command.params]
        context.default_map = {**(context.default_map or {}), **read_config(path, known)}
    return path


CONFIG = Annotated[
    Path | None,
    typer.Option(
        help="Take options from this TOML file; those on the line go first.", is_eager=True, callback=_configure
    ),
]


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command(options, ...)` as a function whose signature has each option of `Options`, and `--config`."""
    own = inspect.signature(command, eval_str=True)
    hints = get_type_hints(Options, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(field.name, keyword, annotation=hints[field.name], default=field.default)
        for field in attrs.fields(Options)
    ]
    parameters += [p.replace(kind=keyword) for name, p in own.parameters.items() if name != "options"]
    parameters.append(inspect.Parameter("config", keyword, annotation=CONFIG, default=None))

    @functools.wraps(command)
    def call(**given: Any) -> None:
        given.pop("config")
        names = [field.name for field in attrs.fields(Options)]
        command(Options(**{name: given.pop(name) for name in names}), **given)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    del call.__wrapped__  # or its signature would be read
    return call
