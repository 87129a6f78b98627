"""The command line: what it prints where, how it ends, and what it imports."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cli, plugins
from nanolstm.plugins import PluginHouse

SHORT = ("--source", "sample", "--end", "2000-06-01")
FORWARD = (*SHORT, "--no-train")
QUICK = (*SHORT, "--epochs", "2", "--context", "5")
"""A training that takes a moment."""

FAILS = """
from nanolstm import hookimpl
from nanolstm.errors import *

@hookimpl(tryfirst=True)
def nanolstm_load_data(request):
    if request.source == "yfinance":
        raise {error}("{text}")
"""
"""A plugin file that stands in the way of Yahoo: no test here asks the network for anything."""


def ran(status, out, err):
    return subprocess.CompletedProcess((), status, out, err)


@pytest.fixture
def nanolstm(monkeypatch, tmp_path, capsys):
    """Runs the program here, in an empty folder and with a fresh house of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words):
        with monkeypatch.context() as here:
            here.setattr(plugins, "shared", PluginHouse())
            here.setattr(sys, "path", [*sys.path])
            before = {*sys.modules}
            status = cli.main([str(word) for word in words])
            for name in {*sys.modules} - before:  # modules of this folder are another test's too, by name
                if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
                    del sys.modules[name]
        return ran(status, *capsys.readouterr())

    return run


