"""The command line.

Everything but Typer is imported when a command runs, so that `nanolstm --help` answers at once. Plugins are switched on
and off before the commands are built, since they may bring commands of their own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nanolstm import __version__, plugins
from nanolstm.errors import InputError, NanolstmError, PluginError, SourceUnavailableError, UnknownNameError, one_line

if TYPE_CHECKING:
    from nanolstm.data.request import Data, DataRequest

NOTEBOOK = {"symbol": "AAPL", "start": "2022-01-01", "end": "2024-01-31"}
"""What the notebook loads: two years of one stock; `end` is exclusive."""

PATIENCE = 6.0
"""Seconds that Yahoo is given before the shipped sample takes its place; importing yfinance comes on top."""


def build() -> typer.Typer:
    """The program with all its commands, those of plugins included."""
    app = typer.Typer(
        name="nanolstm",
        help="Recurrent cells for research: one step in plain NumPy, and everything else is derived from it.",
        epilog="Anywhere on the line: -p MODULE loads a plugin from a file or package, -p no:NAME switches one off, "
        "--debug shows tracebacks.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def program(
        version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    ) -> None:
        if version:
            typer.echo(f"nanolstm {__version__}")
            raise typer.Exit

    for command in (run, check, kernel, list_plugins, list_cells, list_sources, list_losses):
        app.command(name=command.__name__.removeprefix("list_"))(command)
    owners = {str(command.name): "nanolstm" for command in app.registered_commands}
    for plugin, theirs in plugins.shared.offers("nanolstm_register_commands", typer.Typer):
        try:
            names = sorted(typer.main.get_group(theirs).commands)
        except Exception as error:  # noqa: BLE001  (Typer reads a command's annotations only now)
            plugins.shared.leave_out(plugin, error)
            continue
        taken = [name for name in names if name in owners]
        if taken:
            plugins.shared.leave_out(plugin, f"its command {taken[0]!r} is there already, from {owners[taken[0]]}")
            continue
        owners |= dict.fromkeys(names, f"plugin {plugin}")
        if names:
            plugin.registered["commands"] = names
        app.registered_commands += theirs.registered_commands
        app.registered_groups += theirs.registered_groups
    return app


def run(
    symbol: Annotated[str | None, typer.Argument(help="A ticker, a path, a task: what the source calls it.")] = None,
    source: Annotated[str | None, typer.Option(help="Where the data is from; see `nanolstm sources`.")] = None,
    start: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option(help="Day after the last, YYYY-MM-DD.")] = None,
    features: Annotated[str, typer.Option(help="Columns that the model sees, with commas.")] = "Adj Close,Volume",
    target: Annotated[str, typer.Option(help="Column that it predicts, one row ahead.")] = "Adj Close",
    cell: Annotated[str, typer.Option(help="A cell, or module:Class; see `nanolstm cells`.")] = "ToyLSTM",
    hidden: Annotated[int, typer.Option(help="Hidden size K.", min=1)] = 3,
    loss: Annotated[str, typer.Option(help="A loss; see `nanolstm losses`.")] = "rmse",
    protocol: Annotated[str, typer.Option(help="How it is scored: notebook or honest.")] = "notebook",
    rng: Annotated[int, typer.Option(help="Seed of the weights.", min=0)] = 0,
    missing: Annotated[str, typer.Option(help="Rows with missing values: error, drop or ffill.")] = "error",
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask anew where an answer is kept.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the run into this file (.png, .svg, .pdf).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Load a series, run a cell over it, and score its predictions beside baselines that cost nothing."""
    from nanolstm.cells.find import find_cell
    from nanolstm.data.request import SequenceData
    from nanolstm.losses import loss as find_loss
    from nanolstm.protocols import check_protocol, evaluate_sequences, evaluate_series
    from nanolstm.report import Report
    from nanolstm.sequence import Sequence

    # Whatever can be wrong with the arguments is found before any data is asked for.
    kind, fields = find_cell(cell)
    scorer = find_loss(loss)
    check_protocol(protocol)
    if plot is not None:
        from nanolstm.plot import check_picture

        check_picture(plot)
    columns = tuple(name.strip() for name in features.split(",") if name.strip())
    if not columns:
        raise InputError(f"--features {features!r} names no column; write them with commas: 'Adj Close,Volume'")
    wanted = _request(
        symbol, source, start, end, columns=tuple(dict.fromkeys((*columns, target))), missing=missing, refresh=refresh
    )
    request, data, instead_of = _load(wanted, fall_back=source is None)

    sequences = isinstance(data, SequenceData)
    inputs = data.x.shape[-1] if isinstance(data, SequenceData) else len(columns)
    width = _target_width(data, scorer.classes) * scorer.columns if isinstance(data, SequenceData) else scorer.columns
    made = kind(inputs=inputs, hidden=hidden, rng=rng, **fields)
    # It is run once or twice: NumPy has ended before a kernel would be compiled.
    model = Sequence(made, readout=None if made.outputs == width else width, backend="numpy")
    evaluation = (
        evaluate_sequences(model, data, loss=scorer, protocol=protocol)
        if isinstance(data, SequenceData)
        else evaluate_series(model, data, features=columns, target=target, loss=scorer, protocol=protocol)
    )
    report = Report(
        request=request,
        data=data,
        instead_of=instead_of,
        features=columns,
        target=target,
        model=model,
        loss=scorer,
        evaluation=evaluation,
        rng=rng,
    )
    if plot is not None:
        from nanolstm.plot import draw_run, save

        if sequences:
            raise InputError("--plot draws a series over time; this source answered with separate sequences")
        title = (
            f"Next {target} of {request.symbol or 'AAPL'} ({request.source}), by an untrained {type(made).__name__}, "
            f"hidden={hidden}, rng={rng}; {scorer}, {protocol} protocol:"
        )
        save(draw_run(evaluation, tuple(made.anatomy.gates), title=title, unit=f"{target}, scaled"), plot)
    if as_json:
        _print_json(report.facts())
    else:
        from rich.console import Console

        report.print(Console())
        if plot is not None:
            typer.echo(f"The picture is in {plot}.")


