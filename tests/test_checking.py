"""`check` and `nanolstm check`: every right cell passes, and every planted fault is found."""

import json
import os
import re
import subprocess
import sys

import attrs
import numpy as np
import pytest

import nanolstm as nl
from nanolstm import (
    Array,
    Cell,
    Gate,
    State,
    blocks,
    cli,
    diagonal,
    feed,
    gate,
    identity,
    noise,
    param,
    plugins,
    sigmoid,
    state,
)
from nanolstm.checking.differences import differences
from nanolstm.errors import BranchError, CellError, InputError, RandomError, UnknownNameError
from nanolstm.gradient import run as of_run
from nanolstm.graph.node import OPS, apply
from nanolstm.plugins import PluginHouse


class LSTM(Cell):
    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid)
    output: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class GRU(Cell):
    update: Gate = gate(sigmoid)
    reset: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        z = self.update(x, h)
        h = (1 - z) * h + z * self.new(x, self.reset(x, h) * h)
        return h, h


class Matrix(Cell):
    """A matrix memory, and a stabiliser that starts at minus infinity."""

    C: State = state(("hidden", "hidden"))
    m: State = state(1, start=-np.inf)
    query: Gate = gate(identity, W=None)
    key: Gate = gate(identity, W=None)
    input: Gate = gate(identity, size=1, W=None)
    forget: Gate = gate(identity, size=1, W=None)

    def step(self, x, C, m):
        i, f, k = self.input(x), self.forget(x), self.key(x)
        new_m = np.maximum(f + m, i)
        C = np.exp(f + m - new_m)[..., None] * C + np.exp(i - new_m)[..., None] * k[..., :, None] * k[..., None, :]
        return np.matvec(C, self.query(x)), C, new_m


class Irregular(Cell):
    dt: Array = feed(default=1.0)
    rate: Array = param("hidden", 0.0)
    basis: Array = param(("hidden", "inputs"), nl.normal(), frozen=True)

    def step(self, x, h, dt):
        decay = np.exp(-nl.softplus(self.rate) * dt)
        h = decay * h + (1 - decay) * np.tanh(x @ self.basis.T + h)
        return h, h


class Noisy(Cell):
    drop: Array = noise(0.5)
    hold: Array = noise(0.7, per="sequence")
    new: Gate = gate(np.tanh)

    def step(self, x, h, drop, hold):
        h = hold * h + drop * self.new(x, h)
        return h, h


class LearnedStart(Cell):
    first: Array = param("hidden", 0.5)
    h: State = state(start="first")
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h)
        return h, h


class Kinks(Cell):
    """A kink in each unit, jumps in the input, and a count that a derivative cannot move."""

    new: Gate = gate(lambda a: np.maximum(a, 0.0))
    count: State = state(1)

    def step(self, x, h, count):
        h = np.where(np.mod(count, 2) < 0.5, 0.5 * h + self.new(x, h), h)
        return h + np.floor(100 * x[..., :1]), h, count + 1


class Layer(Cell):
    A: Array = param(("hidden", "inputs"), nl.normal())

    def step(self, x):
        return np.tanh(x @ self.A.T)


class Headed(Cell):
    """It takes no hidden size but a multiple of 3, and no other one than its inputs."""

    new: Gate = gate(np.tanh, W=blocks("h", 3))

    def step(self, x, h):
        h = self.new(x, h) + x
        return h, h


CELLS = [LSTM, GRU, Matrix, Irregular, Noisy, LearnedStart, Kinks, Layer, Headed, "ToyLSTM", "LSTM"]


def plain():
    """A cell class of its own for each test: no program is kept from one with a planted fault."""

    class Plain(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.new(x, h)
            return h, h

    return Plain


def failed(report):
    return {(row.what, row.over) for row in report.rows if not row.passed}


def failed_methods(report):
    return {what for what, _ in failed(report)}


# Right cells


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: getattr(kind, "__name__", kind))
def test_a_right_cell_passes_everything(kind):
    report = nl.check(kind)
    assert report.ok, str(report)
    assert not report.unread
    assert {"trace", "planned run", "recorded values", "value_and_grad", "jvp", "hvp"} <= {r.what for r in report.rows}
    assert all(row.error <= row.allowed for row in report.rows if row.what != "trace")


