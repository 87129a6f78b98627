"""Many trainings: one table, whoever works on them."""

import io
import json
import os
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import rich
from rich.console import Console

import nanolstm as nl
from nanolstm.errors import CheckpointMismatchError, DamagedFileError, ForeignFileError, InputError, UnknownNameError

X = np.random.default_rng(0).uniform(size=(12, 8, 2))
SERIES = {"sum": (X, X.sum(axis=2)), "product": (X, X.prod(axis=2, keepdims=True))}
SMALL = {"cells": "ToyLSTM", "sizes": 2, "epochs": 2}
NUMBERS = ["series", "cell", "size", "loss", "seed", "score", "best_epoch", "epochs", "stopped", "error"]


def assert_same_numbers(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one[NUMBERS], other[NUMBERS], check_exact=True)


def telling():
    """A cell that only says where it would have been trained, and on how many threads; local, so that it is copied."""

    def tell(**given):
        raise RuntimeError(f"threads {nl.get_num_threads()} of pid {os.getpid()}")

    return {"telling": tell}


def test_there_is_a_row_for_each_combination_with_the_score_of_a_training_done_by_hand():
    table = nl.sweep(
        SERIES, cells=["ToyLSTM", nl.cells.LSTM], sizes=[2, 3], losses=["mse", "mae"], seeds=[0, 1], epochs=2
    )
    assert len(table) == 2 * 2 * 2 * 2 * 2
    assert (table["error"] == "").all()
    settings = {"series": "product", "cell": "LSTM", "size": 3, "loss": "mae", "seed": 1}
    row = table[(table[list(settings)] == list(settings.values())).all(axis=1)].iloc[0]
    model = nl.Sequence(nl.cells.LSTM(inputs=2, hidden=3, rng=1), readout=1)
    run = nl.fit(model, SERIES["product"], loss="mae", metrics="mse", validation=0.2, epochs=2, rng=1)
    assert row["score"] == run.history.loc[run.best_epoch, "validation_mse"]
    held = X[-2:], SERIES["product"][1][-2:]
    np.testing.assert_allclose(row["score"], np.mean((model(held[0]) - held[1]) ** 2), rtol=1e-12)


def test_two_processes_give_the_bits_of_one():
    what = SMALL | {"sizes": [2, 3], "seeds": [0, 1]}
    alone = nl.sweep(SERIES, **what)
    assert_same_numbers(nl.sweep(SERIES, **what, n_jobs=2), alone)


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_another_backend_of_joblib_gives_the_same_bits_and_leaves_the_number_of_threads(backend):
    alone, before = nl.sweep(SERIES, **SMALL), nl.get_num_threads()
    if backend == "multiprocessing" and sys.version_info >= (3, 12):
        pytest.skip("Python warns of a fork beside threads")
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert_same_numbers(nl.sweep(SERIES, **SMALL), alone)
    assert nl.get_num_threads() == before


def test_a_dask_cluster_gives_the_same_bits():
    distributed = pytest.importorskip("distributed", reason="a cluster needs dask[distributed], of the extra compare")
    alone = nl.sweep(SERIES, **SMALL)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = set(client.run(os.getpid).values())
        with joblib.parallel_config(backend="dask"):
            table = nl.sweep(SERIES, **SMALL)
            with pytest.warns(nl.errors.SweepWarning):
                told = nl.sweep(SERIES, **SMALL | {"cells": telling()})
    assert_same_numbers(table, alone)
    assert {int(error.split("pid ")[1]) for error in told["error"]} <= pids


def test_a_failed_member_is_reported_and_the_others_go_on():
    broken = {"good": SERIES["sum"], "bad": (X, np.full(X.shape[:2], np.nan))}
    with pytest.warns(nl.errors.SweepWarning, match="1 of 2 members failed.*series bad.*not finite"):
        table = nl.sweep(broken, **SMALL, n_jobs=2)
    good, bad = table.iloc[0], table.iloc[1]
    assert good["error"] == ""
    assert np.isfinite(good["score"])
    assert "not finite" in bad["error"]
    assert np.isnan(bad["score"])
    assert bad["stopped"] == "failed"


def test_a_member_that_diverges_says_so_and_counts_its_epochs():
    with pytest.warns(nl.errors.SweepWarning):
        table = nl.sweep({"sum": SERIES["sum"]}, **SMALL, optimizer="sgd(lr=1e200)")
    assert table.loc[0, "stopped"] == "diverged"


