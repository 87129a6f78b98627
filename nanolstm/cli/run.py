"""`nanolstm run`: load a series, train a cell on it, and say whether its forecasts are worth anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from nanolstm.cli.options import Options, with_options
from nanolstm.cli.output import print_json
from nanolstm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.cli.trial import Plan
    from nanolstm.data.request import DataRequest

JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
PLOT = Annotated[Path | None, typer.Option(help="Draw it into this file (.png, .svg, .pdf).")]
REFRESH = Annotated[bool, typer.Option("--refresh", help="Ask anew where an answer is kept.")]
WRITE = Annotated[Path | None, typer.Option(help="Write every option into this TOML file, for --config.")]

OF_TRAINING = (
    *("epochs", "batch_size", "patience", "clip", "optimizer", "schedule"),
    *("context", "horizon", "transform", "scaler", "held_out", "validation"),
)
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
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run with this --save was cut off.")] = False,
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
        files = Files(save=save, resume=resume, write_config=write_config, plot=plot)
        report = _trained(options, files, refresh=refresh, quiet=as_json)
    else:
        from nanolstm.cli.forward import run_forward

        _refuse_training(options, save=save, resume=resume or None, write_config=write_config)
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


@attrs.frozen(kw_only=True)
class Files:
    """Where a run writes what, each None for nowhere, and whether it goes on with what is there."""

    save: Path | None
    resume: bool
    write_config: Path | None
    plot: Path | None


def _trained(options: Options, files: Files, *, refresh: bool, quiet: bool) -> Any:
    """Train, score, and write what is to be written; answers with a report."""
    from nanolstm.cli.keep import keeping
    from nanolstm.cli.loading import load_options
    from nanolstm.cli.trial import Plan
    from nanolstm.data.request import SequenceData

    plan = Plan.check(options)
    kept = keeping(files.save, resume=files.resume)
    request, data, instead_of = load_options(options, plan.columns, refresh=refresh)
    told = asked_again(options, request, instead_of)
    if not isinstance(data, SequenceData):
        return _of_series(plan, request, data, instead_of, files, told, progress=not quiet, **kept)

    from nanolstm.cli.sequences import train_on_sequences

    if files.plot is not None:
        raise InputError("--plot draws a series over time; this source answered with separate sequences")
    report = train_on_sequences(plan, request, data, instead_of, progress=not quiet, **kept)
    if files.save is not None and report.training is not None:
        from nanolstm.cli.keep import forget, keep_model

        keep_model(files.save, report.model, told.told())
        forget(files.save, report.training)
    _write(files.write_config, told)
    return report


def _of_series(
    plan: Plan,
    request: DataRequest,
    frame: pd.DataFrame,
    instead_of: str | None,
    files: Files,
    told: Options,
    *,
    progress: bool,
    **kept: Any,
) -> Any:
    from nanolstm.cli.told import TrialReport
    from nanolstm.cli.trial import run_trial

    trial = run_trial(plan, frame, progress=progress, **kept)
    written: dict[str, Path] = {}
    if files.save is not None:
        from nanolstm.cli.keep import beside, forget, keep

        keep(files.save, trial, told.told())
        forget(files.save, trial.runs[-1])
        written |= {"model": files.save, "run": beside(files.save)}
    if files.write_config is not None:
        _write(files.write_config, told)
        written["run"] = files.write_config
    if files.plot is not None:
        from nanolstm.cli.picture import draw_trial

        draw_trial(trial, request, files.plot)
        written["picture"] = files.plot
    return TrialReport(request=request, instead_of=instead_of, trial=trial, files=written)


def asked_again(options: Options, request: Any, instead_of: str | None) -> Options:
    """The options by which the same data is asked for once more, whatever was asked when they were given."""
    source = request.source if options.source is None or instead_of else options.source
    start, end = (None if day is None else day.isoformat() for day in (request.start, request.end))
    return attrs.evolve(options, source=source, symbol=request.symbol, start=start, end=end)


def _write(path: Path | None, options: Options) -> None:
    if path is not None:
        from nanolstm.cli.config import write_config

        write_config(path, options.told())


def _refuse_training(options: Options, **files: Any) -> None:
    given = [name for name in OF_TRAINING if getattr(options, name) != getattr(Options(), name)]
    given += [name for name, path in files.items() if path is not None]
    if given:
        raise InputError(f"--{given[0].replace('_', '-')} is of a run that trains; leave it out, or --no-train")
