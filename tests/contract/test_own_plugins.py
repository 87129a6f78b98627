"""Everything that nanolstm ships keeps the promises that it asks of other people's plugins."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import nanolstm_files.source
import nanolstm_sample.source
import nanolstm_tasks.source
from nanolstm import DataRequest, plugins
from nanolstm.cells.zoo import HOMES
from nanolstm.testing import check_cell, check_loss, check_scaler, check_source

TASKS = {
    "adding": {"n": 4, "length": 12, "min_length": 5},
    "copy": {"n": 4, "delay": 6},
    "temporal_order": {"n": 4, "length": 20},
    "mackey_glass": {"n": 2, "length": 15, "washout": 3},
    "narma10": {"n": 4, "length": 15},
    "sines": {"n": 4, "length": 15},
}
LOSSES = {
    "rmse": {},
    "mse": {},
    "mae": {},
    "huber": {},
    "huber(delta=0.1)": {},
    "smape": {},
    "quantile": {},
    "quantile(q=0.9)": {},
    "quantile(q=(0.1, 0.5, 0.9))": {},
    "gaussian_nll": {"minimum_at_target": False},
    "bce": {"between": (0.0, 1.0)},
    "bce(logits=True)": {"minimum_at_target": False},
    "cross_entropy": {"minimum_at_target": False},
}
SCALERS = ("standard", "minmax", "minmax(low=-1.0)", "robust", "robust(quantile_range=(10, 90))", "none")


@pytest.mark.parametrize(
    "window", [{}, {"start": "2005-01-01"}, {"end": "2004-01-01"}, {"start": "2012-01-03", "end": "2012-06-01"}]
)
def test_the_source_sample_keeps_its_promises(window):
    check_source(nanolstm_sample.source.load, DataRequest(source="sample", symbol="AAPL", **window), unknown="MSFT")


@pytest.mark.parametrize("name", TASKS)
def test_the_source_tasks_keeps_its_promises(name):
    check_source(
        nanolstm_tasks.source.load,
        DataRequest(source="tasks", symbol=name, options=TASKS[name]),
        unknown="addition",
    )


@pytest.mark.parametrize("zone", [None, "America/New_York"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_the_source_files_keeps_its_promises(tmp_path, suffix, zone):
    hours = pd.date_range("2024-03-20 22:00", periods=300, freq="h", tz=zone, name="time")  # no clock change in it
    frame = pd.DataFrame({"level": np.sin(np.arange(300.0)), "count": np.arange(300)}, index=hours)
    path = tmp_path / f"river{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path)
    check_source(nanolstm_files.source.load, DataRequest(source="files", symbol=str(path)), unknown="no/such/file.csv")


def test_a_file_with_gaps_keeps_its_promises_once_they_are_declared(tmp_path):
    (tmp_path / "gaps.csv").write_text("day,level\n2024-01-01,1.5\n2024-01-02,\n2024-01-03,2.5\n2024-01-04,3.5\n")
    request = DataRequest(source="files", symbol=str(tmp_path / "gaps.csv"))
    check_source(nanolstm_files.source.load, request, gaps=True)
    with pytest.raises(AssertionError, match=r"'level' has no value at 2024-01-02 \(1 of 4 rows\)"):
        check_source(nanolstm_files.source.load, request)


@pytest.mark.parametrize("name", LOSSES)
def test_each_shipped_loss_keeps_its_promises(name):
    check_loss(name, **LOSSES[name])


@pytest.mark.parametrize("name", SCALERS)
def test_each_shipped_scaler_keeps_its_promises(name):
    check_scaler(name)


@pytest.mark.parametrize("fields", [{}, {"outputs": 4}, {"inputs": 1, "hidden": 1}])
def test_the_toy_lstm_keeps_its_promises(fields):
    check_cell("ToyLSTM", **fields)


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("losses", {name.partition("(")[0] for name in LOSSES}),
        ("scalers", {name.partition("(")[0] for name in SCALERS}),
        ("sources", {"sample", "files", "tasks", "yfinance"}),  # yfinance has its own tests, with a server to ask
        ("cells", set(HOMES)),  # each of which is checked in tests/zoo
    ],
)
def test_nothing_that_is_shipped_is_left_unchecked(kind, known):
    ours = {p.name for p in plugins.listing() if p.distribution == "nanolstm"}
    registry = plugins.shared.registry(kind)
    assert {name for name in registry if registry[name].plugin.name in ours} == known


def test_the_checks_need_no_test_runner():
    code = (
        "import sys, nanolstm.testing; print(sorted({'pytest', 'hypothesis', '_pytest', 'unittest'} & {*sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