def outside(*words, cwd, **variables):
    """Runs the program as a program of its own; `-P` keeps Python itself from looking into the working folder."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NANOLSTM_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "nanolstm.cli", *words],
        cwd=cwd,
        env=clean | {"COLUMNS": "160", "PYTHONIOENCODING": "utf-8"} | variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def refused(done, status, *texts):
    """Ended with `status`, nothing on standard output, and one or two lines that say `texts`."""
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("nanolstm: ")
    assert 1 <= len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr
    for text in texts:
        assert text in done.stderr


# A run


def test_a_run_shows_what_was_loaded_the_model_and_scores_beside_baselines(nanolstm):
    done = nanolstm("run", *FORWARD)
    assert (done.returncode, done.stderr) == (0, "")
    for row in (
        r"source +sample",
        r"rows +64",
        r"first +2000-03-01",
        r"last +2000-05-31",
        r"features +Adj Close, Volume",
        r"input +│ +U 3x2 +W 3x3 +b 3 +│ +18",
        r"output +│ +U 1x2 +W 1x3 +b 1 +│ +6",
        r"new +│ +U 3x2 +W 3x3 +│ +15",
        r"all .*│ +57",
        r"notebook protocol, 63 steps",
        r"model \(untrained\) +│ +0\.\d+",
        r"persistence.* +│ +0\.\d+",
        r"mean.* +│ +0\.\d+",
    ):
        assert re.search(row, done.stdout), row
    assert "The model" in done.stdout.splitlines()[-1]


def test_json_is_one_object_and_says_what_the_tables_say(nanolstm):
    done = nanolstm("run", *FORWARD, "--json", "--protocol", "honest", "--rng", 5)
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["data"] == {
        "source": "sample",
        "instead_of": None,
        "symbol": None,
        "rows": 64,
        "first": "2000-03-01",
        "last": "2000-05-31",
        "features": ["Adj Close", "Volume"],
        "target": "Adj Close, one row ahead",
    }
    assert (facts["model"]["parameters"], facts["model"]["rng"], facts["model"]["trained"]) == (57, 5, False)
    assert facts["model"]["groups"]["output"] == {"shapes": {"U": [1, 2], "W": [1, 3], "b": [1]}, "count": 6}
    assert (facts["loss"], facts["protocol"], facts["scored"]) == ("rmse", "honest", 13)
    assert set(facts["scores"]) == {"model", "persistence", "mean"}
    table = nanolstm("run", *FORWARD, "--protocol", "honest", "--rng", 5).stdout
    for score in facts["scores"].values():
        assert f"{score['scaled']:.6g}" in table
        assert f"{score['own']:.6g}" in table
    assert "in units of Adj Close" in table


def test_a_run_repeats_to_the_last_digit_and_another_seed_differs(nanolstm):
    one, again, other = (nanolstm("run", *FORWARD, "--json", "--rng", rng).stdout for rng in (3, 3, 4))
    assert one == again
    assert json.loads(one)["scores"]["model"] != json.loads(other)["scores"]["model"]
    assert json.loads(one)["scores"]["mean"] == json.loads(other)["scores"]["mean"]


def test_the_score_is_that_of_the_same_run_in_python(nanolstm):
    words = (
        "run",
        *FORWARD,
        "--json",
        "--cell",
        "ToyLSTM(outputs=4)",
        "--hidden",
        4,
        "--loss",
        "quantile(q=(.1,.5,.6,.9))",
    )
    done = nanolstm(*words, "--features", "Open, High,Low", "--target", "Close")
    frame = nl.load_data("sample", end="2000-06-01", columns=["Open", "High", "Low", "Close"])
    scaled = ((frame - frame.min()) / (frame.max() - frame.min())).to_numpy()
    cell = nl.cells.ToyLSTM(inputs=3, hidden=4, outputs=4, rng=0)
    expected = nl.loss("quantile(q=(.1,.5,.6,.9))")(nl.Sequence(cell)(scaled[:-1, :3]), scaled[1:, 3:])
    facts = json.loads(done.stdout)
    assert facts["scores"]["model"]["scaled"] == pytest.approx(expected, rel=1e-12)
    assert facts["model"]["inputs"] == 3
    assert "readout" not in facts["model"]["groups"]


@pytest.mark.parametrize(
    ("words", "outputs", "scores"),
    [
        (("adding", "--source", "tasks(n=20, length=10)", "--loss", "mse"), 1, {"model", "mean"}),
        (("narma10", "--source", "tasks(n=5, length=20)", "--protocol", "honest"), 1, {"model", "mean"}),
        (("temporal_order", "--source", "tasks(n=20, length=20)", "--loss", "cross_entropy"), 4, {"model"}),
        (("copy", "--source", "tasks(n=8, delay=5)", "--loss", "cross_entropy"), 9, {"model"}),
    ],
)
def test_a_run_over_sequences_fits_the_output_to_the_target(nanolstm, words, outputs, scores):
    done = nanolstm("run", *words, "--no-train", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["model"]["outputs"] == outputs
    assert scores <= set(facts["scores"])
    assert "sequences" in nanolstm("run", *words, "--no-train").stdout


def test_text_in_square_brackets_is_shown_as_it_is(nanolstm, tmp_path):
    (tmp_path / "[dim]x[b].csv").write_text(
        "day,price [usd]\n" + "".join(f"2024-01-{d:02},{d * d % 7}\n" for d in range(1, 20))
    )
    words = (
        "--no-train",
        "--source",
        "files",
        "--features",
        "price [usd]",
        "--target",
        "price [usd]",
        "--protocol",
        "honest",
    )
    done = nanolstm("run", "[dim]x[b].csv", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "[dim]x[b].csv" in done.stdout
    assert "in units of price [usd]" in done.stdout


@pytest.mark.parametrize("words", [("--loss", "bce", "--protocol", "honest")])
def test_a_score_that_is_no_number_is_told_and_is_no_crash_of_json(nanolstm, words):
    done = nanolstm("run", *FORWARD, *words, "--json")
    if done.returncode == 0:
        facts = json.loads(done.stdout, parse_constant=pytest.fail)
        assert any(score["scaled"] is None or score["own"] is None for score in facts["scores"].values())
    else:
        refused(done, 1, "bce")
        assert "JSON" not in done.stderr


# Listings


LISTED = ("sources", "losses", "cells", "optimizers", "schedules", "scalers", "metrics", "callbacks")


def test_every_listing_has_a_table_and_json(nanolstm):
    rows = {kind: json.loads(nanolstm(kind, "--json").stdout) for kind in ("plugins", *LISTED)}
    assert [row["name"] for row in rows["sources"]] >= ["files", "sample", "tasks", "yfinance"]
    assert {"rmse", "quantile", "cross_entropy"} <= {row["name"] for row in rows["losses"]}
    assert "ToyLSTM" in {row["name"] for row in rows["cells"]}
    assert {"adam", "lbfgs"} <= {row["name"] for row in rows["optimizers"]}
    assert {"standard", "minmax"} <= {row["name"] for row in rows["scalers"]}
    for kind in LISTED:
        assert all(row["plugin"] and len(row["about"]) > 4 for row in rows[kind])
    assert set(rows["plugins"][0]) == {
        *("name", "distribution", "version", "status", "reason", "hooks", "registered", "seconds")
    }
    for kind in rows:
        done = nanolstm(kind)
        assert (done.returncode, done.stderr) == (0, "")
        assert all(row["name"] in done.stdout for row in rows[kind])


def test_the_version_is_the_distributions(nanolstm):
    done = nanolstm("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"nanolstm {metadata.version('nanolstm')}\n", "")


def test_the_help_names_every_command_and_the_options_that_go_anywhere(nanolstm):
    done = nanolstm("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in (
        "run",
        "evaluate",
        "predict",
        "plugins",
        *LISTED,
        "cells",
        "sources",
        "losses",
        "-p MODULE",
        "no:NAME",
        "--debug",
        "--version",
    ):
        assert word in done.stdout


def test_the_installed_program_is_this_one():
    (point,) = metadata.entry_points(group="console_scripts", name="nanolstm")
    assert point.load() is cli.main
    assert point.dist.name == "nanolstm"


# Wrong usage


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("rn",), ["'rn'", "'run'"]),
        (("run", "--surce", "sample"), ["--surce", "--source"]),
        (("run", *SHORT, "--hidden", "many"), ["--hidden", "integer"]),
        (("run", *SHORT, "--hidden", "0"), ["hidden", "1"]),
        (("run", *SHORT, "--rng", "-1"), ["rng", "0"]),
        (("run", "--source", "smaple"), ["no source 'smaple'; did you mean 'sample'?"]),
        (("run", "--source", "sample(x=1"), ["'sample(x=1' is no name"]),
        (("run", *SHORT, "--loss", "rsme"), ["no loss 'rsme'; did you mean 'rmse'?"]),
        (("run", *SHORT, "--loss", "huber(dleta=1)"), ["no parameter 'dleta'; did you mean 'delta'?"]),
        (("run", *SHORT, "--cell", "ToyLTSM"), ["no cell 'ToyLTSM'; did you mean 'ToyLSTM'?"]),
        (("run", *SHORT, "--cell", "ToyLSTM(output=1)"), ["no field 'output': did you mean 'outputs'?"]),
        (("run", *SHORT, "--cell", "nanolstm.cells.toy:ToyLTSM"), ["has no 'ToyLTSM'; did you mean 'ToyLSTM'?"]),
        (("run", *SHORT, "--cell", "nowhere:Cell"), ["module 'nowhere' cannot be imported"]),
        (("run", *SHORT, "--cell", ":Cell"), [":Cell"]),
        (("run", *SHORT, "--cell", "nanolstm.cells.toy:np"), ["expected a subclass of nanolstm.Cell"]),
        (("run", *SHORT, "--protocol", "honst"), ["no protocol 'honst'; did you mean 'honest'?"]),
        (("run", *SHORT, "--missing", "dorp"), ["missing='dorp'", "'drop'"]),
        (("run", "--source", "sample", "--start", "yesterday"), ["'yesterday' is no date; write it as YYYY-MM-DD"]),
        (("run", *SHORT, "--start", "2001-01-01"), ["the window is empty"]),
        (("run", *SHORT, "--features", "Adj Clse"), ["no column 'Adj Clse'; did you mean 'Adj Close'?"]),
        (("run", *SHORT, "--features", ","), ["features"]),
        (("run", *SHORT, "--plot", "x.pgn"), ["no picture format 'pgn'; did you mean 'png'?"]),
        (("run", *SHORT, "--plot", "no/folder/x.png"), ["there is no folder no/folder"]),
        (
            ("run", "adding", "--source", "tasks(n=5,length=10)", "--plot", "x.png", "--no-train"),
            ["--plot draws a series over time"],
        ),
        (("-p",), ["-p needs the name of a module"]),
        (("run", *SHORT, "-p"), ["-p needs the name of a module"]),
        (("-p", "nowhere", "run"), ["plugin 'nowhere' cannot be imported"]),
    ],
)
def test_wrong_usage_ends_with_2_and_a_line_that_says_what_is_right(nanolstm, tmp_path, words, texts):
    refused(nanolstm(*words), 2, *texts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("run", "MSFT", "--source", "sample"), ["the sample has no 'MSFT'; it has: AAPL"]),
        (("run", "--source", "sample", "--start", "2020-01-01"), ["runs from 2000-03-01 to 2013-03-01"]),
        (("run", "x.csv", "--source", "files"), ["there is no file x.csv"]),
        (("run", "--source", "sample", "--end", "2000-03-02"), ["1 rows; at least 2 are needed"]),
        (("run", *SHORT, "--json", "MSFT"), ["the sample has no 'MSFT'"]),
    ],
)
def test_a_failure_ends_with_1_and_a_line_that_says_why(nanolstm, words, texts):
    refused(nanolstm(*words), 1, *texts)


def test_the_arguments_are_checked_before_any_data_is_asked_for(nanolstm, tmp_path):
    (tmp_path / "no.py").write_text(FAILS.format(error="UnreachableError", text="asked"))
    for words in (("--loss", "rsme"), ("--cell", "Toy"), ("--protocol", "x"), ("--plot", "x.y"), ("--hidden", "0")):
        assert "asked" not in nanolstm("-p", "no", "run", "--source", "yfinance", *words).stderr
    refused(nanolstm("-p", "no", "run", "--source", "yfinance"), 1, "asked")


def test_a_traceback_is_shown_only_for_debug(nanolstm, tmp_path):
    words = ("run", "--source", "smaple")
    refused(nanolstm(*words), 2, "no source 'smaple'")
    done = outside("--debug", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback (most recent call last)" in done.stderr
    assert "UnknownNameError: no source 'smaple'" in done.stderr
    with pytest.raises(nl.errors.UnknownNameError, match="no source 'smaple'"):
        nanolstm(*words, "--debug")


def test_an_error_that_nobody_foresaw_is_one_line_too(nanolstm, tmp_path):
    (tmp_path / "odd.py").write_text(
        "from nanolstm import hookimpl\n@hookimpl\ndef nanolstm_register_losses(register):\n"
        "    register('odd', lambda p, t: 1 // 0)\n"
    )
    refused(nanolstm("-p", "odd", "run", *FORWARD, "--loss", "odd"), 1, "ZeroDivisionError", "odd")


def test_the_program_can_be_called_from_python_that_has_used_nanolstm(capsys):
    assert nl.loss("rmse").name == "rmse"
    path = [*sys.path]
    try:
        assert cli.main(["--version"]) == 0
        assert cli.main(["losses", "--json"]) == 0
    finally:
        sys.path[:] = path
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_leaves_no_traceback(tmp_path):
    for words in (["losses"], ["losses", "--json"], ["--help"]):
        program = subprocess.Popen(
            [sys.executable, "-P", "-m", "nanolstm.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            text=True,
        )
        program.stdout.close()
        said = program.stderr.read()
        program.stderr.close()
        program.wait()
        assert said == ""


# The working folder


CELL = """
import numpy as np
from nanolstm import Cell, Gate, gate