def test_what_is_finished_is_not_trained_again(tmp_path):
    made = []

    def counted(**given):
        made.append(given["rng"])
        return nl.cells.ToyLSTM(**given)

    file, what = tmp_path / "sweep.json", {"cells": counted, "sizes": [2, 3], "epochs": 2}
    first = nl.sweep(SERIES, **what, seeds=5, file=file)
    assert made.count(5) == len(first) == 4
    more = nl.sweep(SERIES, **what, seeds=[5, 6], file=file)
    assert (made.count(5), made.count(6)) == (4, 4)
    assert_same_numbers(more[more["seed"] == 5].reset_index(drop=True), first)
    assert_same_numbers(more, nl.sweep(SERIES, **what, seeds=[5, 6]))


def test_a_failed_member_is_tried_again(tmp_path):
    file, fails = tmp_path / "sweep.json", [True]

    def make(**given):
        if fails[0] and given["hidden"] == 3:
            raise MemoryError("not now")
        return nl.cells.ToyLSTM(**given)

    what = {"cells": {"toy": make}, "sizes": [2, 3], "epochs": 2, "file": file}
    with pytest.warns(nl.errors.SweepWarning, match="MemoryError: not now"):
        first = nl.sweep({"sum": SERIES["sum"]}, **what)
    fails[0] = False
    second = nl.sweep({"sum": SERIES["sum"]}, **what)
    assert list(second["error"]) == ["", ""]
    assert second.loc[0, "seconds"] == first.loc[0, "seconds"]


KILLED = """
import os, sys, time
import numpy as np
import nanolstm as nl

class Mine(nl.cells.ToyLSTM):
    pass

def make(inputs, hidden, rng):
    if rng == 3 and sys.argv[2] == "kill":
        while not os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        os.kill(os.getpid(), 9)  # with n_jobs=2 a worker
    return Mine(inputs=inputs, hidden=hidden, rng=rng)

x = np.random.default_rng(0).uniform(size=(12, 8, 2))
table = nl.sweep({"sum": (x, x.sum(axis=2))}, cells=make, sizes=2, seeds=range(4), epochs=2,
                 file=sys.argv[1], n_jobs=int(sys.argv[3]))
print(table.to_json(double_precision=15))
"""


