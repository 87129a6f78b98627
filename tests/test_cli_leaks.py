"""Plugins that leak on purpose, given to the program: the score shows it, so the honest program does not leak."""

import json

import pytest

import nanolstm as nl
from nanolstm import cli, plugins
from nanolstm.plugins import PluginHouse

SERIES = ("--source", "sample", "--start", "2004-06-01", "--end", "2006-01-20")
TRAINING = ("--epochs", "4", "--context", "5")

SCALER_THAT_SAW_ALL = """
import numpy as np
from sklearn.preprocessing import MinMaxScaler
import nanolstm as nl
from nanolstm import hookimpl

class SawItAll(MinMaxScaler):
    def fit(self, known, y=None):
        prices = nl.load_data("sample", start="2004-06-01", end="2006-01-20", columns=["Adj Close"])
        return super().fit(prices.to_numpy())

@hookimpl
def nanolstm_register_scalers(register):
    register("saw_it_all", SawItAll)
"""

INPUT_THAT_HOLDS_THE_TARGET = """
from nanolstm import hookimpl

@hookimpl(wrapper=True)
def nanolstm_load_data(request):
    frame = yield
    return frame.assign(Volume=frame["Adj Close"].shift(-1).ffill())
"""


@pytest.fixture
def rmse(monkeypatch, tmp_path, capsys):
    """Runs the program here, and answers with the error of its model and what it notes; `plugin` is a file's text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NANOLSTM_BACKEND", "numpy")

    def run(command, *words, plugin=None, name="leak"):
        given = ()
        if plugin is not None:
            (tmp_path / f"{name}.py").write_text(plugin)
            given = ("-p", f"{name}.py")
        with monkeypatch.context() as here:
            here.setattr(plugins, "shared", PluginHouse())
            status = cli.main([*given, command, *SERIES, *TRAINING, *words, "--json"])
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        facts = json.loads(out)
        (row,) = [row for row in facts["scores"] if row["forecaster"] == "model"]
        return row["rmse"], facts["notes"]

    return run


@pytest.mark.parametrize("command", [("run",), ("evaluate", "--folds", "2")])
def test_an_input_that_holds_its_own_target_scores_better_and_is_told(rmse, command):
    honest, quiet = rmse(*command, "--optimizer", "adam(lr=0.03)")
    leaky, told = rmse(*command, "--optimizer", "adam(lr=0.03)", plugin=INPUT_THAT_HOLDS_THE_TARGET)
    assert leaky < 0.5 * honest
    assert any("Column 'Volume' is 'Adj Close' 1 row later" in note for note in told)
    assert not any("Column" in note for note in quiet)


def test_a_scaler_that_saw_the_held_out_end_scores_better_where_the_output_is_bound(rmse):
    """A sigmoid cannot follow prices that outgrow the training part, unless the scaler knew how far they go."""
    bound = (
        "--no-readout",
        "--features",
        "Adj Close",
        "--transform",
        "none",
        "--optimizer",
        "adam(lr=0.05)",
        "--epochs",
        "60",
    )
    honest, told = rmse("run", *bound, "--scaler", "minmax")
    leaky, _ = rmse("run", *bound, "--scaler", "saw_it_all", plugin=SCALER_THAT_SAW_ALL, name="seer")
    assert leaky < 0.7 * honest
    assert any("outside of the range of the output" in note for note in told)


def test_garbage_in_the_held_out_end_changes_nothing_that_was_trained(rmse, tmp_path):
    """The honest program: the model that is saved has the same bits, whatever comes after the rows it may see."""
    prices = nl.load_data("sample", start="2004-06-01", end="2006-01-20", columns=["Adj Close"])
    first = len(prices) - int(0.2 * len(prices))
    plugin = f"""
from nanolstm import hookimpl

@hookimpl(wrapper=True)
def nanolstm_load_data(request):
    frame = (yield).copy()
    frame.iloc[{first} + 1 :] = 1e6
    return frame
"""
    rmse("run", "--save", "clean.safetensors")
    rmse("run", "--save", "spoilt.safetensors", plugin=plugin, name="garbage")
    clean, spoilt = (nl.load(tmp_path / f"{name}.safetensors").parameters for name in ("clean", "spoilt"))
    assert all(clean[name].tobytes() == spoilt[name].tobytes() for name in clean)