def test_everything_is_checked_over_lengths_resets_first_states_and_truncation():
    rows = {(row.what, row.over) for row in nl.check(plain()).rows}
    settings = {"one sequence", "a batch", "+ lengths", "+ resets", "+ initial"}
    assert {over for what, over in rows if what == "planned run"} == settings
    for method in ("value_and_grad", "jvp"):
        assert {over for what, over in rows if what == method} == settings | {"+ truncate"}
    assert ("hvp", "+ truncate") in rows
    assert ("checkpoints", "+ initial") in rows


def test_a_cell_without_states_has_nothing_to_reset_or_to_cut():
    assert {row.over for row in nl.check(Layer).rows[1:]} == {"one sequence", "a batch", "+ lengths"}


def test_the_same_seed_gives_the_same_numbers_and_another_one_others():
    kind = plain()
    assert nl.check(kind, seed=1) == nl.check(kind, seed=1)
    assert nl.check(kind, seed=1) != nl.check(kind, seed=2)


def test_sizes_are_tried_until_one_fits_unless_they_are_given():
    assert "inputs=3, hidden=3" not in nl.check(Headed).cell
    assert "inputs=6, hidden=6" in nl.check(Headed).cell
    assert "inputs=9, hidden=9" in nl.check(Headed, inputs=9, hidden=9).cell
    with pytest.raises(CellError, match="3"):
        nl.check(Headed, hidden=4)


def test_a_cell_that_is_made_is_checked_at_its_own_numbers_and_left_alone():
    cell = nl.cells.ToyLSTM(inputs=3, hidden=2, outputs=2, dtype="float32", rng=1)
    before = cell.parameters.flat.copy()
    report = nl.check(cell)
    assert report.ok, str(report)
    assert "inputs=3, hidden=2, outputs=2, dtype='float64'" in report.cell
    assert np.array_equal(cell.parameters.flat, before)
    with pytest.raises(InputError, match="give the class"):
        nl.check(cell, hidden=4)


def test_fields_are_given_by_name_in_brackets_or_as_arguments():
    assert "hidden=4, outputs=4" in nl.check("ToyLSTM(outputs=4)", time=3, batch=2).cell
    assert "hidden=4, outputs=4" in nl.check("ToyLSTM", outputs=4, time=3, batch=2).cell


def test_progress_is_told():
    told = []
    nl.check(plain(), tell=told.append)
    assert told[0] == "trace"
    assert "value_and_grad over + resets" in told


# Planted faults


def plant(monkeypatch, op, **rules):
    monkeypatch.setitem(OPS, op, attrs.evolve(OPS[op], **rules))


@pytest.mark.parametrize("wrong", [1.5, 1 + 1e-6])
def test_a_wrong_reverse_rule_is_found_and_forward_mode_is_not_blamed(monkeypatch, wrong):
    right = OPS["tanh"].reverse
    plant(monkeypatch, "tanh", reverse=lambda y, g: [wrong * part for part in right(y, g)])
    report = nl.check(plain())
    assert {over for what, over in failed(report) if what == "value_and_grad"} >= {"one sequence", "+ truncate"}
    assert "both modes agree" in failed_methods(report)
    assert not failed_methods(report) & {"trace", "planned run", "recorded values", "jvp"}
    assert "new." in next(r.where for r in report.rows if (r.what, r.over) == ("value_and_grad", "+ initial"))


@pytest.mark.parametrize("wrong", [1.5, 1 + 1e-6])
def test_a_wrong_forward_rule_is_found_and_reverse_mode_is_not_blamed(monkeypatch, wrong):
    right = OPS["tanh"].forward
    plant(monkeypatch, "tanh", forward=lambda y, tangents: wrong * right(y, tangents))
    report = nl.check(plain())
    assert {over for what, over in failed(report) if what == "jvp"} >= {"one sequence", "+ truncate"}
    assert "hvp" in failed_methods(report) or wrong < 1.1
    assert not failed_methods(report) & {"trace", "planned run", "recorded values", "value_and_grad"}


