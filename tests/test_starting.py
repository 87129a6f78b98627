"""Files to start from: what is written passes its own tests, and nothing is ever written over."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nanolstm as nl
from nanolstm import cli, plugins, starting
from nanolstm.errors import FileAccessError, InputError
from nanolstm.plugins import PluginHouse

RULES = "E,F,I,N,UP,B,W,C4,SIM,RET,PIE,A"
"""Rules of ruff that a careful project has on; nobody is told to change what was written for them."""


@pytest.fixture
def nanolstm(monkeypatch, tmp_path, capsys):
    """Runs the program here, in an empty folder and with a fresh house of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "shared", PluginHouse())
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*words):
        status = cli.main([str(word) for word in words])
        return subprocess.CompletedProcess((), status, *capsys.readouterr())

    return run


def python(*words, cwd, **variables):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NANOLSTM_")}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=clean | {"NANOLSTM_BACKEND": "numpy", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"} | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def passed(folder, **variables):
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error", ".")
    done = python(*words, cwd=folder, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def all_of(folder):
    return {str(path.relative_to(folder).as_posix()) for path in folder.rglob("*") if path.is_file()}


# A cell


def test_a_new_cell_passes_the_test_that_is_written_beside_it(nanolstm, tmp_path):
    done = nanolstm("new", "cell", "TwoGates")
    assert (done.returncode, done.stderr) == (0, "")
    assert all_of(tmp_path) == {"two_gates.py", "test_two_gates.py"}
    assert "Wrote two_gates.py and test_two_gates.py." in done.stdout
    assert "nanolstm check two_gates.py:TwoGates " in done.stdout
    assert "python -m pytest test_two_gates.py " in done.stdout
    assert passed(tmp_path).startswith("3 passed")


def test_the_commands_that_are_told_work(nanolstm, tmp_path):
    nanolstm("new", "cell", "TwoGates", "--into", tmp_path)
    told = [line.split("#")[0].split() for line in nanolstm("new", "cell", "Other").stdout.splitlines()[2:]]
    assert [words[:2] for words in told] == [["nanolstm", "check"], ["nanolstm", "cells"], ["python", "-m"]]
    check, cells, _ = told
    assert nanolstm(*check[1:]).stdout.splitlines()[-1].endswith("checks passed.")
    assert "Other(inputs=M, hidden=K)" in nanolstm(*cells[1:]).stdout


def test_a_cell_goes_into_the_folder_that_is_named(nanolstm, tmp_path):
    (tmp_path / "my cells").mkdir()
    done = nanolstm("new", "cell", "MyCell", "--into", "my cells")
    assert all_of(tmp_path) == {"my cells/my_cell.py", "my cells/test_my_cell.py"}
    assert f"nanolstm check '{Path('my cells') / 'my_cell.py'}':MyCell" in done.stdout
    assert "cd 'my cells' && python -m pytest test_my_cell.py" in done.stdout


@pytest.mark.parametrize(
    ("name", "module"),
    [("MyCell", "my_cell"), ("LSTM", "lstm"), ("MyLSTM2Cell", "my_lstm2_cell"), ("GRUv3", "gruv3"), ("A", "a")],
)
def test_a_class_in_camel_case_is_a_module_in_small_letters(name, module):
    assert starting.module_of(name) == module


# A plugin


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The distribution of a new plugin, built and installed by pip into a folder of its own, without a network."""
    folder = tmp_path_factory.mktemp("started")
    started = starting.start_plugin("river-levels", folder)
    project, target = folder / "nanolstm-river-levels", folder / "installed"
    install = ("install", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    done = python("-m", "pip", *install, "--target", target, project, cwd=folder, PIP_REQUIRE_VIRTUALENV="0")
    assert done.returncode == 0, done.stderr
    return started, project, {"PYTHONPATH": str(target)}


def test_a_new_plugin_is_a_distribution_whose_own_tests_pass_once_it_is_installed(installed):
    started, project, found = installed
    assert {path.as_posix() for path in started.paths} == {
        "nanolstm-river-levels/README.md",
        "nanolstm-river-levels/pyproject.toml",
        "nanolstm-river-levels/nanolstm_river_levels/__init__.py",
        "nanolstm-river-levels/nanolstm_river_levels/cell.py",
        "nanolstm-river-levels/nanolstm_river_levels/loss.py",
        "nanolstm-river-levels/nanolstm_river_levels/source.py",
        "nanolstm-river-levels/tests/test_river_levels.py",
    }
    assert passed(project / "tests", **found).startswith("6 passed")


def test_nanolstm_finds_a_new_plugin_by_its_entry_point_and_runs_with_it(installed, tmp_path):
    _, _, found = installed
    program = ("-P", "-m", "nanolstm.cli")
    listed = json.loads(python(*program, "plugins", "--json", cwd=tmp_path, **found).stdout)
    (plugin,) = [plugin for plugin in listed if plugin["name"] == "river_levels"]
    assert (plugin["distribution"], plugin["version"], plugin["status"]) == ("nanolstm-river-levels", "0.1.0", "on")
    assert plugin["registered"] == {
        "sources": ["river_levels"],
        "losses": ["river_levels_loss"],
        "cells": ["RiverLevelsCell"],
    }
    run = ("run", "waves", "--source", "river_levels", "--features", "level", "--target", "level", "--no-train")
    chosen = ("--loss", "river_levels_loss", "--cell", "RiverLevelsCell")
    done = python(*program, *run, *chosen, cwd=tmp_path, **found)
    assert (done.returncode, done.stderr) == (0, "")


# What is written in general


def test_nothing_of_a_template_is_left_in_what_is_written(tmp_path):
    starting.start_cell("Tidal", tmp_path)
    starting.start_plugin("nanolstm-tidal", tmp_path)
    assert "nanolstm-tidal/nanolstm_tidal/source.py" in all_of(tmp_path)
    for path in all_of(tmp_path):
        text = path + (tmp_path / path).read_text(encoding="utf-8")
        assert not {word for word in ("my_name", "my-name", "MyName", "my_cell", "MyCell") if word in text}, path


@pytest.mark.parametrize("name", ["a", "river-levels-of-bern"])
def test_what_is_written_satisfies_ruff(tmp_path, name):
    ruff = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if ruff is None:
        pytest.skip("ruff is not installed: pip install ruff")
    starting.start_cell("".join(word.capitalize() for word in name.split("-")) + "Cell", tmp_path)
    starting.start_plugin(name, tmp_path)
    for folder in (tmp_path, tmp_path / f"nanolstm-{name}"):
        for command in (("check", "--select", RULES), ("format", "--check")):
            done = subprocess.run(
                [ruff, *command, "--isolated", "--no-cache", "--exclude", "nanolstm-*", "."],
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("taken", ["two_gates.py", "test_two_gates.py"])
def test_a_file_that_is_there_is_left_and_nothing_is_written_beside_it(nanolstm, tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    done = nanolstm("new", "cell", "TwoGates")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{taken} is there already, and nothing was written" in done.stderr
    assert all_of(tmp_path) == {taken}
    assert (tmp_path / taken).read_text() == "mine"


def test_a_folder_that_is_there_is_left_even_if_it_is_empty(nanolstm, tmp_path):
    (tmp_path / "nanolstm-tidal").mkdir()
    done = nanolstm("new", "plugin", "tidal")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nanolstm-tidal is there already" in done.stderr
    assert all_of(tmp_path) == set()


def test_where_writing_fails_half_way_nothing_is_left(tmp_path, monkeypatch):
    written = []
    real = Path.open

    def full(path, mode="r", *words, **options):
        if mode != "r" and len(written) == 3:
            raise OSError(28, "No space left on device", str(path))
        if mode != "r":
            written.append(path)
        return real(path, mode, *words, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(FileAccessError, match="cannot be written: No space left on device"):
        starting.start_plugin("tidal", tmp_path)
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("cell", "my_cell"), ["'my_cell' is no name of a cell", "CamelCase", "MyCell"]),
        (("cell", "My-Cell"), ["MyCell"]),
        (("cell", "../Cell"), ["is no name of a cell"]),
        (("cell", "2Cell"), ["is no name of a cell"]),
        (("cell", "None"), ["'None' is no name of a cell"]),
        (("cell", "ValueError"), ["ValueErrorCell"]),
        (("cell", "Random"), ["random.py", "RandomCell"]),
        (("cell", "Lambda"), ["lambda.py", "LambdaCell"]),
        (("cell", "Numpy"), ["numpy.py", "NumpyCell"]),
        (("cell", "A" * 41), ["41 letters"]),
        (("cell", "Fine", "--into", "nowhere"), ["there is no folder nowhere"]),
        (("plugin", "River"), ["'River' is no name of a plugin", "small letters"]),
        (("plugin", "../river"), ["is no name of a plugin"]),
        (("plugin", "river--levels"), ["is no name of a plugin"]),
        (("plugin", "files"), ["there is a plugin 'files' (nanolstm"]),
        (("plugin", "fine", "--into", "nowhere"), ["there is no folder nowhere"]),
        (("model", "X"), ["model"]),
    ],
)
def test_a_name_that_will_not_do_is_refused_and_nothing_is_written(nanolstm, tmp_path, words, texts):
    done = nanolstm("new", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert all(text in done.stderr for text in texts), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_cannot_take_the_name_of_the_command(nanolstm):
    class Taker:
        @nl.hookimpl
        def nanolstm_register_commands(self, app):
            @app.command()
            def new():
                """Take over."""

    nl.plugins.register(Taker(), "taker")
    done = nanolstm("--help")
    assert done.returncode == 2
    assert "its command 'new' is there already, from nanolstm" in done.stderr


def test_the_templates_are_files_of_the_package():
    with pytest.raises(InputError):
        starting.start_cell("lower", Path())
    folder = Path(nl.__file__).parent / "templates"
    assert {"cell/my_cell.py", "plugin/pyproject.toml", "plugin/README.md"} <= all_of(folder)
