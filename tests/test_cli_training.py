"""The command line where it trains: its table, the sentence below it, the files it writes and reads."""

import json
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cli, plugins
from nanolstm.forecasting.recurrent import Recurrent
from nanolstm.plugins import PluginHouse

QUICK = ("--source", "sample", "--end", "2000-09-01", "--epochs", "3", "--context", "5")
"""A training that takes a moment."""

SHORT_TASK = ("adding", "--source", "tasks(n=20,length=10)")


@pytest.fixture
def nanolstm(monkeypatch, tmp_path, capsys):
    """Runs the program here, in an empty folder and with a fresh house of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NANOLSTM_BACKEND", "numpy")

    def run(*words):
        with monkeypatch.context() as here:
            here.setattr(plugins, "shared", PluginHouse())
            here.setattr(sys, "path", [*sys.path])
            before = {*sys.modules}
            status = cli.main([str(word) for word in words])
            for name in {*sys.modules} - before:
                if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
                    del sys.modules[name]
        return subprocess.CompletedProcess((), status, *capsys.readouterr())

    return run


def facts_of(done):
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def refused(done, status, *texts):
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("nanolstm: ")
    for text in texts:
        assert text in done.stderr


# A run that trains


def test_a_run_trains_and_says_whether_it_beats_what_costs_nothing(nanolstm):
    done = nanolstm("run", *QUICK)
    assert (done.returncode, done.stderr) == (0, "")
    for row in (
        r"rows +129",
        r"Model: ToyLSTM\(inputs=2, hidden=8, outputs=8",
        r"readout +│ U 1x8  b 1",
        r"Trained: mse, adam\(lr=0.01\); validation loss \d\.\d+ in epoch \d; 3 epochs",
        r"26 held-out rows, 2000-07-\d\d to 2000-08-31, in units of Adj Close",
        r"│ model +│ +\d",
        r"│ persistence +│ +\d",
        r"│ linear autoregression +│ +\d",
    ):
        assert re.search(row, done.stdout), row
    assert re.search(r"the model('s| is| does| beats)", done.stdout)
    assert "Diebold-Mariano test of 26" in done.stdout


def test_the_scores_are_those_of_the_same_training_in_python(nanolstm):
    facts = facts_of(nanolstm("run", *QUICK, "--json"))
    prices = nl.load_data("sample", end="2000-09-01", columns=["Adj Close", "Volume"])

    def make(inputs, outputs):
        cell = nl.cells.ToyLSTM(inputs=inputs, hidden=8, outputs=8, rng=0)
        return nl.Sequence(cell, readout=outputs, rng=0, backend="numpy")

    def train(model, data, held):
        nl.fit(
            model, data, validation=held, steps="last", epochs=3, patience=10, optimizer="adam(lr=0.01)", rng=0,
            progress=False,
        )  # fmt: skip

    result = nl.walk_forward(
        Recurrent(make, train),
        prices,
        nl.Windows(targets="Adj Close", past="Volume", context=5),
        splits=nl.Splits(folds=1, test=0.2, validation=0.1),
        transform={"Adj Close": "log_return", "Volume": "log_return"},
    )
    for row in facts["scores"]:
        expected = result.scores.loc[("Adj Close", 1, row["forecaster"])]
        assert row["rmse"] == pytest.approx(expected["rmse"], rel=1e-12)
    assert facts["verdict"] == result.verdict()
    assert facts["model"]["trained"]


def test_persistence_of_the_table_is_yesterdays_price_in_dollars(nanolstm):
    facts = facts_of(nanolstm("run", *QUICK, "--json"))
    prices = nl.load_data("sample", end="2000-09-01", columns=["Adj Close"])["Adj Close"].to_numpy()
    change = np.diff(prices)[-26:]
    (row,) = [row for row in facts["scores"] if row["forecaster"] == "persistence"]
    assert row["n"] == 26
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean(change**2)), rel=1e-12)


def test_the_seed_decides_every_digit(nanolstm):
    one, again, other = (facts_of(nanolstm("run", *QUICK, "--json", "--seed", seed)) for seed in (1, 1, 2))
    assert one == again
    assert one["scores"][0] != other["scores"][0]
    assert one["scores"][1] == other["scores"][1]


def test_an_output_that_cannot_hold_the_held_out_prices_is_told_with_the_remedy(nanolstm):
    bound = ("--no-readout", "--transform", "none", "--scaler", "minmax", "--epochs", "1", "--context", "5")
    notes = facts_of(nanolstm("run", "--source", "sample", *bound, "--json"))["notes"]
    (note,) = [note for note in notes if "the output of ToyLSTM, 0 to 1" in note]
    prices = nl.load_data("sample", columns=["Adj Close"])["Adj Close"].to_numpy()
    known, held_out = prices[: 3270 - 654 - 327], prices[-654:]
    share = np.mean((held_out <= known.min()) | (held_out >= known.max()))
    assert note.startswith(f"{100 * share:.0f} % of the 654 held-out targets")
    assert "log_return" in note
    assert "linear readout" in note


def test_the_default_forecast_has_no_such_defect(nanolstm):
    notes = facts_of(nanolstm("run", "--source", "sample", "--epochs", "1", "--context", "5", "--json"))["notes"]
    assert notes
    assert not any("lie outside" in note for note in notes)


def test_a_loss_of_quantiles_forecasts_intervals(nanolstm):
    facts = facts_of(nanolstm("run", *QUICK, "--loss", "quantile(q=(0.1, 0.5, 0.9))", "--json"))
    assert facts["model"]["outputs"] == 3
    assert {"pinball", "coverage"} <= set(facts["scores"][0])


@pytest.mark.parametrize(
    ("words", "outputs", "loss"),
    [
        (("adding", "--source", "tasks(n=30, length=10)"), 1, "mse"),
        (("temporal_order", "--source", "tasks(n=30, length=12)"), 4, "cross_entropy"),
        (("copy", "--source", "tasks(n=20, delay=3)"), 9, "cross_entropy"),
    ],
)
def test_separate_sequences_are_trained_on_and_the_last_fifth_scored(nanolstm, words, outputs, loss):
    facts = facts_of(nanolstm("run", *words, "--epochs", "2", "--json"))
    assert (facts["model"]["outputs"], facts["loss"], facts["model"]["trained"]) == (outputs, loss, True)
    assert facts["scored"] == facts["data"]["sequences"] // 5
    assert "untrained" not in nanolstm("run", *words, "--epochs", "2").stdout


def test_the_notebooks_protocol_is_without_training(nanolstm):
    notebook = facts_of(nanolstm("run", *QUICK[:4], "--protocol", "notebook", "--json"))
    assert notebook == facts_of(nanolstm("run", *QUICK[:4], "--no-train", "--json"))
    assert notebook["model"]["trained"] is False


def test_the_share_that_is_held_out_is_that_of_separate_sequences_too(nanolstm):
    words = ("run", *SHORT_TASK, "--epochs", "1", "--json")
    assert facts_of(nanolstm(*words))["scored"] == 4
    facts = facts_of(nanolstm(*words, "--held-out", "0.35", "--save", "m.safetensors"))
    data = nl.load_data("tasks", "adding", options={"n": 20, "length": 10})
    last = nl.load("m.safetensors")(data.x[13:])[:, -1]
    assert facts["scored"] == 7
    assert facts["scores"]["model"]["scaled"] == pytest.approx(np.mean((last - data.y[13:]) ** 2), rel=1e-9)
    refused(nanolstm("predict", "m.safetensors"), 2, "m.safetensors was trained on separate sequences", "nl.load")
    again = facts_of(nanolstm("run", "--config", "m.toml", "--json"))
    assert again == facts


# Walking forward


def test_evaluate_trains_before_each_part_and_scores_them_all(nanolstm):
    facts = facts_of(nanolstm("evaluate", *QUICK, "--folds", "2", "--horizon", "2", "--json"))
    assert [fold["forecasts"] for fold in facts["folds"]] == [13, 12]
    assert len(facts["training"]) == 2
    assert facts["folds"][0]["train to"] < facts["folds"][1]["train to"] < facts["folds"][1]["test from"]
    assert {row["step"] for row in facts["scores"]} == {1, 2}
    once = facts_of(nanolstm("evaluate", *QUICK, "--folds", "2", "--no-refit", "--json"))
    assert len(once["training"]) == 1


# Files


def test_a_kept_model_forecasts_what_it_was_scored_on(nanolstm, tmp_path):
    words = ("run", *QUICK, "--horizon", "2", "--save", "m.safetensors", "--plot", "m.png")
    facts = facts_of(nanolstm(*words, "--json"))
    assert facts["files"] == {"model": "m.safetensors", "run": "m.toml", "picture": "m.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"m.safetensors", "m.toml", "m.png"}
    said = facts_of(nanolstm("predict", "m.safetensors", "--end", "2000-08-24", "--json"))
    prices = nl.load_data("sample", end="2000-08-24", columns=["Adj Close", "Volume"])
    model = nl.load("m.safetensors")
    rows = facts["folds"][0]["train to"]

    known = np.log(prices.loc[:rows]).to_numpy()
    scale = [(change.mean(axis=0), change.std(axis=0)) for change in (known[1:] - known[:-1], known[2:] - known[:-2])]
    changes = np.diff(np.log(prices.to_numpy()), axis=0)[-5:]
    output = model((changes - scale[0][0]) / scale[0][1])[-1]
    for step, (mean, spread) in enumerate(scale):
        expected = prices["Adj Close"].iloc[-1] * np.exp(output[step] * spread[0] + mean[0])
        assert said["forecasts"][step]["forecast"] == pytest.approx(expected, rel=1e-9)
    assert said["last"] == {"time": "2000-08-23", "level": prices["Adj Close"].iloc[-1]}
    assert "m.safetensors was trained on rows to" in nanolstm("predict", "m.safetensors").stdout


def test_the_run_beside_a_model_makes_it_once_more(nanolstm):
    first = facts_of(nanolstm("run", *QUICK, "--hidden", "4", "--seed", "7", "--save", "one.safetensors", "--json"))
    again = facts_of(nanolstm("run", "--config", "one.toml", "--save", "two.safetensors", "--json"))
    assert {**first, "files": None} == {**again, "files": None}
    one, two = (nl.load(f"{name}.safetensors").parameters for name in ("one", "two"))
    assert all((one[key] == two[key]).all() for key in one)
    other = facts_of(nanolstm("run", "--config", "one.toml", "--hidden", "5", "--json"))
    assert "hidden=5" in other["model"]["cell"][0]


def test_every_option_is_in_the_file_that_a_run_writes(nanolstm, tmp_path):
    assert nanolstm("run", *QUICK, "--clip", "1.5", "--write-config", "run.toml").returncode == 0
    told = tomllib.loads((tmp_path / "run.toml").read_text())
    assert (told["clip"], told["epochs"], told["end"], told["optimizer"]) == (1.5, 3, "2000-09-01", "adam(lr=0.01)")
    assert {"context", "held_out", "scaler", "readout", "seed", "source", "validation"} <= told.keys()


def test_what_evaluate_writes_is_read_by_evaluate_and_run(nanolstm, tmp_path):
    words = ("evaluate", *QUICK, "--folds", "2", "--no-refit", "--clip", "2")
    first = facts_of(nanolstm(*words, "--write-config", "both.toml", "--json"))
    told = tomllib.loads((tmp_path / "both.toml").read_text())
    assert (told["folds"], told["refit"], told["clip"]) == (2, False, 2.0)
    again = facts_of(nanolstm("evaluate", "--config", "both.toml", "--json"))
    assert {**first, "files": None} == {**again, "files": None}
    assert len(facts_of(nanolstm("run", "--config", "both.toml", "--json"))["folds"]) == 1


def test_a_file_of_options_may_have_dates_and_dashes(nanolstm, tmp_path):
    (tmp_path / "run.toml").write_text(
        'source = "sample"\nend = 2000-06-01\nepochs = 1\ncontext = 4\nheld-out = 0.3\ntrain = true\n'
    )
    facts = facts_of(nanolstm("run", "--config", "run.toml", "--json"))
    assert (facts["data"]["rows"], facts["scored"]) == (64, 19)


def test_a_model_and_the_run_of_another_are_not_taken_together(nanolstm, tmp_path):
    for seed, name in ((1, "one"), (2, "two")):
        nanolstm("run", *QUICK, "--seed", seed, "--save", f"{name}.safetensors")
    (tmp_path / "one.toml").replace(tmp_path / "two.toml")
    refused(nanolstm("predict", "two.safetensors"), 2, "two.toml is about another model than two.safetensors")
    refused(nanolstm("predict", "one.safetensors"), 2, "one.toml cannot be read")


def test_a_cell_that_no_plugin_has_is_handed_to_predict(nanolstm, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nfrom nanolstm import Cell, Gate, gate\n\n"
        "class Tiny(Cell):\n    new: Gate = gate(np.tanh)\n\n"
        "    def step(self, x, h):\n        h = self.new(x, h)\n        return h, h\n"
    )
    assert nanolstm("run", *QUICK, "--cell", "mine:Tiny", "--save", "t.safetensors").returncode == 0
    refused(nanolstm("predict", "t.safetensors"), 2, "Tiny")
    assert nanolstm("predict", "t.safetensors", "--cell", "mine:Tiny").returncode == 0


# Wrong usage


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("run", *QUICK, "--optimizer", "adamm"), ["no optimizer 'adamm'; did you mean 'adam'?"]),
        (("run", *QUICK, "--schedule", "cosin"), ["no schedule 'cosin'; did you mean 'cosine'?"]),
        (("run", *QUICK, "--scaler", "standrad"), ["no scaler 'standrad'; did you mean 'standard'?"]),
        (("run", *QUICK, "--transform", "log"), ["no transform 'log'"]),
        (("run", *QUICK, "--held-out", "2"), ["--held-out 2: expected a share between 0 and 1"]),
        (("run", *QUICK, "--loss", "cross_entropy"), ["scores classes, and a series is of numbers"]),
        (("run", *QUICK, "--loss", "quantile(q=(0.1, 0.9))"), ["0.5 is not among them"]),
        (("run", *QUICK, "--no-readout", "--horizon", "2"), ["ToyLSTM gives 1 numbers and 2 are needed"]),
        (("run", *QUICK, "--no-train"), ["--epochs is of a run that trains"]),
        (("run", *QUICK[:4], "--no-train", "--held-out", "0.3"), ["--held-out is of a run that trains"]),
        (("run", *QUICK[:4], "--no-train", "--resume"), ["--resume is of a run that trains"]),
        (("run", *QUICK, "--protocol", "notebook", "--train"), ["--protocol notebook"]),
        (("run", *QUICK, "--save", "no/folder/m.safetensors"), ["there is no folder no/folder"]),
        (("run", *QUICK, "--save", "m.toml"), ["call the model *.safetensors"]),
        (("run", "--config", "nowhere.toml"), ["nowhere.toml cannot be read"]),
        (("run", "--source", "sample", "--end", "2000-03-20"), ["training rows"]),
        (("run", *QUICK, "--save", "m.ckpt"), ["call the model *.safetensors"]),
        (("run", *QUICK, "--resume"), ["give --save FILE beside it"]),
        (("run", *SHORT_TASK, "--plot", "m.png"), ["--plot draws a series"]),
        (("run", *SHORT_TASK, "--held-out", "0.99"), ["leaves 0 to train on and 20 to score"]),
        (("evaluate", "adding", "--source", "tasks(n=20,length=10)"), ["nanolstm run"]),
    ],
)
def test_wrong_usage_ends_with_2_and_nothing_is_written(nanolstm, tmp_path, words, texts):
    refused(nanolstm(*words), 2, *texts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hiden = 3", "no option 'hiden'; did you mean 'hidden'?"),
        ("hidden = ", "is no TOML"),
        ("hidden = [3]", "expected one value"),
        ("epochs = 'many'", "--epochs"),
    ],
)
def test_a_file_of_options_that_is_wrong_says_where(nanolstm, tmp_path, text, said):
    (tmp_path / "run.toml").write_text(text)
    refused(nanolstm("run", "--config", "run.toml"), 2, said)


def test_predict_says_what_is_missing(nanolstm):
    refused(nanolstm("predict", "nowhere.safetensors"), 1, "nowhere.safetensors: there is no such file")
