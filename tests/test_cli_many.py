"""The commands that train many models: their tables, their files, what fails, and how they are asked."""

import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import nanolstm as nl
from nanolstm import cli, plugins
from nanolstm.cli import many
from nanolstm.errors import InputError
from nanolstm.plugins import PluginHouse

QUICK = ("--task", "adding(n=20, length=5)", "--epochs", "2", "--jobs", "1")
COMPARE = ("compare", "--cells", "LSTM,ToyLSTM", *QUICK, "--parameters", "60")

FAILING = """
import numpy as np
from nanolstm import Cell, Gate, gate

class Failing(Cell):
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h)
        return h, h

    def initialise(self, rng):
        if self.hidden == 3:
            raise MemoryError("three are too many")
"""


@pytest.fixture
def nanolstm(monkeypatch, tmp_path, capsys):
    """Runs the program here, in an empty folder and with a fresh house of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
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


def test_compare_answers_with_a_table_a_picture_and_what_it_comes_to(nanolstm, tmp_path):
    done = nanolstm(*COMPARE, "--seeds", "4")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"│ LSTM +│ +3 │ +76 │ +\d\.\d+ │ +\d\.\d+ │ +\d\.\d+ │ +[\d.]+ │ +[\d.]+ │", done.stdout)
    assert re.search(r"│ ToyLSTM +│ +3 │ +59 │", done.stdout)
    assert re.search(
        r"With 4 seeds, \w+ has the best median mse. (Its\s+difference|It differs)\s+from\s+\w+\s+\(p", done.stdout
    )
    assert "The learning curves are in compare.png." in done.stdout
    assert (tmp_path / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_compare_says_the_same_in_json_in_csv_and_in_python(nanolstm, tmp_path):
    facts = facts_of(nanolstm(*COMPARE, "--seeds", "2", "--json", "--out", "a.svg", "--file", "kept.json"))
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    table = pd.read_csv(io.StringIO(nanolstm(*COMPARE, "--seeds", "0,1", "--csv", "--file", "kept.json").stdout))
    assert not (tmp_path / "compare.png").exists()
    expected = nl.compare(["LSTM", "ToyLSTM"], QUICK[1], parameters=60, seeds=2, epochs=2, optimizer="adam(lr=0.01)")
    for rows in (facts["cells"], table.to_dict("records")):
        assert [row["cell"] for row in rows] == [*expected.table.index]
        np.testing.assert_allclose([row["score"] for row in rows], expected.table["score"], rtol=1e-12)
    # The second one has taken everything from the file, the times included.
    assert [row["step_seconds"] for row in facts["cells"]] == table["step_seconds"].tolist()
    assert facts["verdict"] == expected.verdict()


def test_compare_goes_past_a_cell_that_fails_and_a_comparison_of_nothing_else_ends_with_1(nanolstm, tmp_path):
    (tmp_path / "mine.py").write_text(FAILING)
    what = ("compare", *QUICK, "--parameters", "61", "--seeds", "2", "--optimizer", "sgd", "--learning-rate", "1e200")
    done = nanolstm(*what, "--cells", "mine:Failing")
    assert done.returncode == 1
    assert "2 of 2 trainings failed" in done.stdout
    assert "No training ended well." in done.stdout
    assert not (tmp_path / "compare.png").exists()


def test_sweep_lists_trainings_by_their_score_and_writes_them(nanolstm, tmp_path):
    done = nanolstm("sweep", "--cells", "LSTM,ToyLSTM", "--sizes", "2,3", *QUICK, "--seeds", "2", "--out", "table.csv")
    assert (done.returncode, done.stderr) == (0, "")
    shown = [float(score) for score in re.findall(r"│ +\d+ │ +(\d[\d.e-]*) │ +\d+ │ +[\d.]+ │$", done.stdout, re.M)]
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == len(shown) == 8
    assert table["score"].is_monotonic_increasing
    np.testing.assert_allclose(shown, table["score"], rtol=1e-3)
    row = table.query("cell == 'LSTM' and size == 3 and seed == 1").iloc[0]
    data = nl.load_data("tasks", "adding", options={"n": 20, "length": 5})
    model = nl.Sequence(nl.cells.LSTM(inputs=2, hidden=3, rng=1), readout=1)
    run = nl.fit(model, data, optimizer="adam(lr=0.01)", validation=0.2, epochs=2, steps="last", rng=1)
    np.testing.assert_allclose(row["score"], run.best_score, rtol=1e-12)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_sweep_says_which_failed_and_why(nanolstm, tmp_path):
    (tmp_path / "mine.py").write_text(FAILING)
    what = ("sweep", "--cells", "mine.py:Failing,LSTM", *QUICK)
    done = nanolstm(*what, "--sizes", "2,3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 of 4 trainings failed:" in done.stdout
    assert "mine.py:Failing, size 3: MemoryError: three are too many" in " ".join(done.stdout.split())
    done = nanolstm("sweep", "--cells", "mine.py:Failing", *QUICK, "--sizes", "3")
    assert done.returncode == 1


def test_sweep_over_losses_of_classes_ranks_by_an_accuracy_from_the_largest_down(nanolstm):
    task = ("--task", "temporal_order(n=30, length=10)", "--epochs", "2", "--jobs", "1")
    facts = facts_of(nanolstm("sweep", *task, "--sizes", "2,3", "--metric", "accuracy", "--json"))
    scores = [row["score"] for row in facts["trainings"]]
    assert scores == sorted(scores, reverse=True)
    assert {row["loss"] for row in facts["trainings"]} == {"cross_entropy"}


def test_sweep_trains_on_windows_of_series_scaled_by_the_rows_before_those_held_back(nanolstm, tmp_path):
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=60)
    for name in ("one", "two"):
        pd.DataFrame({"time": times, "y": 100 + rng.normal(size=60).cumsum()}).to_csv(f"{name}.csv", index=False)
    what = ("--symbols", "one.csv,two.csv", "--source", "files", "--features", "y", "--target", "y", "--context", "4")
    how = ("--sizes", "2", "--epochs", "2", "--jobs", "1", "--json", "--losses", "mae", "--transform", "none")
    facts = facts_of(nanolstm("sweep", *what, *how))
    assert sorted(row["series"] for row in facts["trainings"]) == ["one.csv", "two.csv"]
    y = pd.read_csv("one.csv")["y"].to_numpy()
    scaled = (y - y[:48].mean()) / y[:48].std()  # a fifth of 60 rows is held back
    x = np.lib.stride_tricks.sliding_window_view(scaled[:-1], 4)[..., None]
    model = nl.Sequence(nl.cells.LSTM(inputs=1, hidden=2, rng=0), readout=1)
    run = nl.fit(
        model,
        (x, scaled[4:, None]),
        loss="mae",
        optimizer="adam(lr=0.01)",
        epochs=2,
        validation=0.2,
        steps="last",
        rng=0,
    )
    score = next(row["score"] for row in facts["trainings"] if row["series"] == "one.csv")
    np.testing.assert_allclose(score, run.best_score, rtol=1e-9)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("compare", "--cells", "LSTM,ToyLTSM", "--task", "adding"), "did you mean 'ToyLSTM'"),
        (("compare", "--cells", "LSTM", "--task", "addin"), "did you mean 'adding'"),
        (("compare", "--cells", ",", "--task", "adding"), "--cells ',' names nothing"),
        (("compare", "--cells", "LSTM", "--task", "adding", "--seeds", "0"), "--seeds 0 are none"),
        (("compare", "--cells", "LSTM", "--task", "adding", "--seeds", "a"), "--seeds 'a': expected whole numbers"),
        (("compare", "--cells", "LSTM", "--task", "adding", "--out", "a.pgn"), "did you mean 'png'"),
        (("compare", "--cells", "LSTM", "--task", "adding", "--csv", "--json"), "choose one"),
        (("compare", "--cells", "LSTM", "--task", "adding", "--learning-rate", "-1"), "--learning-rate -1"),
        (("sweep",), "say on what"),
        (("sweep", "--task", "adding", "--symbols", "AAPL"), "say on what"),
        (("sweep", "--source", "tasks", "--symbols", "adding"), "write --task adding"),
        (("sweep", "--task", "adding", "--sizes", "0"), "--sizes '0': expected whole numbers from 1 on"),
        (("sweep", "--task", "adding", "--out", "no/a.csv"), "there is no folder no"),
        (("sweep", "--task", "adding", "--optimizer", "adm"), "did you mean 'adam'"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(nanolstm, words, says):
    done = nanolstm(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("compare", "--cells", "LSTM"), ("sweep",)], ids=["compare", "sweep"])
def test_ctrl_c_says_where_what_is_finished_has_been_kept(nanolstm, monkeypatch, command):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nanolstm.sweeping.member.fit", interrupted)
    done = nanolstm(*command, *QUICK, "--file", "kept.json")
    assert done.returncode == 130
    assert "nanolstm: stopped; finished trainings are in kept.json, and the same command goes on" in done.stderr
    assert "what was finished is lost: --file would keep it" in nanolstm(*command, *QUICK).stderr


def test_commas_within_brackets_do_not_part_names():
    assert many.names(" LSTM, a.py:B(c=(1, 2), d='x') ,", "--cells") == ["LSTM", "a.py:B(c=(1, 2), d='x')"]
    assert (many.seeds_of("2"), many.seeds_of("0,"), many.seeds_of("4,2")) == ([0, 1], [0], [4, 2])
    with pytest.raises(InputError, match="names nothing"):
        many.names(" , ", "--cells")
