"""The catalogue of cells, and one cell in full: from Python and from the command line."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, blocks, cli, feed, gate, hookimpl, noise, param, plugins, state
from nanolstm.cells.zoo import HOMES
from nanolstm.describing.initial import initial_value
from nanolstm.describing.portrait import portrait, source_of
from nanolstm.plugins import PluginHouse


class Kept(Cell):
    """A memory with heads.

    Reference:
        Keeper, A. and Holder, B. C. (2031). To keep. Journal of Memory 3.
    """

    heads: int = 2
    new: Gate = gate(np.tanh, W=blocks("h", "heads"), init={"*": nl.orthogonal(0.9), "b": nl.uniform(0, 1)})
    basis: nl.Array = param(("hidden", "inputs"), nl.normal(), frozen=True)
    m: nl.State = state("heads", start=-np.inf)
    dt: nl.Array = feed(default=1.0)
    hold: nl.Array = noise(0.25)

    def step(self, x, h, m, dt, hold):
        """One step."""
        h = hold * h + self.new(x, h) + (x * dt) @ self.basis.T
        m = np.maximum(m, np.max(nl.split(h, self.heads), axis=-1))
        return h, h, m


class Inherits(Kept):
    heads: int = 4

    def initialise(self, rng):
        self.parameters["new.b"][...] = 0


class Broken(Cell):
    """Has a gate that reads nothing."""

    new: Gate = gate(np.tanh, W="nothing")

    def step(self, x, h):
        return h, h


class Untraceable(Cell):
    """Takes a branch."""

    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h)
        return (h, h) if np.all(h < 2) else (x, h)


@pytest.fixture
def theirs(monkeypatch):
    """A house in which a plugin registers the cells above, and one that cannot be imported."""

    class Plugin:
        @hookimpl
        def nanolstm_register_cells(self, register):
            register("Kept", Kept)
            register("Broken", Broken)
            register("Gone", "nowhere.at_all:Gone")

    monkeypatch.setattr(plugins, "shared", PluginHouse())
    nl.plugins.register(Plugin(), "theirs")


@pytest.fixture
def nanolstm(monkeypatch, capsys):
    """Runs the program here, at a width of so many columns."""

    def run(*words, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "path", [*sys.path])
        status = cli.main([str(word) for word in words])
        return SimpleNamespace(status=status, **dict(zip(("out", "err"), capsys.readouterr(), strict=True)))

    return run


# The catalogue


def test_every_registered_cell_is_a_row_those_of_plugins_too(theirs):
    table = nl.cells.catalogue()
    assert sorted({*HOMES, "Kept", "Broken", "Gone"}) == list(table.index)
    assert table.loc["LSTM", ["parameters", "frozen", "states", "plugin"]].tolist() == [
        *("4K² + 4KM + 4K", "0", "h, c", "zoo")
    ]
    kept = table.loc["Kept"]
    assert (kept["paper"], kept["authors"], kept["year"]) == ("To keep", "Keeper and Holder", 2031)
    assert (kept["parameters"], kept["frozen"]) == ("K²/heads + KM + K", "KM")
    assert kept["where"] == "K a multiple of heads, heads = 2 unless set"
    assert (kept["states"], kept["plugin"], kept["about"]) == ("h, m", "theirs", "A memory with heads.")
    assert not table.loc[[*HOMES, "Kept"], "wrong"].any()


def test_a_cell_that_cannot_be_made_is_listed_with_the_reason(theirs):
    wrong = nl.cells.catalogue()["wrong"]
    assert "multiplies 'nothing'" in wrong["Broken"]
    assert "'nowhere.at_all' cannot be imported" in wrong["Gone"]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_listing_fits_the_screen_and_says_what_the_catalogue_says(theirs, nanolstm, columns):
    done = nanolstm("cells", columns=columns)
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= columns
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.out.splitlines() if "│" in line]
    whole, name = {}, ""
    for row in cells:  # a row that is wrapped goes on below
        name = row[0] or name
        whole[name] = [" ".join(filter(None, pair)) for pair in zip(whole.get(name, [""] * 6), row, strict=True)]
    assert whole["Kept"] == [
        *("Kept", "theirs", "Keeper and Holder" + ": To keep" * (columns == 120), "2031"),
        "K²/heads + KM + K; frozen: KM (K a multiple of heads, heads = 2 unless set)",
        "h, m",
    ]
    assert "cannot be imported" in whole["Gone"][2]
    facts = {row["name"]: row for row in json.loads(nanolstm("cells", "--json").out)}
    assert {"paper": "To keep", "year": 2031, "states": ["h", "m"]}.items() <= facts["Kept"].items()
    assert facts["LSTM"]["parameters"] == "4K² + 4KM + 4K"


# One cell in full


def test_a_portrait_has_the_shapes_and_first_values_of_every_parameter():
    shown = portrait(Kept, {}, None, None)
    assert shown.fields == {"heads": "2"}
    assert [(p.name, p.shape, p.count, p.initial, p.frozen) for p in shown.parameters] == [
        ("new.U", "(K, M)", "KM", "orthogonal(gain=0.9)", False),
        ("new.W", "(heads, K/heads, K/heads)", "K²/heads", "orthogonal(gain=0.9)", False),
        ("new.b", "(K)", "K", "uniform(low=0, high=1)", False),
        ("basis", "(K, M)", "KM", "normal()", True),
    ]
    assert [(a.name, a.what, a.shape, a.value) for a in shown.arguments] == [
        ("x", "input", "(M)", ""),
        ("h", "state", "(K)", "starts at 0"),
        ("m", "state", "(heads)", "starts at -inf"),
        ("dt", "feed", "(1)", "1 unless given"),
        ("hold", "noise", "(K)", "1 with probability 0.25, drawn anew each step"),
        ("", "output", "(K)", ""),
    ]
    assert (shown.changed, portrait(Inherits, {"heads": 2}, 4, 4).changed) == (False, True)


@pytest.mark.parametrize(("kind", "fields"), [(nl.cells.LSTM, {}), (nl.cells.ToyLSTM, {}), (Kept, {"heads": 3})])
def test_the_graph_of_any_size_is_that_of_each_size_with_letters_for_numbers(kind, fields):
    graph = portrait(kind, {}, None, None).graph
    numbers = {"K/heads": "2", "K": "6", "M": "5", **{name: str(value) for name, value in fields.items()}}
    words = re.compile(r"(?<![\w.])(K/heads|K|M|heads)(?![\w.])")
    at_this_size = words.sub(lambda found: numbers[found[0]], graph)
    assert at_this_size.split() == str(nl.trace(kind(inputs=5, hidden=6, **fields))).split()


def test_a_step_that_cannot_be_traced_is_shown_with_the_reason_in_place_of_a_graph():
    shown = portrait(Untraceable, {}, None, None)
    assert shown.trained == "K² + KM + K"
    assert "np.where" in shown.graph


def test_the_source_is_the_classes_own_without_its_docstring_and_the_step_that_it_inherits():
    source = source_of(Kept)
    assert source.startswith("class Kept(Cell):\n    heads: int = 2\n")
    assert source.endswith("        return h, h, m")
    assert "Reference" not in source
    inherited = source_of(Inherits)
    assert inherited.startswith("class Inherits(Kept):\n    heads: int = 4\n")
    assert f"# step is that of {Kept.__module__}.Kept:" in inherited
    assert "def step(self, x, h, m, dt, hold):" in inherited


def test_the_source_of_a_class_that_is_in_no_file_is_said_to_be_missing():
    names = {"__name__": "nowhere"}
    exec("import nanolstm as nl\nclass Typed(nl.Cell):\n    def step(self, x):\n        return x", names)
    shown = portrait(names["Typed"], {}, None, None)
    assert "in no file" in shown.source
    assert (shown.trained, shown.arguments[-1].shape) == ("0", "(M)")


@pytest.mark.parametrize(
    ("init", "words"),
    [
        (0.0, "0"),
        (-np.inf, "-inf"),
        (np.ones(3), "an array (3,)"),
        (nl.glorot(), "glorot()"),
        (nl.normal(0.1), "normal(std=0.1)"),
        (nl.orthogonal(), "orthogonal()"),
        (lambda rng, shape: rng.random(shape), "a function of its own"),
    ],
)
def test_an_initialiser_is_told_in_words(init, words):
    assert initial_value(init) == words


@pytest.mark.parametrize("columns", [80, 120])
def test_a_cell_is_shown_in_full_at_the_width_of_the_screen(nanolstm, columns):
    done = nanolstm("cells", "LSTM", columns=columns)
    assert (done.status, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= columns
    for text in (
        "LSTM(inputs=M, hidden=K), nanolstm.cells.lstm",
        "    c = f * c + i * g                    (K)",
        "h = self.output(x, h) * np.tanh(c)",
        "returns output = h_2, h = h_2, c = c_2",
    ):
        assert text in done.out
    assert re.search(r"forget\.W +│ \(K, K\) +│ K² +│ glorot\(\)", done.out)
    assert re.search(r"all trained +│ +│ 4K² \+ 4KM \+ 4K", done.out)
    assert re.search(r"c +│ state +│ \(K\) +│ starts at 0", done.out)


def test_a_cell_in_brackets_and_of_a_module_is_shown_too(nanolstm):
    facts = json.loads(nanolstm("cells", "ToyLSTM(outputs=3)", "--hidden", 3, "--json").out)
    assert (facts["trained"], facts["where"], facts["fields"]) == ("12M + 45", "K = 3, outputs = 3", {"outputs": "3"})
    assert facts["parameters"][6]["shape"] == "(3, M)"
    facts = json.loads(nanolstm("cells", "nanolstm.cells.lstm:LSTM", "--json").out)
    assert facts["source"].startswith("class LSTM(Cell):")


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (("cells", "LSMT"), ["no cell 'LSMT'; did you mean 'LSTM'?"]),
        (("cells", "ToyLSTM(output=1)"), ["did you mean 'outputs'?"]),
        (("cells", "--hidden", "8"), ["--hidden", "go with a cell"]),
        (("cells", "nowhere:Cell"), ["'nowhere' cannot be imported"]),
    ],
)
def test_what_is_asked_wrongly_is_said(nanolstm, words, texts):
    done = nanolstm(*words)
    assert (done.status, done.out) == (2, "")
    assert all(text in done.err for text in texts)


def test_a_screen_without_letters_for_powers_gets_signs(nanolstm, monkeypatch):
    from rich.console import Console

    monkeypatch.setattr(Console, "encoding", "ascii")
    assert "4K^2 + 4KM + 4K" in nanolstm("cells", "LSTM").out
