"""The command that measures: what it compares is compared, and it goes on where it was broken off."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
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