def check(
    cell: Annotated[str, typer.Argument(help="A cell, module:Class, or path/to/file.py:Class; fields in brackets.")],
    inputs: Annotated[int | None, typer.Option(help="Width M of x; a small one that fits.", min=1)] = None,
    hidden: Annotated[int | None, typer.Option(help="Hidden size K; a small one that fits.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, data and directions.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Check a cell: traced as it runs, and every derivative beside differences; ends with 1 if anything is wrong."""
    from rich.console import Console

    from nanolstm.cells.find import find_cell
    from nanolstm.checking.check import check as check_cell

    kind, fields = find_cell(cell)
    progress = Console(stderr=True)
    with progress.status("") if progress.is_terminal else contextlib.nullcontext() as status:
        tell = (lambda text: status.update(f"checking {text}")) if status else None
        report = check_cell(kind, inputs=inputs, hidden=hidden, seed=seed, tell=tell, **fields)
    if as_json:
        _print_json(report.facts())
    else:
        typer.echo(f"{report.cell}")
        yes, no = ("\u2713", "\u2717") if "utf" in Console().encoding.lower() else ("ok", "FAILED")
        rows = [(yes if row.passed else no, *row.cells()) for row in report.rows]
        _print_table(("", "what", "over", "error", "allowed", "at"), rows)
        typer.echo(report.verdict())
    if not report.ok:
        raise typer.Exit(1)


def kernel(
    cell: Annotated[str, typer.Argument(help="A cell, module:Class, or path/to/file.py:Class; fields in brackets.")],
    inputs: Annotated[int, typer.Option(help="Width M of x.", min=1)] = 8,
    hidden: Annotated[int, typer.Option(help="Hidden size K.", min=1)] = 32,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float64",
) -> None:
    """Print the source of a cell's kernels, forward and backward, as Numba compiles it."""
    from nanolstm.cells.find import find_cell
    from nanolstm.traced import kernel_source

    kind, fields = find_cell(cell)
    typer.echo(kernel_source(kind(inputs=inputs, hidden=hidden, dtype=dtype, **fields)), nl=False)


def list_plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List every plugin: where it is from, its hooks, what it registered, whether it is on, off or broken."""
    import attrs

    found = plugins.listing()
    if as_json:
        _print_json([attrs.asdict(plugin) for plugin in found])
        return
    rows = []
    for p in found:
        registered = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in p.registered.items())
        hooks = ", ".join(hook.removeprefix("nanolstm_") for hook in p.hooks)
        status = p.status + (f": {p.reason}" if p.reason else "")
        rows.append((p.name, f"{p.distribution or ''} {p.version or ''}".strip(), status, hooks, registered))
    _print_table(("plugin", "distribution", "status", "hooks", "registered"), rows)


def list_cells(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the cells that --cell knows."""
    from nanolstm.cells.find import find_cell

    _print_listing("cells", lambda name: find_cell(name)[0], as_json=as_json)


def list_sources(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the sources that --source knows."""
    _print_listing("sources", lambda name: plugins.lookup("sources", name)[1].value, as_json=as_json)


def list_losses(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the losses that --loss knows."""
    _print_listing("losses", lambda name: plugins.lookup("losses", name)[1].value.function, as_json=as_json)


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status is 0, 1 for a failure or 2 for wrong usage."""
    line = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in line
    line = [word for word in line if word != "--debug"]
    with warnings.catch_warnings():
        if not debug:  # what libraries warn their programmers of is not for those who run a program
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = _show_warning
        try:
            line = _switch_plugins(line)
            result = build()(line, standalone_mode=False)
            sys.stdout.flush()
        except Exception as error:
            if debug:
                raise
            return _say(error)
        except KeyboardInterrupt:
            sys.stderr.write("nanolstm: stopped\n")
            return 130
    return result if isinstance(result, int) else 0


def _request(symbol: str | None, source: str | None, start: str | None, end: str | None, **rest: Any) -> DataRequest:
    """The request that the arguments mean: without a source Yahoo is asked, without a window for the notebook's."""
    from nanolstm.data.request import DataRequest

    if source is None and symbol is not None:
        meant = "files" if Path(symbol).is_file() else symbol
        if meant in plugins.shared.registry("sources"):
            raise InputError(f"without --source, {symbol!r} would be asked of Yahoo; write --source {meant}")
    name, _, options = plugins.lookup("sources", source or "yfinance")
    if name == "yfinance":
        symbol = symbol or NOTEBOOK["symbol"]
        if start is None and end is None:
            start, end = NOTEBOOK["start"], NOTEBOOK["end"]
    return DataRequest(source=name, symbol=symbol, start=start, end=end, options=options, **rest)


def _load(request: DataRequest, *, fall_back: bool) -> tuple[DataRequest, Data, str | None]:
    """Load what is requested; where nobody named a source and Yahoo fails, the shipped sample in its place.

    Only the notebook's own series has a stand-in: another symbol or window that cannot be had is an error.
    """
    import attrs

    from nanolstm.loading import load_data

    asked = {"symbol": request.symbol, "start": str(request.start), "end": str(request.end)}
    if not (fall_back and asked == NOTEBOOK):
        return request, load_data(request), None
    try:
        return request, load_data(attrs.evolve(request, timeout=PATIENCE)), None
    except SourceUnavailableError as error:
        sample = attrs.evolve(request, source="sample", start=None, end=None)
        if "sample" not in plugins.shared.registry("sources"):
            raise
        data = load_data(sample)
        reason = one_line(error)
        sys.stderr.write(f"nanolstm: Yahoo did not answer, so this is the shipped sample, AAPL 2000-2013 ({reason})\n")
        return sample, data, f"yfinance, which failed: {reason}"


def _target_width(data: Any, classes: bool) -> int:
    """How many columns the targets of sequences have: classes are counted, other targets have a last axis."""
    return int(data.y.max()) + 1 if classes and data.y.dtype.kind in "iu" else int(data.y.shape[-1])


def _print_listing(kind: str, find: Any, *, as_json: bool) -> None:
    rows = []
    for name in plugins.shared.registry(kind):
        owners = [entry.plugin for entry in plugins.shared.registry(kind).entries(name)]
        try:
            about = ((find(name).__doc__ or "").strip().splitlines() or [""])[0]
        except NanolstmError as error:
            about = str(error)
        rows.append((name, " and ".join(owner.name for owner in owners), about))
    if as_json:
        _print_json([{"name": name, "plugin": plugin, "about": about} for name, plugin, about in rows])
    else:
        _print_table((kind, "plugin", "about"), rows)


def _print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*head)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)


def _print_json(value: Any) -> None:
    import json

    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def _switch_plugins(line: list[str]) -> list[str]:
    """Take every `-p NAME` and `-p no:NAME` off the line and do what it says; answers with what is left.

    Raises:
        PluginError: a plugin that cannot be loaded, or an empty name.
    """
    rest: list[str] = []
    wanted: list[str] = []
    words = iter(line)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "-p" or (word.startswith("-p") and not word.startswith("--")):
            wanted.append(next(words, "") if word == "-p" else word[2:].removeprefix("="))
        else:
            rest.append(word)
    if "" in wanted:
        raise PluginError("-p needs the name of a module, or no:NAME to switch a plugin off")
    plugins.shared.disable(*(name[3:] for name in wanted if name.startswith("no:")))
    # A plugin, or a cell for --cell module:Class, may be a file in this folder. It comes last, so that no other file
    # that happens to lie there takes the place of a library.
    sys.path.append(str(Path.cwd()))
    for name in wanted:
        if not name.startswith("no:"):
            plugins.shared.import_plugin(name)
    return rest


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if not issubclass(category, UserWarning):  # some libraries set filters of their own
        return
    sys.stderr.write(f"nanolstm: warning: {' '.join(str(message).split())}\n")


def _say(error: Exception) -> int:
    """Say in a line or two what went wrong; the exit status that goes with it."""
    if isinstance(error, BrokenPipeError):  # the reader of our output has gone; nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, typer.Abort):
        sys.stderr.write("nanolstm: stopped\n")
        return 130
    if hasattr(error, "format_message"):  # click's errors: Typer may carry its own copy of click, so no class is named
        sys.stderr.write(f"nanolstm: {error.format_message()}\n")
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, NanolstmError):
        sys.stderr.write(f"nanolstm: {error}\n")
        return 2 if isinstance(error, InputError | UnknownNameError | PluginError) else 1
    sys.stderr.write(f"nanolstm: {type(error).__name__}: {error} (--debug shows where)\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
