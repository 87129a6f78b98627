"""The command line.

Everything but Typer is imported when a command runs, so that `nanolstm --help` answers at once. Plugins are switched on
and off before the commands are built, since they may bring commands of their own.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from nanolstm import __version__, plugins
from nanolstm.cli.check import check, kernel
from nanolstm.cli.compare import compare
from nanolstm.cli.evaluate import evaluate
from nanolstm.cli.listings import LISTINGS
from nanolstm.cli.new import new
from nanolstm.cli.predict import predict
from nanolstm.cli.reserved import reserved_output
from nanolstm.cli.run import run
from nanolstm.cli.sweep import sweep
from nanolstm.errors import InputError, NanolstmError, PluginError, UnknownNameError

COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "evaluate": evaluate,
    "predict": predict,
    "compare": compare,
    "sweep": sweep,
    "check": check,
    "kernel": kernel,
    **LISTINGS,
}


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

    for name, command in COMMANDS.items():
        app.command(name=name)(command)
    app.add_typer(new, name="new")
    owners = dict.fromkeys([*COMMANDS, "new"], "nanolstm")
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
            line, wanted = _without_plugins(line)
            # What calls us from Python gets its standard output back; a program prints nothing after its answer.
            reserved = reserved_output(for_good=arguments is None) if _is_for_a_program(line) else nullcontext()
            with reserved:
                _switch_plugins(wanted)
                result = build()(line, standalone_mode=False)
            if sys.stdout is not None:  # closed before the program began
                sys.stdout.flush()
        except Exception as error:
            if debug:
                raise
            return _say(error)
        except KeyboardInterrupt:
            sys.stderr.write("nanolstm: stopped\n")
            return 130
    return result if isinstance(result, int) else 0


def _without_plugins(line: list[str]) -> tuple[list[str], list[str]]:
    """The line without each `-p NAME` and `-p no:NAME`, and these names."""
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
    return rest, wanted


def _is_for_a_program(line: list[str]) -> bool:
    """Whether a program reads what the command on the line answers with; a plugin's command prints as it likes."""
    options = set(line[: line.index("--")] if "--" in line else line)
    command = next((word for word in line if not word.startswith("-")), "")
    asked = command in COMMANDS and (command == "kernel" or not options.isdisjoint(("--json", "--csv")))
    return asked and options.isdisjoint(("--help", "-h"))


def _switch_plugins(wanted: list[str]) -> None:
    """Load the plugins in `wanted`, and switch off those that stand there as no:NAME.

    Raises:
        PluginError: a plugin that cannot be loaded, or an empty name.
    """
    if "" in wanted:
        raise PluginError("-p needs the name of a module, or no:NAME to switch a plugin off")
    plugins.shared.disable(*(name[3:] for name in wanted if name.startswith("no:")))
    # A plugin, or a cell for --cell module:Class, may be a file in this folder. It comes last, so that no other file
    # that happens to lie there takes the place of a library.
    sys.path.append(str(Path.cwd()))
    for name in wanted:
        if not name.startswith("no:"):
            plugins.shared.import_plugin(name)


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
