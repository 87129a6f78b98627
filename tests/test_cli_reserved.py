"""`--json` answers with JSON alone, whatever a plugin prints, wherever and however it does."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from nanolstm import cli, plugins
from nanolstm.cli import program
from nanolstm.plugins import PluginHouse

NOISY = '''
import atexit
import contextlib
import io
import os
import subprocess
import sys
import threading

from nanolstm import hookimpl

kept = sys.stdout


def noise(where):
    print(f"noise: print in {where}")
    kept.write(f"noise: stream in {where}\\n")
    with contextlib.suppress(AttributeError):  # a stream in memory may have none
        sys.stdout.buffer.write(f"noise: buffer in {where}\\n".encode())
    os.write(1, f"noise: descriptor in {where}\\n".encode())


def child(where):
    subprocess.run([sys.executable, "-S", "-c", f"print('noise: child in {where}')"], check=True)


noise("import")
child("import")
atexit.register(noise, "exit")
atexit.register(child, "exit")


def late():
    threading.main_thread().join()
    noise("thread")


if __name__ != "__main__" and "LATE" in os.environ:
    threading.Thread(target=late).start()


def _fill(kind):
    def register(register):
        noise(kind)

    register.__name__ = f"nanolstm_register_{kind}"
    return hookimpl(register)


for _kind in ("losses", "metrics", "scalers", "optimizers", "schedules", "callbacks", "cells", "sources"):
    globals()[f"nanolstm_register_{_kind}"] = _fill(_kind)


@hookimpl
def nanolstm_register_commands(app):
    noise("commands")

    @app.command()
    def shout(json: bool = False):
        """A command that prints for itself."""
        print('{"said": "by print"}')


@hookimpl(wrapper=True)
def nanolstm_load_data(request):
    noise("load")
    return (yield)


@hookimpl
def nanolstm_epoch_end(training):
    noise("epoch")
'''

FULL = Path("/dev/full")
SHORT = ("--source", "sample", "--end", "2000-06-01")
QUICK = (*SHORT, "--epochs", "1", "--context", "5")
MANY = ("--cells", "Elman", "--task", "adding(length=5,n=20)", "--epochs", "1", "--seeds", "1", "--jobs", "1")
LISTINGS = ("sources", "losses", "optimizers", "schedules", "scalers", "metrics", "callbacks")
COMMANDS = {
    **{kind: ((kind, "--json"), kind) for kind in LISTINGS},
    "plugins": (("plugins", "--json"), "losses"),
    "cells": (("cells", "--json"), "cells"),
    "one cell": (("cells", "Elman", "--json"), "cells"),
    "check": (("check", "Elman", "--json"), "cells"),
    "run": (("run", *QUICK, "--json"), "epoch"),
    "run forward": (("run", *SHORT, "--no-train", "--json"), "load"),
    "evaluate": (("evaluate", *QUICK, "--folds", "1", "--json"), "epoch"),
    "compare": (("compare", *MANY, "--parameters", "40", "--json"), "load"),
    "sweep": (("sweep", *MANY, "--sizes", "2", "--json"), "load"),
    "predict": (("predict", "model.safetensors", "--json"), "load"),
}


def ran(*words, cwd, **options):
    """Runs the program as a program of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NANOLSTM_")}
    settings = {"NANOLSTM_BACKEND": "numpy", "PYTHONIOENCODING": "utf-8"} | options.pop("variables", {})
    return subprocess.run(
        [sys.executable, "-P", "-m", "nanolstm", *map(str, words)],
        cwd=cwd,
        env=clean | settings,
        encoding="utf-8",
        timeout=120,
        check=False,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the plugin in it, and a model that was kept."""
    made = tmp_path_factory.mktemp("noisy")
    (made / "noisy.py").write_text(NOISY)
    done = ran("run", *QUICK, "--save", "model.safetensors", cwd=made)
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize(("words", "hook"), COMMANDS.values(), ids=COMMANDS)
def test_nothing_but_json_is_on_standard_output(folder, words, hook):
    done = ran("-p", "noisy.py", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == json.dumps(json.loads(done.stdout), indent=2) + "\n"
    for way in ("print", "stream", "buffer", "descriptor"):
        for where in ("import", hook, "exit"):
            assert f"noise: {way} in {where}\n" in done.stderr
    assert "noise: child in import\n" in done.stderr
    assert "noise: child in exit\n" in done.stderr


def test_every_command_with_json_is_among_these():
    commands = typer.main.get_group(program.build()).commands
    asks = {name for name, command in commands.items() if any("--json" in option.opts for option in command.params)}
    assert asks == {words[0] for words, _ in COMMANDS.values()}


def test_a_thread_that_outlives_the_command_does_not_print_either(folder):
    done = ran("-p", "noisy.py", "losses", "--json", cwd=folder, variables={"LATE": "1"})
    json.loads(done.stdout)
    assert "noise: descriptor in thread\n" in done.stderr


def test_a_table_in_csv_and_a_source_of_kernels_stand_alone_too(folder):
    done = ran("-p", "noisy.py", "compare", *MANY, "--parameters", "40", "--csv", cwd=folder)
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    assert head.startswith("cell,")
    assert row.startswith("Elman,")
    done = ran("-p", "noisy.py", "kernel", "Elman", cwd=folder)
    assert done.returncode == 0, done.stderr
    compile(done.stdout, "kernel", "exec")
    assert "noise" not in done.stdout


def test_a_command_that_fails_leaves_standard_output_empty(folder):
    done = ran("-p", "noisy.py", "run", *SHORT, "--json", "MSFT", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the sample has no 'MSFT'" in done.stderr


def test_tables_help_and_the_commands_of_plugins_stay_on_standard_output(folder):
    assert "rmse" in ran("-p", "noisy.py", "losses", cwd=folder).stdout
    assert "Usage:" in ran("-p", "noisy.py", "losses", "--json", "--help", cwd=folder).stdout
    assert '{"said": "by print"}' in ran("-p", "noisy.py", "shout", "--json", cwd=folder).stdout


def test_a_reader_that_has_gone_is_no_traceback(folder):
    read, write = os.pipe()
    os.close(read)
    done = ran("-p", "noisy.py", "losses", "--json", cwd=folder, stdout=write)
    os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "nanolstm:" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")
def test_an_answer_that_cannot_be_written_is_an_error(folder):
    with FULL.open("w") as full:
        done = ran("losses", "--json", cwd=folder, stdout=full)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the descriptors")
@pytest.mark.parametrize("closed", ["-p noisy.py 2>&-", "1>&-", "1>&- 2>&-"])
def test_a_standard_stream_may_be_closed(folder, closed):
    line = f"exec {sys.executable} -P -m nanolstm losses --json {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    if "1>&-" not in closed:
        assert {row["name"] for row in json.loads(done.stdout)} >= {"mse", "rmse"}


@pytest.fixture
def called(monkeypatch, folder):
    """Runs the program in this process."""

    def call(*words):
        with monkeypatch.context() as here:
            here.chdir(folder)
            here.setattr(plugins, "shared", PluginHouse())
            here.setattr(sys, "path", [*sys.path])
            here.setattr("atexit.register", lambda *_: None)
            here.delitem(sys.modules, "noisy", raising=False)
            status = cli.main(["-p", "noisy.py", *words])
            sys.modules.pop("noisy", None)
        return status

    return call


def test_who_calls_it_from_python_gets_standard_output_back(called, capfd):
    stream = sys.stdout
    assert called("losses", "--json") == 0
    assert sys.stdout is stream
    out, err = capfd.readouterr()
    assert {row["name"] for row in json.loads(out)} >= {"mse", "rmse"}
    assert "noise: descriptor in losses" in err
    sys.stdout.write("after\n")
    os.write(1, b"and below\n")
    assert called("losses", "--json", "more") == 2
    assert sys.stdout is stream
    sys.stdout.write("again\n")
    out, err = capfd.readouterr()
    assert sorted(out.split("\n")) == sorted(["after", "and below", "again", ""])
    assert "noise: print in import" in err


def test_a_stream_in_memory_has_the_answer_alone(called, monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    with monkeypatch.context() as here:
        here.setattr(sys, "stdout", out)
        here.setattr(sys, "stderr", err)
        assert called("losses", "--json") == 0
    assert {row["name"] for row in json.loads(out.getvalue())} >= {"mse", "rmse"}
    assert "noise: print in losses" in err.getvalue()