class Tiny(Cell):
    share: float = 0.5
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.share * h + self.new(x, h)
        return h, h
"""
PLUGIN = """
import pandas as pd
from nanolstm import hookimpl

@hookimpl
def nanolstm_register_sources(register):
    register("ramp", lambda request: pd.DataFrame(
        {"Adj Close": range(30), "Volume": range(30)}, index=pd.date_range("2024-01-01", periods=30), dtype=float))

@hookimpl
def nanolstm_register_commands(app):
    @app.command()
    def greet(name: str = "you"):
        \"\"\"Say hello.\"\"\"
        print(f"hello {name}")
"""


def test_a_cell_in_the_working_folder_is_found_by_module_and_class(tmp_path):
    (tmp_path / "mine.py").write_text(CELL)
    done = outside("run", *FORWARD, "--json", "--cell", "mine:Tiny(share=0.25)", "--hidden", "1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["model"]["cell"] == ["Tiny(inputs=2, hidden=1, share=0.25, dtype='float64')"]
    refused(outside("run", *FORWARD, "--cell", "mine:Tny", cwd=tmp_path), 2, "has no 'Tny'; did you mean 'Tiny'?")


@pytest.mark.parametrize("where", ["before", "after", "glued"])
def test_a_plugin_in_the_working_folder_is_loaded_wherever_it_is_said_on_the_line(nanolstm, tmp_path, where):
    (tmp_path / "ramp.py").write_text(PLUGIN)
    line = ("greet", "--name", "them")
    words = {"before": ("-p", "ramp", *line), "after": (*line, "-p", "ramp"), "glued": ("-pramp", *line)}[where]
    done = nanolstm(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello them\n", "")
    assert "greet  " in nanolstm("-p", "ramp", "--help").stdout
    refused(nanolstm(*line), 2, "greet")


def test_a_plugin_in_the_working_folder_brings_a_source(tmp_path):
    (tmp_path / "ramp.py").write_text(PLUGIN)
    done = outside("run", "--source", "ramp", "--no-train", "--json", "-p", "ramp", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["data"]["rows"] == 30


def test_a_plugin_of_the_working_folder_that_is_broken_is_an_error(nanolstm, tmp_path):
    (tmp_path / "wrong.py").write_text("import nothing_of_that_name\n")
    refused(nanolstm("-p", "wrong", "losses"), 2, "'wrong'", "No module named 'nothing_of_that_name'")
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n")
    refused(nanolstm("-p", "leaves", "losses"), 2, "'leaves'", "SystemExit")


def test_a_plugin_is_switched_off_wherever_that_is_said_on_the_line(nanolstm):
    for words in (("-p", "no:sample", "sources"), ("sources", "-p", "no:sample"), ("sources", "-pno:sample")):
        done = nanolstm(*words, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert [row["name"] for row in json.loads(done.stdout)] == ["files", "tasks", "yfinance"]
    refused(
        nanolstm("run", *FORWARD, "-p", "no:sample"), 2, "no source 'sample'", "plugin 'sample' (nanolstm ", "is off"
    )


def test_what_is_behind_two_dashes_is_an_argument_and_no_option(nanolstm):
    refused(nanolstm("run", "--source", "sample", "--", "-p"), 1, "the sample has no '-p'")


def test_a_file_that_happens_to_lie_in_the_working_folder_is_not_imported(tmp_path):
    for name in ("statistics", "secrets", "pandas", "rich", "nanolstm_sample"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the file in the working folder was imported')\n")
    done = outside("run", *FORWARD, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["data"]["rows"] == 64


# Pictures


def test_a_picture_is_drawn_and_nothing_is_left_beside_it(nanolstm, tmp_path):
    done = nanolstm("run", *FORWARD, "--plot", "run.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    json.loads(done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["run.png"]
    pixels = matplotlib.image.imread(tmp_path / "run.png")
    assert min(pixels.shape[:2]) > 500
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 20


def test_a_picture_that_cannot_be_written_is_an_error_and_leaves_nothing(nanolstm, tmp_path):
    name = 300 * "x" + ".png"
    done = nanolstm("run", *FORWARD, "--plot", name)
    refused(done, 2, f"{name} cannot be written: ")
    assert not list(tmp_path.iterdir())


# Where Yahoo does not answer


@pytest.fixture
def without_yahoo(nanolstm, tmp_path):
    """Runs the program where Yahoo fails with an error of the given kind."""

    def run(error, *words):
        (tmp_path / "no_yahoo.py").write_text(FAILS.format(error=error, text="no answer from Yahoo"))
        return nanolstm("-p", "no_yahoo", "run", "--no-train", *words)

    return run


SAMPLE = {"source": "sample", "rows": 3270, "first": "2000-03-01", "last": "2013-03-01"}


@pytest.mark.parametrize("error", ["UnreachableError", "RateLimitedError", "MalformedAnswerError"])
def test_the_notebooks_own_series_turns_into_the_sample_and_it_is_said(without_yahoo, error):
    done = without_yahoo(error, "--json")
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("nanolstm: ")
    assert "sample" in line
    assert "no answer from Yahoo" in line
    facts = json.loads(done.stdout)
    assert {key: facts["data"][key] for key in SAMPLE} == SAMPLE
    assert facts["data"]["instead_of"].startswith("yfinance")
    assert "no answer from Yahoo" in facts["data"]["instead_of"]


@pytest.mark.parametrize(
    "words", [("AAPL",), ("--start", "2022-01-01", "--end", "2024-01-31"), ("--loss", "mae", "--hidden", "2")]
)
def test_the_notebooks_own_series_may_be_named_in_full(without_yahoo, words):
    done = without_yahoo("UnreachableError", *words)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"source +sample", done.stdout)
    assert re.search(r"instead of +yfinance, which failed: .*no answer from Yahoo", done.stdout)


@pytest.mark.parametrize(
    "words",
    [
        ("MSFT",),
        ("--start", "2022-01-02"),
        ("--end", "2024-01-30"),
        ("--start", "2022-01-01", "--end", "2024-02-01"),
        ("MSFT", "--start", "2022-01-01", "--end", "2024-01-31"),
        ("--source", "yfinance"),
        ("AAPL", "--source", "yfinance"),
        ("--source", "yfinance(interval='1d')"),
    ],
)
def test_nothing_else_ever_turns_into_the_sample(without_yahoo, words):
    refused(without_yahoo("UnreachableError", *words), 1, "no answer from Yahoo")


@pytest.mark.parametrize("error", ["UnknownSymbolError", "NoDataError", "BadDataError", "InputError"])
def test_an_error_that_is_not_for_now_is_not_covered_up(without_yahoo, error):
    done = without_yahoo(error)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "no answer from Yahoo" in done.stderr


def test_where_the_sample_is_switched_off_the_reason_is_still_that_of_yahoo(without_yahoo):
    refused(without_yahoo("UnreachableError", "-p", "no:sample"), 1, "no answer from Yahoo")


# What is imported


def imported(code, cwd):
    """The heavy packages that are there after `code` has run in a Python of its own."""
    heavy = ["numpy", "numba", "pandas", "scipy", "sklearn", "matplotlib", "yfinance", "rich", "hypothesis", "pytest"]
    code += f"\nprint('\\n' + ' '.join(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import sys\n" + code], cwd=cwd, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("code", "there"),
    [
        ("import nanolstm", []),
        ("import nanolstm as nl; nl.Cell, nl.Sequence, nl.gate, nl.cells.ToyLSTM(inputs=1, hidden=1)", ["numpy"]),
        ("import nanolstm as nl; nl.loss('rmse'), nl.load_data, nl.DataRequest", ["numpy"]),
        ("import nanolstm.testing", ["numpy"]),
        ("from nanolstm.cli import main; main(['--help'])", []),
        ("from nanolstm.cli import main; main(['--version'])", []),
        ("from nanolstm.cli import main; main(['run', '--help'])", []),
        ("from nanolstm.cli import main; main(['sources', '--json'])", ["numpy"]),
        ("from nanolstm.cli import main; main(['run', '--loss', 'rsme'])", ["numpy"]),
    ],
)
def test_what_is_heavy_is_imported_when_it_is_used(tmp_path, code, there):
    assert set(imported(code, tmp_path)) <= set(there)


def test_a_run_without_a_picture_imports_neither_matplotlib_nor_yfinance(tmp_path):
    code = f"from nanolstm.cli import main; main(['run', '--json', *{FORWARD!r}])"
    assert {"matplotlib", "yfinance", "numba"}.isdisjoint(imported(code, tmp_path))


# What is tested


def test_the_tests_run_against_the_distribution_that_is_installed(request):
    """Not against what happens to lie in the folder that they were started in."""
    root = str(request.config.rootpath)
    distribution = metadata.distribution("nanolstm")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    editable = origin.get("dir_info", {}).get("editable", False)
    package = Path(nl.__file__).parent
    assert nl.__version__ == distribution.version
    assert (root in [str(Path(entry).resolve()) for entry in sys.path if entry]) <= editable
    if editable:
        assert package == request.config.rootpath / "nanolstm"
    else:
        assert package == Path(distribution.locate_file("nanolstm")).resolve()
        assert package != request.config.rootpath / "nanolstm"
