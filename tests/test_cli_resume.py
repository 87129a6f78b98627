"""A run at the command line that is cut off goes on, and ends with the bits of one that was not."""

import os
import signal
import subprocess
import sys
import tomllib

import pytest

import nanolstm as nl
from nanolstm import cli, plugins
from nanolstm.plugins import PluginHouse

WORDS = ("run", "--source", "sample", "--end", "2000-09-01", "--epochs", "8", "--context", "5", "--batch-size", "16")
TASK = ("run", "adding", "--source", "tasks(n=40, length=10)", "--epochs", "8", "--batch-size", "8")

KILLER = """
import os, signal, time
from nanolstm import hookimpl

@hookimpl
def nanolstm_epoch_end(training):
    if training.epoch == 3:
        time.sleep(1.2)                       # a checkpoint is due at the end of the next step
    if training.epoch == 5:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def nanolstm(tmp_path, monkeypatch, capsys):
    """Runs the program here, in an empty folder and with a fresh house of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NANOLSTM_BACKEND", "numpy")

    def run(*words):
        with monkeypatch.context() as own:
            own.setattr(plugins, "shared", PluginHouse())
            own.setattr(sys, "path", [*sys.path])
            status = cli.main([*words])
        return subprocess.CompletedProcess((), status, *capsys.readouterr())

    return run


@pytest.fixture
def killed(tmp_path):
    """Runs the program as one of its own, which is killed in its fifth epoch."""

    def run(*words):
        (tmp_path / "killer.py").write_text(KILLER)
        return subprocess.run(
            [sys.executable, "-P", "-m", "nanolstm.cli", "-p", "killer.py", *words],
            cwd=tmp_path,
            env=os.environ | {"NANOLSTM_BACKEND": "numpy"},
            capture_output=True,
            check=False,
        )

    return run


def bits(folder, name):
    return {key: view.tobytes() for key, view in nl.load(folder / name).parameters.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a thing of POSIX")
@pytest.mark.parametrize("words", [WORDS, TASK], ids=["series", "sequences"])
def test_a_run_that_is_killed_and_resumed_has_the_bits_of_one_that_was_not(nanolstm, killed, tmp_path, words):
    assert nanolstm(*words, "--save", "whole.safetensors").returncode == 0
    assert killed(*words, "--save", "m.safetensors").returncode == -signal.SIGKILL
    assert (tmp_path / "m.ckpt").exists()
    assert not (tmp_path / "m.safetensors").exists()
    again = nanolstm(*words, "--save", "m.safetensors", "--resume")
    assert (again.returncode, again.stderr) == (0, "")
    assert bits(tmp_path, "m.safetensors") == bits(tmp_path, "whole.safetensors")
    told, whole = (tomllib.loads((tmp_path / f"{name}.toml").read_text()) for name in ("m", "whole"))
    assert told == whole
    assert not (tmp_path / "m.ckpt").exists()


def test_another_run_does_not_go_on_with_it(nanolstm, killed, tmp_path):
    killed(*WORDS, "--save", "m.safetensors")
    other = nanolstm(*WORDS, "--optimizer", "sgd", "--save", "m.safetensors", "--resume")
    assert other.returncode == 1
    assert "m.ckpt is a checkpoint of another training. optimizer: Adam" in other.stderr
    assert (tmp_path / "m.ckpt").exists()