@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_a_sweep_of_a_cell_of_a_script_that_is_killed_goes_on_where_it_was(tmp_path, n_jobs):
    script, file = tmp_path / "script.py", tmp_path / "sweep.json"
    script.write_text(KILLED)
    killed = subprocess.run([sys.executable, script, file, "kill", n_jobs], capture_output=True)
    assert killed.returncode == (-9 if n_jobs == "1" else 1)
    kept = json.loads(file.read_text())["rows"]
    assert 1 <= len(kept) < 4
    done = subprocess.run([sys.executable, script, file, "go on", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = pd.DataFrame(json.loads(done.stdout)).sort_values("seed")
    assert {row["seed"]: row["seconds"] for row in kept}.items() <= {
        row["seed"]: row["seconds"] for row in json.loads(file.read_text())["rows"]
    }.items()
    x = np.random.default_rng(0).uniform(size=(12, 8, 2))
    whole = nl.sweep({"sum": (x, x.sum(axis=2))}, cells="ToyLSTM", sizes=2, seeds=range(4), epochs=2)
    np.testing.assert_allclose(table["score"], whole["score"], rtol=1e-12)


def test_a_file_of_other_data_cells_or_options_is_refused(tmp_path):
    file = tmp_path / "sweep.json"
    nl.sweep(SERIES, **SMALL, file=file)
    others = {name: (x + 1, y) for name, (x, y) in SERIES.items()}
    with pytest.raises(CheckpointMismatchError, match="series 'sum'"):
        nl.sweep(others, **SMALL, file=file)
    with pytest.raises(CheckpointMismatchError, match="option 'epochs': 2 then, 3 now"):
        nl.sweep(SERIES, **SMALL | {"epochs": 3}, file=file)
    with pytest.raises(CheckpointMismatchError, match="cell 'ToyLSTM'"):
        nl.sweep(SERIES, **SMALL | {"cells": {"ToyLSTM": nl.cells.LSTM}}, file=file)


def test_data_is_known_again_by_its_numbers_whatever_form_it_has(tmp_path):
    file, made = tmp_path / "sweep.json", []

    def counted(**given):
        made.append(given["rng"])
        return nl.cells.ToyLSTM(**given)

    what = {"cells": {"toy": counted}, "sizes": 2, "epochs": 1, "seeds": 7, "file": file}
    for data in (nl.SequenceData(x=X, y=X[..., :1]), (X, X[..., :1]), {"x": X, "target": X[..., :1], "lengths": None}):
        nl.sweep({"data": data}, **what)
    assert made.count(7) == 1


def test_a_file_that_is_damaged_or_foreign_is_refused(tmp_path):
    file = tmp_path / "sweep.json"
    nl.sweep(SERIES, **SMALL, file=file)
    whole = file.read_text()
    for text in (whole[:-20], whole.replace('"epochs": 2', '"epochs": 3')):
        file.write_text(text)
        with pytest.raises(DamagedFileError):
            nl.sweep(SERIES, **SMALL, file=file)
    file.write_text("{}")
    with pytest.raises(ForeignFileError):
        nl.sweep(SERIES, **SMALL, file=file)


def test_several_work_with_one_thread_each():
    with pytest.warns(nl.errors.SweepWarning):
        table = nl.sweep(SERIES, **SMALL | {"cells": telling()}, n_jobs=2)
    assert table["error"].str.contains("threads 1 of pid").all()


def test_a_bar_shows_how_far_it_is_on_a_terminal_and_nothing_is_said_elsewhere(monkeypatch, capsys):
    broken = {"good": SERIES["sum"], "bad": (X, np.full(X.shape[:2], np.nan))}
    with pytest.warns(nl.errors.SweepWarning):
        nl.sweep(broken, **SMALL)
    assert capsys.readouterr() == ("", "")
    text = io.StringIO()
    monkeypatch.setattr(rich, "_console", Console(file=text, force_terminal=True, width=120, _environ={}))
    with pytest.warns(nl.errors.SweepWarning):
        table = nl.sweep(broken, **SMALL)
    assert f"ToyLSTM 2, seed 0: {table['score'][0]:.4g}" in text.getvalue()
    assert "ToyLSTM 2, seed 0: failed; 1 failed" in text.getvalue()
    assert "2/2" in text.getvalue()
    before = text.getvalue()
    nl.sweep({"sum": SERIES["sum"]}, **SMALL, progress=False)
    assert text.getvalue() == before


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ({"sizes": 0}, InputError, "sizes=0: expected ints from 1 on"),
        ({"seeds": []}, InputError, "seeds is empty"),
        ({"seeds": [1, 1]}, InputError, "more than once"),
        ({"cells": [nl.cells.LSTM, nl.cells.LSTM]}, InputError, "two cells are called 'LSTM'"),
        ({"cells": "ToyLTSM"}, UnknownNameError, "did you mean 'ToyLSTM'"),
        ({"losses": "mes"}, UnknownNameError, "did you mean"),
        ({"epoch": 3}, UnknownNameError, "did you mean 'epochs'"),
        ({"checkpoint": "a"}, UnknownNameError, "no argument 'checkpoint'"),
        ({"validation": None}, InputError, "expected the share"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_is_trained(wrong, kind, says):
    with pytest.raises(kind, match=says):
        nl.sweep(SERIES, **SMALL | wrong)


def test_series_without_names_are_refused():
    with pytest.raises(InputError, match="expected series by name"):
        nl.sweep({"x": X, "target": X}, **SMALL)


@pytest.mark.parametrize("steps", ["all", "last"])
def test_the_readout_has_the_columns_of_loss_and_target_in_every_form_of_data(steps):
    target = X if steps == "all" else X[:, -1]
    forms = {
        "arrays": (X, target),
        "dict": {"x": X, "target": target},
        "lists": (list(X), list(target) if steps == "all" else target),
        "data": nl.SequenceData(x=X, y=target),
    }
    for loss in ("mse", "gaussian_nll"):  # one column of prediction for each of the target, and two
        table = nl.sweep(forms, **SMALL, losses=loss, score=loss, steps=steps)
        assert len(table) == 4
        assert len(set(table["score"])) == 1


def test_kernels_are_compiled_once_and_before_the_first_training(monkeypatch):
    happened = []
    monkeypatch.setenv("NANOLSTM_BACKEND", "auto")

    def compiled(model, *, loss):
        happened.append(f"compile {model.cells[0].hidden} {loss}")

    def trained(model, data, **_):
        happened.append("train")
        raise RuntimeError("not in this test")

    monkeypatch.setattr(nl.Sequence, "compile", compiled)
    monkeypatch.setattr("nanolstm.sweeping.member.fit", trained)
    with joblib.parallel_config(backend="threading", n_jobs=2), pytest.warns(nl.errors.SweepWarning):
        nl.sweep({"sum": SERIES["sum"]}, **SMALL | {"sizes": [2, 3]}, seeds=[0, 1])
    assert happened == ["compile 2 mse", "compile 3 mse", *["train"] * 4]
