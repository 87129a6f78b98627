"""Cells beside each other: equally many parameters, the same task, several seeds, and what can be said of it."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

import nanolstm as nl
from nanolstm.errors import CellError, CheckpointMismatchError, InputError, UnknownNameError
from nanolstm.sweeping.comparison import Comparison
from nanolstm.sweeping.equal import nearest_size
from nanolstm.sweeping.ranking import chances, smallest_chance

TASK = "adding(n=20, length=5)"
SMALL = {"parameters": 60, "seeds": 2, "epochs": 2, "progress": False}
X = np.random.default_rng(0).uniform(size=(12, 8, 2))


class Heads(nl.Cell):
    """A cell whose heads have to divide its size."""

    new: nl.Gate = nl.gate(np.tanh)

    def initialise(self, rng):
        if self.hidden % 3:
            raise CellError(f"3 heads do not divide {self.hidden}")

    def step(self, x, h):
        h = self.new(x, h)
        return h, h


def count(make, hidden):
    return nl.Sequence(make(inputs=2, hidden=hidden), readout=1).parameters.count


@pytest.mark.parametrize("wanted", [1, 40, 300, 1000, 2037])
@pytest.mark.parametrize("make", [nl.cells.LSTM, nl.cells.ToyLSTM], ids=["LSTM", "ToyLSTM"])
def test_the_size_is_that_whose_number_of_parameters_is_nearest_of_all(make, wanted):
    off = {hidden: abs(count(make, hidden) - wanted) for hidden in range(1, 40)}
    found = nearest_size(lambda hidden: count(make, hidden), wanted)
    assert off[found] == min(off.values())
    step = count(make, found + 1) - count(make, found)
    assert off[found] <= step / 2 or found == 1


def test_sizes_that_a_cell_cannot_have_are_passed_over():
    sizes = {wanted: nearest_size(lambda hidden: count(Heads, hidden), wanted) for wanted in range(1, 400, 7)}
    allowed = {hidden: count(Heads, hidden) for hidden in range(3, 60, 3)}
    for wanted, found in sizes.items():
        assert abs(allowed[found] - wanted) == min(abs(number - wanted) for number in allowed.values())


def test_a_cell_that_can_have_no_size_says_why():
    def broken(**given):
        raise CellError("never")

    with pytest.raises(InputError, match="cell 'broken' cannot be made with any hidden size from 1 to 64: never"):
        nl.compare(broken, TASK, **SMALL)


def test_a_cell_of_one_parameter_for_each_unit_ends_the_search():
    assert nearest_size(lambda hidden: hidden, 500) == 500
    assert nearest_size(lambda hidden: 7, 500) in range(1, 1024)


@pytest.fixture(scope="module")
def compared():
    return nl.compare({"lstm": nl.cells.LSTM, "toy": "ToyLSTM"}, TASK, **SMALL | {"seeds": 3})


def test_each_cell_has_the_parameters_that_were_asked_for_within_half_a_unit(compared):
    for name, make in (("lstm", nl.cells.LSTM), ("toy", nl.cells.ToyLSTM)):
        row = compared.table.loc[name]
        assert row["parameters"] == count(make, int(row["hidden"]))
        assert abs(row["parameters"] - 60) <= (count(make, int(row["hidden"]) + 1) - row["parameters"]) / 2


def test_the_score_is_the_median_of_trainings_done_by_hand_and_the_best_comes_first(compared):
    data = nl.load_data("tasks", "adding", options={"n": 20, "length": 5})
    scores = []
    for seed in range(3):
        hidden = int(compared.table.loc["lstm", "hidden"])
        model = nl.Sequence(nl.cells.LSTM(inputs=2, hidden=hidden, rng=seed), readout=1)
        run = nl.fit(model, data, loss="mse", validation=0.2, epochs=2, steps="last", rng=seed)
        scores.append(run.best_score)
        curve = compared.curves.query("cell == 'lstm' and seed == @seed")
        np.testing.assert_array_equal(curve["validation_mse"], run.history["validation_loss"])
        np.testing.assert_array_equal(curve["epoch"], [1, 2])
    row = compared.table.loc["lstm"]
    assert (row["score"], row["low"], row["high"]) == (sorted(scores)[1], min(scores), max(scores))
    np.testing.assert_allclose([row["mean"], row["std"]], [np.mean(scores), np.std(scores, ddof=1)], rtol=1e-12)
    assert compared.table["score"].is_monotonic_increasing


def test_any_number_of_jobs_gives_the_same_bits(compared):
    again = nl.compare({"lstm": nl.cells.LSTM, "toy": "ToyLSTM"}, TASK, **SMALL | {"seeds": 3}, n_jobs=2)
    timed = ["step_seconds"]
    pd.testing.assert_frame_equal(again.table.drop(columns=timed), compared.table.drop(columns=timed), check_exact=True)
    pd.testing.assert_frame_equal(
        again.curves.drop(columns="seconds"), compared.curves.drop(columns="seconds"), check_exact=True
    )


def test_printed_it_is_a_table_and_what_it_comes_to(compared):
    text = str(compared)
    for name in ("lstm", "toy"):
        row = compared.table.loc[name]
        line = next(line for line in text.splitlines() if f"│ {name} " in line)
        shown = [word for word in line.split() if word != "│"]
        assert shown[:3] == [name, f"{row['hidden']:.0f}", f"{row['parameters']:.0f}"]
        assert shown[3:6] == [f"{row[which]:.4g}" for which in ("score", "low", "high")]
    assert compared.verdict() in " ".join(text.split())


def test_what_is_finished_is_not_trained_again_and_more_seeds_may_come(tmp_path):
    made, file = [], tmp_path / "compare.json"

    def counted(**given):
        made.append(given["rng"])
        return nl.cells.ToyLSTM(**given)

    first = nl.compare({"toy": counted}, TASK, **SMALL, file=file)
    before = made.count(1)
    more = nl.compare({"toy": counted}, TASK, **SMALL | {"seeds": 3}, file=file)
    assert made.count(1) == before
    pd.testing.assert_frame_equal(more.members[:2], first.members, check_exact=True)
    pd.testing.assert_frame_equal(more.curves.query("seed < 2"), first.curves, check_exact=True)
    with pytest.raises(CheckpointMismatchError, match="option 'epochs': 2 then, 3 now"):
        nl.compare({"toy": counted}, TASK, **SMALL | {"epochs": 3}, file=file)


def test_rows_without_their_history_are_trained_again_when_it_is_asked_for(tmp_path):
    file, what = tmp_path / "sweep.json", {"cells": "ToyLSTM", "sizes": 2, "epochs": 2}
    without = nl.sweep({"sum": (X, X.sum(axis=2))}, **what, file=file)
    assert "history" not in without
    table = nl.sweep({"sum": (X, X.sum(axis=2))}, **what, file=file, histories=True)
    assert len(json.loads(file.read_text())["rows"][0]["history"]["loss"]) == 2
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=2, rng=0), readout=1)
    run = nl.fit(model, (X, X.sum(axis=2)), metrics="mse", validation=0.2, epochs=2, rng=0)
    pd.testing.assert_frame_equal(
        table["history"][0].drop(columns="seconds"), run.history.drop(columns="seconds"), check_exact=True
    )


def test_a_sweep_takes_sizes_by_cell():
    series = {"sum": (X, X.sum(axis=2))}
    table = nl.sweep(series, cells=["LSTM", "ToyLSTM"], sizes={"ToyLSTM": [2, 3], "LSTM": 4}, epochs=1)
    assert [*zip(table["cell"], table["size"], strict=True)] == [("LSTM", 4), ("ToyLSTM", 2), ("ToyLSTM", 3)]
    for row in table.to_dict("records"):
        model = nl.Sequence(getattr(nl.cells, row["cell"])(inputs=2, hidden=row["size"]), readout=1)
        assert row["parameters"] == model.parameters.count
    with pytest.raises(InputError, match="sizes has the keys LSTM; the cells are LSTM, ToyLSTM"):
        nl.sweep(series, cells=["LSTM", "ToyLSTM"], sizes={"LSTM": 4}, epochs=1)


def test_a_failed_training_is_told_and_the_others_go_on():
    def fails(**given):
        if given["rng"] == 1:
            raise MemoryError("not enough")
        return nl.cells.ToyLSTM(**given)

    def always(**given):
        if given["rng"] != 0:
            raise MemoryError("never enough")
        return nl.cells.ToyLSTM(**given)

    compared = nl.compare({"fails": fails, "good": nl.cells.LSTM}, TASK, **SMALL)
    row = compared.table.loc["fails"]
    assert (row["seeds"], row["failed"]) == (1, 1)
    assert row["score"] == compared.members.query("cell == 'fails' and seed == 0")["score"].item()
    assert "fails, seed 1: MemoryError: not enough" in str(compared)
    assert "1 of 4 trainings failed" in str(compared)
    nothing = nl.compare({"always": always}, TASK, **SMALL | {"seeds": [1, 2]})
    assert nothing.verdict() == "No training ended well."
    with pytest.raises(InputError, match="no training ended well"):
        nothing.plot()


def test_classes_are_scored_by_their_cross_entropy_or_by_their_accuracy_from_the_largest_down():
    task, cells = "temporal_order(n=30, length=10)", ["LSTM", "ToyLSTM"]
    entropy = nl.compare(cells, task, **SMALL)
    assert str(entropy.metric) == "cross_entropy"
    hidden = int(entropy.table.loc["LSTM", "hidden"])
    model = nl.Sequence(nl.cells.LSTM(inputs=8, hidden=hidden), readout=4)
    assert entropy.table.loc["LSTM", "parameters"] == model.parameters.count
    accuracy = nl.compare(cells, task, **SMALL, metric="accuracy")
    assert accuracy.table["score"].is_monotonic_decreasing
    assert accuracy.table["high"].between(0, 1).all()


def test_data_may_be_given_in_the_forms_of_fit():
    for data in ((X, X.sum(axis=2)), {"x": X, "target": X.sum(axis=2)}, (X, X.sum(axis=(1, 2))[:, None])):
        assert nl.compare("ToyLSTM", data, **SMALL | {"seeds": [7]}).table["seeds"].item() == 1


@pytest.mark.parametrize(
    ("cells", "task", "wrong", "kind", "says"),
    [
        ("ToyLTSM", TASK, {}, UnknownNameError, "did you mean 'ToyLSTM'"),
        ("LSTM", "addding", {}, UnknownNameError, "did you mean 'adding'.*Nor is it one of the sources: files"),
        ("LSTM", "sample", {}, InputError, "a series over time"),
        ("LSTM", TASK, {"parameters": 0}, InputError, "parameters=0"),
        ("LSTM", TASK, {"seeds": 0}, InputError, "seeds=0"),
        ("LSTM", TASK, {"optimizer": "adm"}, UnknownNameError, "did you mean 'adam'"),
        ("LSTM", TASK, {"schedule": "cosin"}, UnknownNameError, "did you mean 'cosine'"),
        ("LSTM", TASK, {"metric": "acuracy"}, UnknownNameError, "did you mean 'accuracy'"),
        ("LSTM", TASK, {"file": "nowhere/a.json"}, nl.errors.StoreError, "there is no folder nowhere"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_is_trained(cells, task, wrong, kind, says):
    with pytest.raises(kind, match=says):
        nl.compare(cells, task, **SMALL | wrong)


def of_scores(higher_is_better=False, **scores):
    """A comparison in which the trainings of each cell have these scores."""
    rows = [
        {
            "series": "task",
            "cell": cell,
            "size": 3,
            "loss": "mse",
            "seed": seed,
            "parameters": 10,
            "score": score,
            "best_epoch": 1,
            "step_seconds": 0.001,
            "error": "",
            "history": pd.DataFrame({"epoch": [1], "validation_mse": [score]}).set_index("epoch"),
        }
        for cell, values in scores.items()
        for seed, score in enumerate(values)
    ]
    metric = nl.Loss(name="mse", function=np.mean, higher_is_better=higher_is_better)
    return Comparison.of(pd.DataFrame(rows), task="task", metric=metric, wanted=10)


def test_a_difference_is_called_one_only_where_the_order_of_scores_is_unlikely_by_chance():
    compared = of_scores(a=[1, 2, 3, 4, 5], b=[2.1, 3.1, 4.1, 5.1, 6.1], c=[11, 12, 13, 14, 15])
    assert [*compared.table.index] == ["a", "b", "c"]
    exact = {
        cell: mannwhitneyu([1, 2, 3, 4, 5], other, method="exact").pvalue
        for cell, other in (("b", [2.1, 3.1, 4.1, 5.1, 6.1]), ("c", [11, 12, 13, 14, 15]))
    }
    np.testing.assert_allclose(compared.table["p"], [np.nan, exact["b"], 2 * exact["c"]])
    assert "a has the best median mse. It differs from c (p = 0.016) by more than chance" in compared.verdict()
    assert f"Its difference from b (p = {exact['b']:.2g}) lies within the spread over seeds." in compared.verdict()
    assert [*of_scores(True, a=[1, 2, 3], b=[4, 5, 6]).table.index] == ["b", "a"]


def test_few_seeds_are_said_to_be_few():
    assert "One seed says nothing of the spread" in of_scores(a=[1], b=[2]).verdict()
    assert "So few seeds cannot tell 2 cells apart" in of_scores(a=[1, 2, 3], b=[4, 5, 6]).verdict()
    assert "by more than chance explains" in of_scores(a=[1, 2, 3, 4], b=[5, 6, 7, 8]).verdict()


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 5])
def test_the_smallest_chance_is_that_of_scores_that_do_not_overlap(seeds):
    first, last = [*range(seeds)], [*range(10, 10 + seeds)]
    orders = [*itertools.combinations(range(2 * seeds), seeds)]  # each as likely as another: two of them do not overlap
    assert smallest_chance(seeds, 1) == pytest.approx(2 / len(orders))
    assert chances(first, [last]) == pytest.approx([2 / len(orders)])
