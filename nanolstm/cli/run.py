"""`nanolstm run`: load a series, train a cell on it, and say whether its forecasts are worth anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from nanolstm.cli.options import Options, with_options
from nanolstm.cli.output import print_json
from nanolstm.errors import InputError

JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
PLOT = Annotated[Path | None, typer.Option(help="Draw it into this file (.png, .svg, .pdf).")]
REFRESH = Annotated[bool, typer.Option("--refresh", help="Ask anew where an answer is kept.")]
WRITE = Annotated[Path | None, typer.Option(help="Write every option into this TOML file, for --config.")]

OF_TRAINING = ("epochs", "batch_size", "patience", "clip", "optimizer", "schedule", "context", "horizon", "transform")
"""Options that a run without training has no use for."""


@with_options
def run(
    options: Options,
    train: Annotated[bool | None, typer.Option("--train/--no-train", help="Train, which is what it does.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="notebook: without training, scored over the whole run; honest: on a held-out end."),
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Keep the model, *.safetensors, and beside it *.toml.")] = None,
    write_config: WRITE = None,
    refresh: REFRESH = False,
    plot: PLOT = None,
    as_json: JSON = False,
) -> None:
    """Train a cell on a series, and score its forecasts of the held-out end beside baselines that cost nothing."""
    from nanolstm.protocols import check_protocol

    if protocol is not None:
        check_protocol(protocol)
    if train is None:
        train = protocol != "notebook"
    if plot is not None:
        from nanolstm.plot import check_picture

        check_picture(plot)
    if train:
        if protocol == "notebook":
            raise InputError("--protocol notebook scores what it has seen, without training; leave out --train")
        report = _trained(options, save=save, write_config=write_config, refresh=refresh, plot=plot, quiet=as_json)
    else:
        from nanolstm.cli.forward import run_forward

        _refuse_training(options, save=save, write_config=write_config)
        report = run_forward(options, protocol or "notebook", refresh=refresh, plot=plot)
    show(report, as_json=as_json)
    if not train and plot is not None and not as_json:
        typer.echo(f"The picture is in {plot}.")


def show(report: Any, *, as_json: bool) -> None:
    """Print a report, as tables or as JSON."""
    if as_json:
        print_json(report.facts())
        return
    from rich.console import Console

    report.print(Console(highlight=False))


def _trained(
    options: Options,
    *,
    save: Path | None,
    write_config: Path | None,
    refresh: bool,
    plot: Path | None,
    quiet: bool,
) -> Any:
    """Train, score, and write what is to be written; answers with a report."""
    from nanolstm.cli.loading import load_options
    from nanolstm.cli.trial import Plan, run_trial
    from nanolstm.data.request import SequenceData

    plan = Plan.check(options)
    if save is not None:
        from nanolstm.cli.keep import check_place

        check_place(save)
    request, data, instead_of = load_options(options, plan.columns, refresh=refresh)
    if isinstance(data, SequenceData):
        from nanolstm.cli.sequences import train_on_sequences

        for name, path in (("--plot", plot), ("--save", save)):
            if path is not None:
                what = "draws a series over time" if name == "--plot" else "keeps a forecaster of a series"
                raise InputError(f"{name} {what}; this source answered with separate sequences")
        _write(write_config, options)
        return train_on_sequences(plan, request, data, instead_of, progress=not quiet)

    from nanolstm.cli.told import TrialReport

    trial = run_trial(plan, data, progress=not quiet)
    told = asked_again(options, request, instead_of)
    files: dict[str, Path] = {}
    if save is not None:
        from nanolstm.cli.keep import beside, keep

        keep(save, trial, told.told())
        files |= {"model": save, "run": beside(save)}
    if write_config is not None:
        _write(write_config, told)
        files["run"] = write_config
    if plot is not None:
        from nanolstm.cli.picture import draw_trial

        draw_trial(trial, request, plot)
        files["picture"] = plot
    return TrialReport(request=request, instead_of=instead_of, trial=trial, files=files)


def asked_again(options: Options, request: Any, instead_of: str | None) -> Options:
    """The options by which the same data is asked for once more, whatever was asked when they were given."""
    source = request.source if options.source is None or instead_of else options.source
    start, end = (None if day is None else day.isoformat() for day in (request.start, request.end))
    return attrs.evolve(options, source=source, symbol=request.symbol, start=start, end=end)


def _write(path: Path | None, options: Options) -> None:
    if path is not None:
        from nanolstm.cli.config import write_config

        write_config(path, options.told())


def _refuse_training(options: Options, **files: Path | None) -> None:
    given = [name for name in OF_TRAINING if getattr(options, name) != getattr(Options(), name)]
    given += [name for name, path in files.items() if path is not None]
    if given:
        raise InputError(f"--{given[0].replace('_', '-')} is of a run that trains; leave it out, or --no-train")
