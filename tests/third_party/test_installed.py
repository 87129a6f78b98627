"""A plugin that somebody else distributes, installed and used."""

import json
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "nanolstm-warehouse"
RUN = ("run", "bolts", "--source", "warehouse", "--features", "level,sold", "--target", "level")


def test_it_is_listed_with_its_distribution_its_version_its_hooks_and_what_it_registered(fresh, tmp_path):
    plugins, said = fresh.json("plugins", cwd=tmp_path)
    ours = {plugin["name"]: plugin for plugin in plugins}
    ours_alone = {"files", "losses", "sample", "scalers", "tasks", "training", "yfinance", "zoo"}
    assert set(ours) == {*ours_alone, "warehouse"}
    assert {plugin["distribution"] for name, plugin in ours.items() if name != "warehouse"} == {"nanolstm"}
    warehouse = ours["warehouse"]
    assert (warehouse["distribution"], warehouse["version"]) == ("nanolstm-warehouse", "0.3.1")
    assert (warehouse["status"], warehouse["reason"]) == ("on", None)
    assert warehouse["hooks"] == [
        "nanolstm_load_data",
        "nanolstm_register_cells",
        "nanolstm_register_commands",
        "nanolstm_register_losses",
        "nanolstm_register_sources",
    ]
    registered = {kind: names for kind, names in warehouse["registered"].items() if kind != "commands"}
    assert registered == {"sources": ["warehouse"], "losses": ["shortage"], "cells": ["Shelf"]}
    assert said == ""


@pytest.mark.parametrize(
    ("listing", "name", "about"),
    [
        ("sources", "warehouse", "Daily stock levels of an article: bolts or nuts."),
        ("losses", "shortage", "Mean cost of a wrong forecast, where each missing piece costs `price` times what a "),
        ("cells", "Shelf", "A leaky shelf: h = f * h + (1 - f) * new."),
    ],
)
def test_what_it_brings_is_listed_beside_ours_with_its_first_line(fresh, tmp_path, listing, name, about):
    rows, _ = fresh.json(listing, cwd=tmp_path)
    (row,) = [row for row in rows if row["name"] == name]
    assert row["plugin"] == "warehouse"
    assert row["about"].startswith(about)
    assert len(rows) > 1


def test_a_run_uses_its_source_its_loss_and_its_cell(fresh, tmp_path):
    chosen = ("--loss", "shortage(price=5)", "--cell", "Shelf(outputs=1)")
    facts, said = fresh.json(*RUN, "--no-train", *chosen, cwd=tmp_path)
    assert facts["data"]["source"] == "warehouse"
    assert facts["data"]["rows"] == 1461
    assert facts["loss"] == "shortage(price=5)"
    assert facts["model"]["cell"][0].startswith("Shelf(")
    assert facts["model"]["groups"]["show"]["shapes"] == {"W": [1, 3], "b": [1]}
    assert set(facts["scores"]) == {"model", "persistence", "mean"}
    assert said == ""


def test_its_parameters_are_checked_as_ours_are(fresh, tmp_path):
    done = fresh.nanolstm(*RUN, "--loss", "shortage(prise=5)", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "nanolstm: loss 'shortage' has no parameter 'prise'; did you mean 'price'? parameters: price\n"
    )
    done = fresh.nanolstm("run", "bolds", "--source", "warehouse", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "nanolstm: no article 'bolds'; did you mean 'bolts'? articles: bolts, nuts\n"


def test_its_command_is_one_of_the_programs_and_its_wrapper_sees_every_load(fresh, tmp_path):
    ledger = tmp_path / "ledger"
    done = fresh.nanolstm("stocktaking", "nuts", cwd=tmp_path, WAREHOUSE_LEDGER=ledger)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nuts: 500 on 2023-12-31\n", "")
    code = "import nanolstm as nl; nl.load_data('sample', end='2000-06-01'); nl.load_data('tasks(n=3)', 'adding')"
    fresh.run("-c", code, cwd=tmp_path, WAREHOUSE_LEDGER=ledger)
    assert ledger.read_text() == "warehouse nuts 1461\nsample None 64\ntasks adding 3\n"
    assert "stocktaking" in fresh.nanolstm("--help", cwd=tmp_path).stdout


def test_it_is_used_from_python_like_one_of_ours(fresh, tmp_path):
    code = """
import json
import nanolstm as nl
frame = nl.load_data("warehouse(unit=10)", "bolts", start="2022-01-01", end="2022-01-04", columns=["sold"])
cell = nl.plugins.lookup("cells", "Shelf")
from nanolstm_warehouse import ledger
print(json.dumps([frame.shape, str(frame.index[-1].date()), nl.loss("shortage").name, ledger.loads]))
"""
    done = fresh.run("-W", "error", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[3, 1], "2022-01-03", "shortage", [["warehouse", "bolts", 3]]]


def test_its_own_tests_pass_with_the_checks_that_nanolstm_offers(fresh, tmp_path):
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", PROJECT / "pyproject.toml", PROJECT / "tests")
    done = fresh.run(*words, cwd=tmp_path, PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_nothing_of_it_is_imported_for_the_help_but_its_hooks(fresh, tmp_path):
    code = """
import sys
from nanolstm.cli import main
main(["--help"])
print(sorted({"numpy", "pandas"} & {*sys.modules}), [name for name in sorted(sys.modules) if "warehouse" in name])
"""
    done = fresh.run("-c", code, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[] ['nanolstm_warehouse']"


def test_it_can_be_switched_off(fresh, tmp_path):
    for words, variables in ((("-p", "no:warehouse"), {}), ((), {"NANOLSTM_DISABLE_PLUGINS": "sample, warehouse"})):
        plugins, said = fresh.json(*words, "plugins", cwd=tmp_path, **variables)
        (warehouse,) = [plugin for plugin in plugins if plugin["name"] == "warehouse"]
        assert (warehouse["status"], warehouse["registered"], warehouse["hooks"]) == ("off", {}, [])
        assert warehouse["version"] == "0.3.1"
        assert said == ""
    done = fresh.nanolstm(*RUN, "-p", "no:warehouse", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "nanolstm: no source 'warehouse'; registered: files, sample, tasks, yfinance "
        "(plugin 'warehouse' (nanolstm-warehouse 0.3.1) is off)\n"
    )
    assert fresh.nanolstm("stocktaking", "nuts", "-p", "no:warehouse", cwd=tmp_path).returncode == 2
