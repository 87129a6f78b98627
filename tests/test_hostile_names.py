"""Names out of files and from plugins that might be taken for code, markup or mathematics: shown as they are."""

import builtins
import csv
import json

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, cli, gate, hookimpl, plugins
from nanolstm.errors import UnknownNameError
from nanolstm.plugins import PluginHouse
from nanolstm.store import archive

CALL = "ran_as_code()"

HOSTILE = {
    "quotes": f'A""" + {CALL} + """',
    "quotes and lines": f'A"""\n    {CALL}\n    """',
    "statements": f'A"""; {CALL}; """',
    "single quotes": f"A' + {CALL} + '",
    "a line": f"A\n{CALL}\n#",
    "a line separator": f"A\u2028{CALL}",
    "a backslash": "A\\",
    "braces": f"A{{{CALL}}}{{rows}}%s",
    "markup": "[/x]",
    "mathematics": "$A_{$ $",
    "a link": "[link=example]A[/link]",
}
"""Where a name is a column of a file, a class, a gate."""

WORDS = ['A"""', "A\\", "A'", "A{rows}%s", "A#", "[/x]", "$A_{$$", "L" * 300]
"""Where a name has neither spaces nor brackets."""

FORWARD, TRAINED = ("--no-train", "--protocol", "honest"), ("--epochs", "1", "--context", "3")

X = np.random.default_rng(0).normal(size=(3, 4, 2))
TARGET = np.random.default_rng(1).normal(size=(3, 4, 2))


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """A list that stays empty as long as no name is taken for code."""
    calls = []
    monkeypatch.setattr(builtins, "ran_as_code", lambda: calls.append(1) or "", raising=False)
    yield calls
    assert calls == [], "a name was run as code"


@pytest.fixture
def house(monkeypatch):
    """Plugins of this test alone."""
    own = PluginHouse()
    monkeypatch.setattr(plugins, "shared", own)
    return own


@pytest.fixture
def facts(monkeypatch, tmp_path, capsys):
    """Runs the program on a file of two columns of these names: what it says in JSON, and on a screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")

    def run(first, second, *words):
        with (tmp_path / "data.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["time", first, second])
            rows.writerows([f"2024-01-{day:02}", day * day % 7, day * 5 % 9] for day in range(1, 29))
        told = ("--source", "files", "--features", f"{first},{second}", "--target", second, *words)
        assert cli.main(["run", "data.csv", *told, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert cli.main(["run", "data.csv", *told]) == 0
        return found, capsys.readouterr().out

    return run


def without_names(facts, *names):
    text = json.dumps(facts)
    for name in names:
        text = text.replace(json.dumps(name)[1:-1], "NAME")
    return text


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("how", [FORWARD, TRAINED], ids=["forward", "trained"])
def test_the_names_of_columns_are_inert(name, how, facts):
    (found, shown), (plain, _) = facts(name, f"{name}2", *how), facts("Aplain", "Bplain", *how)
    for one in (found, plain):
        for run in one.get("training", []):
            run.pop("why", None)
    assert without_names(found, f"{name}2", name) == without_names(plain, "Aplain", "Bplain")
    if name.isprintable():
        assert name in shown


def test_the_name_of_a_column_is_no_mathematics_in_a_picture(facts, tmp_path):
    facts("A", HOSTILE["mathematics"], *TRAINED, "--plot", str(tmp_path / "picture.svg"))
    assert (tmp_path / "picture.svg").stat().st_size > 1000


def with_gate(name, kind="Plain"):
    def step(self, x, h):
        h = getattr(self, name)(x, h)
        return h, h

    return type(
        kind, (Cell,), {"__annotations__": {name: Gate}, name: gate(np.tanh), "step": step, "__module__": __name__}
    )


@pytest.mark.parametrize("name", ["[/x]", "[bold]A", "$A_{$"])
def test_the_name_of_a_gate_is_shown_as_it_is(name, facts, house):
    class Plugin:
        @hookimpl
        def nanolstm_register_cells(self, register):
            register("Odd", with_gate(name))

    house.register(Plugin())
    _, shown = facts("A", "B", *FORWARD, "--cell", "Odd")
    assert name in shown


@pytest.mark.parametrize("name", [name for name in HOSTILE.values() if name.isprintable()])
def test_the_names_in_the_file_of_a_model_are_inert(name, tmp_path):
    kind = with_gate(name, name)
    model = nl.Sequence(kind(inputs=2, hidden=2, rng=0), backend="numpy")
    nl.save(model, tmp_path / "model")
    loaded = nl.load(tmp_path / "model", cells=[kind])
    value, gradients = loaded.value_and_grad(X, TARGET)
    wanted, others = model.value_and_grad(X, TARGET)
    assert value == wanted
    assert [*gradients] == [*others] == [f"{name}.{weight}" for weight in "UWb"]
    with pytest.raises(UnknownNameError, match="is not registered"):
        nl.load(tmp_path / "model")


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("field", ["class", "module"])
def test_a_file_that_names_code_makes_nobody_run_it(field, name, tmp_path):
    kind = with_gate("new")
    nl.save(nl.Sequence(kind(inputs=2, hidden=2, rng=0)), tmp_path / "model")
    held = archive.read(tmp_path / "model", kind="model")
    held.description["cells"][0][field] = name
    archive.write(tmp_path / "made up", held.arrays, held.description, kind="model")
    with pytest.raises(UnknownNameError, match="is not registered"):
        nl.load(tmp_path / "made up")


@pytest.mark.parametrize("name", WORDS)
def test_the_names_of_a_plugin_and_its_loss_are_inert(name, house, capsys):
    class Plugin:
        @hookimpl
        def nanolstm_register_losses(self, register):
            register(name, lambda prediction, target, word="": np.mean(np.square(prediction - target)))

    house.register(Plugin(), name)
    model = nl.Sequence(nl.cells.Elman(inputs=2, hidden=2, rng=0), backend="numpy")
    wanted, _ = model.value_and_grad(X, TARGET, loss="mse")
    for text in (name, f"{name}(word={HOSTILE['quotes']!r})", f"{name}(word={HOSTILE['statements']!r})"):
        assert model.value_and_grad(X, TARGET, loss=text)[0] == wanted
    assert cli.main(["plugins"]) == cli.main(["losses"]) == 0
    assert name[:9] in capsys.readouterr().out
