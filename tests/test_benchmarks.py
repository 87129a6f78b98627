"""The command that measures: what it compares is compared, and it goes on where it was broken off."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import nanolstm as nl

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def contestant(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from contest import contestant

    return contestant


def one(contestant, name, *values):
    return contestant.Contestant(name, lambda: np.array(values), lambda y: {"y": y})


@pytest.mark.parametrize("wrong", [[1.0, 2.1], [1.0, np.nan], [1.0]])
def test_whoever_computes_something_else_is_found(contestant, wrong):
    with pytest.raises(contestant.DifferentError, match="other"):
        contestant.errors([one(contestant, "nanolstm", 1.0, 2.0), one(contestant, "other", *wrong)], "float64")


def test_nan_of_ours_is_found(contestant):
    with pytest.raises(contestant.DifferentError):
        contestant.errors([one(contestant, "nanolstm", np.nan), one(contestant, "other", 1.0)], "float64")


def test_whoever_computes_the_same_may_go_on(contestant):
    found = contestant.errors([one(contestant, "nanolstm", 1.0), one(contestant, "other", 1.0 + 1e-12)], "float64")
    assert found["other"] == pytest.approx(1e-12, rel=1e-3)


def test_the_command_writes_its_page_and_resumes(tmp_path):
    command = [sys.executable, BENCHMARKS / "speed.py", "--quick", "--only", "recording", "--dtype", "float32"]
    command += ["--threads", "1", "--out", tmp_path / "speed"]
    first = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
    assert "recording" in first.stdout
    kept = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))["recording, 1 thread"]
    assert [entry["errors"] for entry in kept["entries"]] == [{"recording": 0.0}] * 2
    assert "| (3, 10, 4, 8) |" in (tmp_path / "speed.md").read_text(encoding="utf-8")
    again = subprocess.run([*command, "--resume"], check=True, capture_output=True, text=True, encoding="utf-8")
    assert f"there since {kept['date']}" in again.stdout


def test_a_cell_written_out_for_another_library_says_what_is_before_in_and_after_the_loop(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from contest.zoo.languages import SHARED
    from contest.zoo.written import source_of

    as_text = {name: lambda node, a, _: f"{node.op.name}({', '.join(a)})" for name in ("affine", "concat", "transpose")}
    source = source_of(nl.cells.LSTM(inputs=2, hidden=3, rng=0), SHARED | as_text)
    before, rest = source.split("    def step(states, now):\n")
    step, after = rest.split("    (h_2,) = scan(")
    assert before.count("affine(") == 1, "the input projections of all gates are one product, before the loop"
    assert before.count("transpose(") == 2, "weights are transposed once"
    assert step.count("affine(") == 1, "the products with h are one, which is added to in the same call"
    assert step.count("sigmoid(") == 1, "three gates pass through one sigmoid"
    assert after.rstrip().endswith("return h_2")


def test_what_cancels_out_is_compared_with_the_size_of_the_other_gradients(contestant):
    def one(name, tiny):
        answer = {"value": np.array(1.0), "d": np.array([tiny])}
        return contestant.Contestant(name, lambda: None, lambda _: answer)

    found = contestant.errors([one("nanolstm", 1e-20), one("other", 3e-18)], "float64")
    assert found["other"] < 1e-14
    with pytest.raises(contestant.DifferentError):
        contestant.errors([one("nanolstm", 1e-20), one("other", 1e-9)], "float64")


# The data of JapaneseVowels, from a wheel


@pytest.fixture
def vowels(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from contest import vowels

    return vowels


def wheel(folder, members):
    path = folder / "aeon-0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_sequences_of_unequal_length_are_read_from_the_wheel(vowels, tmp_path):
    text = "# about\n@classLabel true 1 2\n@data\n1,2,3:-1,-2E-1,0:2\n4,5:6,7:1\n"
    there = wheel(tmp_path, {vowels.MEMBER.format(part): text for part in ("TRAIN", "TEST")})
    for part in vowels.vowels(there):
        assert part.lengths.tolist() == [3, 2]
        assert part.target.tolist() == [1, 0]
        assert part.x.dtype == np.float32
        np.testing.assert_allclose(part.x[0], [[1, -1], [2, -0.2], [3, 0]], rtol=1e-6)
        assert part.x[1].tolist() == [[4, 6], [5, 7], [0, 0]]


def test_a_wheel_without_the_data_and_no_network_are_told(vowels, tmp_path, monkeypatch):
    for there in (wheel(tmp_path, {"aeon/__init__.py": ""}), tmp_path / "nowhere.whl"):
        with pytest.raises(vowels.NoVowelsError, match=re.escape(str(there))):
            vowels.vowels(there)
    refused = subprocess.CompletedProcess((), 1, "", "trying again\nERROR: No matching distribution found for aeon\n")
    monkeypatch.setattr(vowels.subprocess, "run", lambda *_, **__: refused)
    with pytest.raises(vowels.NoVowelsError, match=r"No matching distribution.*--wheel"):
        vowels.vowels()


# The comparison of the variants of an LSTM


@pytest.fixture(scope="module")
def odyssey(tmp_path_factory):
    """What is printed by a small odyssey, by the same once more, and the folder of its page."""
    folder = tmp_path_factory.mktemp("odyssey")
    command = [sys.executable, BENCHMARKS / "odyssey.py", "--quick", "--variants", "NFG", "--jobs", "1"]
    command += ["--rows", folder / "rows", "--out", folder]
    return subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout, folder


def test_the_odyssey_writes_a_page_that_follows_from_its_trials(odyssey):
    printed, folder = odyssey
    trials = pd.read_csv(folder / "odyssey.csv")
    assert trials.groupby(["task", "part", "variant"]).size().to_dict() == {
        (task, part, variant): 2
        for task in ("digits", "narma10")
        for part in ("search", "test")
        for variant in ("VanillaLSTM", "NFG")
    }
    search, tests = (trials[trials["part"] == part].set_index(["task", "variant"]) for part in ("search", "test"))
    lowest = search.groupby(level=[0, 1])["error"].min()
    for where, rates in tests["rate"].groupby(level=[0, 1]):
        chosen = search.loc[[where]].set_index("rate")["error"].loc[rates.unique()]
        assert chosen.tolist() == [lowest.loc[where]]
    page = (folder / "odyssey.md").read_text(encoding="utf-8")
    mean = 100 * tests.loc[[("digits", "NFG")], "error"].mean()
    assert f"| NFG | {mean:.2f} |" in page
    assert "the numbers mean nothing" in page
    assert (folder / "pictures" / "odyssey.png").read_bytes().startswith(b"\x89PNG")
    assert "In the paper it is worse on all three datasets" in printed


@pytest.fixture
def findings(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from variants import findings

    return findings


def rows(task, errors):
    """A row for each trial: those of a test, and the search before it."""
    return pd.DataFrame(
        [
            {"task": task, "part": part, "variant": variant, "rate": 0.01, "error": error, "diverged": False}
            for variant, values in errors.items()
            for part in ("search", "test")
            for error in values
        ]
    )


@pytest.mark.parametrize(
    ("on_one", "on_other", "verdict"),
    [(0.0, 0.0, "differs"), (0.5, 0.0, "agrees in part"), (0.5, 0.5, "agrees"), (0.5, -0.1, "differs")],
)
def test_a_variant_agrees_with_the_paper_where_it_hurts_as_often(findings, on_one, on_other, verdict):
    vanilla = np.array([0.20, 0.21, 0.22, 0.23])
    tables = [
        rows(name, {"VanillaLSTM": vanilla, "NFG": vanilla + more})
        for name, more in {"a": on_one, "b": on_other}.items()
    ]
    tasks = [SimpleNamespace(name=name, title=name) for name in "ab"]
    found = findings.findings(pd.concat(tables), tasks)
    assert found.beside_the_paper("NFG") == verdict
    expected = np.sqrt(np.prod([(vanilla + more).mean() / vanilla.mean() for more in (on_one, on_other)]))
    assert found.overall("NFG") == pytest.approx(expected)