def test_a_rule_that_drops_the_derivative_is_found(monkeypatch):
    plant(monkeypatch, "tanh", reverse=lambda y, g: [None])
    assert "value_and_grad" in failed_methods(nl.check(plain()))


def test_a_product_that_is_derived_by_one_operand_only_is_found(monkeypatch):
    right = OPS["contract"].reverse
    plant(monkeypatch, "contract", reverse=lambda y, g: [right(y, g)[0], None])
    assert "value_and_grad" in failed_methods(nl.check(plain()))


def test_a_rule_that_is_right_once_and_wrong_when_it_is_derived_again_is_found(monkeypatch):
    plant(monkeypatch, "tanh", reverse=lambda y, g: [g * (1.0 - apply("stop", y * y))])
    report = nl.check(plain())
    assert failed(report) == {("hvp", "one sequence"), ("hvp", "+ initial"), ("hvp", "+ truncate")}


def test_a_rule_that_raises_is_a_row_that_failed_and_the_others_are_still_there(monkeypatch):
    plant(monkeypatch, "tanh", reverse=lambda y, g: 1 // 0)
    report = nl.check(plain())
    row = next(row for row in report.rows if row.what == "value_and_grad")
    assert (row.passed, row.error) == (False, None)
    assert "ZeroDivisionError" in row.reason
    assert len([line for line in report.verdict().splitlines() if "ZeroDivisionError" in line]) == 1
    assert not failed_methods(report) & {"planned run", "jvp"}


def test_a_wrong_meaning_of_an_operation_is_found(monkeypatch):
    plant(monkeypatch, "tanh", numpy="np.sin")
    assert {"planned run", "recorded values"} <= failed_methods(nl.check(plain()))


def test_a_reset_that_is_forgotten_is_found_where_there_are_resets(monkeypatch):
    monkeypatch.setattr(of_run, "_restarts", lambda part, batch: None)
    assert {over for what, over in failed(nl.check(plain())) if what in ("planned run", "jvp")} == {
        *("+ resets", "+ initial", "+ truncate")
    }


def test_a_truncation_that_is_forgotten_is_found(monkeypatch):
    monkeypatch.setattr(of_run, "_cuts", lambda part, batch: None)
    assert failed(nl.check(plain())) == {(what, "+ truncate") for what in ("value_and_grad", "jvp", "hvp")}


def test_a_step_that_runs_otherwise_than_it_is_traced_is_found():
    class Cheat(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            h = self.new(x, h)
            if type(h) is np.ndarray:
                h = h * 1.000001
            return h, h

    report = nl.check(Cheat)
    assert {(what, over) for what, over in failed(report) if what == "planned run"} == {
        ("planned run", over) for over in ("one sequence", "a batch", "+ lengths", "+ resets", "+ initial")
    }


def test_a_value_that_is_recorded_otherwise_than_it_is_traced_is_found():
    class Cheat(Cell):
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            seen = 2.0 * h
            if type(h) is not np.ndarray:
                seen = 3.0 * h
            h = self.new(x, h) + 0.0 * seen
            return h, h

    report = nl.check(Cheat)
    assert failed(report) == {("recorded values", "+ initial")}
    assert next(row.where for row in report.rows if not row.passed) == "seen"


def test_a_step_in_which_no_difference_settles_fails_and_says_so():
    class Stairs(Cell):
        def step(self, x):
            return np.floor(x * 1e7) / 1e7

    report = nl.check(Stairs)
    assert ("jvp", "a batch") in failed(report)
    assert all("no difference can be trusted" in row.reason for row in report.rows if not row.passed)
    assert "no difference can be trusted" in str(report)


def test_an_output_that_is_not_finite_anywhere_is_said_to_be():
    class Nowhere(Cell):
        def step(self, x):
            return np.log(np.tanh(x) - 2)

    report = nl.check(Nowhere)
    assert not report.ok
    assert "not finite" in report.rows[-1].reason
    assert json.loads(json.dumps(report.facts(), allow_nan=False))["rows"][-1]["error"] is None


# Parameters that nothing reads


def test_parameters_that_the_step_does_not_read_are_named_with_what_to_write():
    class Unread(Cell):
        old: Gate = gate(np.tanh)
        gain: Array = param("hidden", 1.0)
        new: Gate = gate(np.tanh, P=diagonal("h"))

        def step(self, x, h):
            h = np.tanh(x @ self.new.U.T + h @ self.new.W.T + self.new.b)
            return h, h

    report = nl.check(Unread)
    assert report.ok, str(report)
    assert report.unread == ("old.U", "old.W", "old.b", "gain", "new.P")
    for word in ("`old = absent`", "`gain = absent`", "new: Gate = gate(...)` without P"):
        assert word in report.advice
    assert report.advice in str(report)


# What is no result of a check but an error


def test_what_cannot_be_traced_or_run_is_raised():
    class Branching(Cell):
        def step(self, x, h):
            h = h + 1.0 if x[..., 0] > 0 else h
            return h, h

    class Random(Cell):
        def step(self, x, h):
            h = h + np.random.default_rng().normal()
            return h, h

    class Mixing(Cell):
        A: Array = param(("hidden", "hidden"), nl.normal())

        def step(self, x, h):
            if type(x) is np.ndarray and x.ndim == 2:
                h = h[::-1]
            h = np.tanh(h + x[..., :1])
            return h, h

    class Misspelt(Cell):
        def step(self, x, h):
            return self.nwe(x, h), h

    with pytest.raises(BranchError, match=r"np\.where"):
        nl.check(Branching)
    with pytest.raises(RandomError):
        nl.check(Random)
    with pytest.raises(CellError, match="mixes the examples"):
        nl.check(Mixing)
    with pytest.raises(AttributeError, match="nwe"):
        nl.check(Misspelt)


def test_what_is_no_cell_is_refused():
    with pytest.raises(InputError, match=r"model.cells\[0\]"):
        nl.check(nl.Sequence(LSTM(inputs=2, hidden=3)))
    with pytest.raises(UnknownNameError, match="did you mean 'ToyLSTM'"):
        nl.check("ToyLTSM")
    with pytest.raises(InputError, match="3 steps"):
        nl.check(LSTM, time=2)


# Differences


def only(at, allowed=1e-7):
    (found,) = differences(lambda s: [np.array([at(s)])], allowed)
    return found


def test_a_difference_of_something_smooth_is_close_and_knows_it():
    found = only(lambda s: np.exp(np.sin(3 * s)))
    assert abs(found.value[0] - 3) < 1e-8
    assert abs(found.value[0] - 3) <= found.doubt < 1e-7


@pytest.mark.parametrize("place", [3e-3, 2e-4, 2e-5])
def test_a_kink_nearby_is_passed_by_smaller_steps(place):
    found = only(lambda s: np.sin(s) + 5 * np.abs(s - place))
    assert abs(found.value[0] + 4) <= found.doubt < 1e-7


def test_a_jump_is_doubted():
    assert only(lambda s: float(s > 0) + s).doubt > 0.1
    assert only(lambda s: np.nan).doubt == np.inf


# The command


CELL = """
import numpy as np
from nanolstm import Cell, Gate, gate

class Leaky(Cell):
    leak: float = 0.5
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = (1 - self.leak) * h + self.leak * self.new(x, h)
        return h, h

class Cheat(Leaky):
    def step(self, x, h):
        h = self.new(x, h) * (2.0 if type(x) is np.ndarray else 1.0)
        return h, h

class Idle(Leaky):
    def step(self, x, h):
        return x, 0.5 * h

class Branching(Leaky):
    def step(self, x, h):
        if x[..., 0] > 0:
            return h, h
        return h, h

class Misspelt(Leaky):
    def step(self, x, h):
        return h, self.nwe(x, h)
"""


@pytest.fixture
def nanolstm(monkeypatch, tmp_path, capsys):
    """Runs the program here, in a folder with the cells above and a fresh house of plugins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "mine.py").write_text(CELL)

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


def test_the_command_prints_a_row_with_a_tick_for_everything(nanolstm):
    done = nanolstm("check", "ToyLSTM")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert len(rows) == len(nl.check("ToyLSTM").rows)
    assert all(row.startswith(("│ ✓ ", "│ ok ")) for row in rows)
    assert re.search(r"value_and_grad +│ \+ resets +│ \d\.\de-\d\d │ 1\.0e-07 │", done.stdout)
    assert done.stdout.splitlines()[0].startswith("ToyLSTM(inputs=")
    assert done.stdout.splitlines()[-1] == f"All {len(rows)} checks passed."


def test_the_command_ends_with_1_and_crosses_where_something_is_wrong(nanolstm):
    done = nanolstm("check", "mine:Cheat")
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search(r"│ (✗|FAILED) +│ planned run +│ one sequence", done.stdout)
    assert re.search(r"│ (✓|ok) +│ trace ", done.stdout)
    assert re.fullmatch(r"\d+ of \d+ checks failed\.", done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "word", ["mine:Leaky(leak=0.25)", "mine.py:Leaky(leak=0.25)", "deeper/my-own.py:Leaky(leak=0.25)"]
)
def test_a_cell_is_found_by_module_or_file_with_its_fields_in_brackets(nanolstm, tmp_path, word):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "my-own.py").write_text("from beside import *\n")
    (tmp_path / "deeper" / "beside.py").write_text(CELL)
    done = nanolstm("check", word, "--inputs", 3, "--hidden", 2, "--seed", 4, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["cell"] == "Leaky(inputs=3, hidden=2, leak=0.25, dtype='float64')"
    assert facts["ok"] is True
    assert {"what", "over", "error", "allowed", "passed", "where", "reason"} == set(facts["rows"][0])


def test_of_two_files_of_one_name_the_one_that_was_named_is_checked(nanolstm, tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "mine.py").write_text(CELL.replace("leak: float = 0.5", "leak: float = 0.125"))
    assert json.loads(nanolstm("check", "mine.py:Leaky", "--json").stdout)["cell"].count("leak=0.5")
    assert json.loads(nanolstm("check", "deeper/mine.py:Leaky", "--json").stdout)["cell"].count("leak=0.125")


def test_the_command_says_what_to_do_about_parameters_that_are_not_read(nanolstm):
    done = nanolstm("check", "mine:Idle")
    assert done.returncode == 0
    assert "No step reads new.U, new.W, new.b" in done.stdout
    assert "`new = absent`" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "texts"),
    [
        (("check",), 2, ["cell"]),
        (("check", "ToyLTSM"), 2, ["did you mean 'ToyLSTM'?"]),
        (("check", "mine:Leeky"), 2, ["has no 'Leeky'; did you mean 'Leaky'?"]),
        (("check", "no/such.py:Leaky"), 2, ["there is no file", "such.py"]),
        (("check", "nowhere:Leaky"), 2, ["module 'nowhere' cannot be imported"]),
        (("check", "mine:Leaky(laek=1)"), 2, ["no field 'laek'", "'leak'"]),
        (("check", "mine:Leaky", "--hidden", "0"), 2, ["hidden"]),
        (("check", "mine:Leaky", "--field", "leak=1"), 2, ["--field"]),
        (("check", "mine:Misspelt"), 1, ["Misspelt has no 'nwe'", "'new'"]),
        (("check", "mine:Branching"), 1, ["mine.py:24", "if x[..., 0] > 0:", "np.where(condition, this, that)"]),
    ],
)
def test_an_error_is_one_line_that_says_what_to_write(nanolstm, words, status, texts):
    done = nanolstm(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("nanolstm: ")
    assert len(done.stderr.splitlines()) == 1
    for text in texts:
        assert text in done.stderr


def test_where_a_tick_cannot_be_written_words_stand_in_its_place(tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "nanolstm.cli", "check", "ToyLSTM"],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "120", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        encoding="ascii",
        check=True,
    )
    assert "| ok | trace" in done.stdout
    assert done.stderr == ""
