"""Pictures: they show the numbers that they were given, and can be read by everybody."""

import itertools
import subprocess
import sys

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

import nanolstm as nl
from nanolstm import Array, Cell, Gate, gate, param, sigmoid
from nanolstm.diagnosis import gradient_by_lag, saturation
from nanolstm.errors import InputError, UnknownNameError
from nanolstm.plot import style

RNG = np.random.default_rng(0)
SMALL = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0))
STACK = nl.Sequence(
    [nl.cells.ToyLSTM(inputs=2, hidden=9, outputs=9, rng=0), nl.cells.ToyLSTM(inputs=18, hidden=5, outputs=5, rng=1)],
    bidirectional=True,
)
X = RNG.normal(size=(2, 40, 2))


def history(epochs, names=("loss", "validation_loss", "mae", "validation_mae", "lr", "gradient_norm", "seconds")):
    falling = {name: np.geomspace(1.0, 0.01, epochs) + 0.1 * i for i, name in enumerate(names)}
    return pd.DataFrame(falling, index=pd.Index(range(1, epochs + 1), name="epoch"))


def forecasts(count, names=("model",), freq="D"):
    times = pd.date_range("2023-02-20", periods=count, freq=freq)
    level = 100 + np.cumsum(RNG.normal(size=count))
    common = {
        "time": times,
        "actual": level,
        "q0.1": level - 2,
        "q0.25": level - 1,
        "q0.75": level + 1,
        "q0.9": level + 2,
    }
    return pd.concat([pd.DataFrame({**common, "forecaster": n, "forecast": level + i}) for i, n in enumerate(names)])


def scores(steps, targets=("Adj Close",), names=("model", "persistence", "linear autoregression")):
    rows = itertools.product(targets, range(1, steps + 1), names)
    table = [{"target": t, "step": s, "forecaster": n, "n": 9, "rmse": s + len(n), "mae": 1.0} for t, s, n in rows]
    return pd.DataFrame(table).set_index(["target", "step", "forecaster"])


def curves(cells, seeds, epochs):
    rows = [
        {"cell": cell, "seed": seed, "epoch": epoch, "validation_mse": (1 + seed + i) / epoch}
        for i, cell in enumerate(cells)
        for seed in range(seeds)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows)


PICTURES = {
    "gates of a few units": lambda: nl.plot.gates(SMALL, SMALL.record(X)),
    "gates of a stack": lambda: nl.plot.gates(STACK, STACK.record(X), example=1),
    "gates over years": lambda: nl.plot.gates(
        SMALL, SMALL.record(np.zeros((900, 2))), times=pd.date_range("2019-01-31", periods=900)
    ),
    "gates over minutes": lambda: nl.plot.gates(
        SMALL, SMALL.record(X[0]), times=pd.date_range("2024-02-28 23:50", periods=40, freq="min", tz="Europe/Berlin")
    ),
    "saturation": lambda: nl.plot.saturation(SMALL, SMALL.record(X)),
    "saturation of a stack": lambda: nl.plot.saturation(STACK, STACK.record(X)),
    "lags": lambda: nl.plot.gradient_by_lag(SMALL, X),
    "one epoch": lambda: nl.plot.learning_curve(history(1)),
    "many epochs": lambda: nl.plot.learning_curve(history(2000)),
    "a loss alone": lambda: nl.plot.learning_curve({"loss": [3.0, 2.0, 1.0]}),
    "two cells": lambda: nl.plot.learning_curves(
        curves(["LSTM", "ToyLSTM"], 3, 20), "validation_mse", title="$x and $y", unit="$ of it"
    ),
    "many cells": lambda: nl.plot.learning_curves(curves([f"cell {i}" for i in range(9)], 1, 200), "validation_mse"),
    "one forecast": lambda: nl.plot.forecast(forecasts(1)),
    "ten forecasts": lambda: nl.plot.forecast(
        forecasts(10), history=forecasts(60).set_index("time")["actual"].shift(freq="-60D"), title="$x and $y", unit="$"
    ),
    "forecasters": lambda: nl.plot.forecast(forecasts(500, ("model", "persistence", "linear autoregression"))),
    "hours": lambda: nl.plot.forecast(forecasts(30, freq="h"), title="hours"),
    "one step": lambda: nl.plot.errors_by_horizon(scores(1)),
    "steps": lambda: nl.plot.errors_by_horizon(
        scores(24, ("Adj Close", "Volume", "$"), [f"forecaster {i}" for i in range(8)])
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_of_a_picture_lies_on_another_or_outside(name, monkeypatch):
    canvas = FigureCanvasAgg(PICTURES[name]())
    boxes = []
    draw = Text.draw

    def drawn(text, renderer, *more):
        if text.get_visible() and text.get_text().strip():
            boxes.append((text.get_text(), text.get_window_extent(renderer)))
        draw(text, renderer, *more)

    monkeypatch.setattr(Text, "draw", drawn)
    canvas.draw()
    assert len(boxes) > 3
    width, height = canvas.get_width_height()
    for words, box in boxes:
        assert -1 <= box.x0 <= box.x1 <= width + 1, f"{words!r} is cut off"
        assert -1 <= box.y0 <= box.y1 <= height + 1, f"{words!r} is cut off"
    for (words, one), (others, other) in itertools.combinations(boxes, 2):
        assert not one.padded(-1).overlaps(other.padded(-1)), f"{words!r} lies on {others!r}"


def _seen(colour, kind):
    """A colour as somebody sees it without one kind of cone: Machado, Oliveira and Fernandes (2009), table 1."""
    matrices = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    }
    linear = np.array(to_rgb(colour)) ** 2.2
    return np.clip(np.array(matrices[kind]) @ linear, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("kind", ["protan", "deutan", "tritan"])
def test_colours_that_stand_side_by_side_differ_for_every_kind_of_vision(kind):
    for one, other in itertools.combinations((*style.COLOURS[:3], "black", style.BETWEEN), 2):
        assert np.linalg.norm(_seen(one, kind) - _seen(other, kind)) > 0.11, (one, other)


def lines_of(axis):
    return {line.get_label(): line.get_xydata() for line in axis.lines}


def test_the_lines_of_a_gate_are_its_units():
    recording = SMALL.record(X)
    figure = nl.plot.gates(SMALL, recording, ["forget", "c"], example=1)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["forget", "c"]
    for axis, name in zip(figure.axes, ("forget", "c"), strict=True):
        for unit in range(3):
            drawn = lines_of(axis)[f"unit {unit}"]
            np.testing.assert_array_equal(drawn, np.column_stack([np.arange(40), recording[name][1][:, unit]]))


def test_many_units_are_rows_of_an_image_and_a_matrix_is_one_row_for_each_number():
    class Matrix(Cell):
        A: Array = param((3, "hidden"), nl.normal())
        new: Gate = gate(np.tanh)

        def step(self, x, h):
            S = self.new(x, h)[..., None, :] * self.A
            h = S.sum(-2)
            return h, h

    model = nl.Sequence(Matrix(inputs=2, hidden=4, rng=0))
    recording = model.record(X[0])
    image = nl.plot.gates(model, recording, "S").axes[0].collections[0]
    np.testing.assert_array_equal(image.get_array(), recording["S"].reshape(40, 12).T)


def test_the_bars_of_saturation_are_its_shares_sorted():
    recording = SMALL.record(3 * X)
    found = saturation(SMALL, recording)
    figure = nl.plot.saturation(SMALL, recording)
    for axis, (name, one) in zip(figure.axes, found.items(), strict=True):
        (shut, _, below), (between, _, foot), (top, _, high) = (patch.get_data() for patch in axis.patches)
        assert axis.get_title(loc="left") == name
        assert sorted(shut) == sorted(one.shut)
        assert (below == 0).all()
        np.testing.assert_allclose(sorted(top - high), sorted(one.open))
        np.testing.assert_array_equal(foot, shut)
        np.testing.assert_array_equal(between, high)
        assert (np.diff(shut - (top - high)) >= -1e-12).all()


def test_the_line_of_lags_is_the_norm_on_a_logarithmic_axis():
    found = gradient_by_lag(SMALL, X, lags=12)
    (axis,) = nl.plot.gradient_by_lag(SMALL, X, lags=12).axes
    np.testing.assert_array_equal(axis.lines[0].get_xydata(), np.column_stack([found.lag, found.norm]))
    assert axis.get_yscale() == "log"
    assert f"up to {found.within(0.9)} (dashed)" in axis.get_title(loc="left")


def test_a_gradient_that_vanishes_altogether_is_drawn():
    class Forgets(Cell):
        new: Gate = gate(sigmoid, W=None)

        def step(self, x, h):
            h = self.new(x)
            return h, h

    (axis,) = nl.plot.gradient_by_lag(nl.Sequence(Forgets(inputs=2, hidden=3, rng=0)), X).axes
    np.testing.assert_array_equal(axis.lines[0].get_xdata(), [0])


def test_a_learning_curve_has_a_panel_for_each_measure_and_marks_the_best_epoch():
    told = history(20)
    told.loc[7, "validation_loss"] = 0.001
    figure = nl.plot.learning_curve(told)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["loss", "mae", "lr", "gradient_norm"]
    for axis, names in zip(
        figure.axes, (("loss", "validation_loss"), ("mae", "validation_mae"), ("lr",)), strict=False
    ):
        drawn = lines_of(axis)
        for name, label in zip(names, ("training", "validation"), strict=False):
            np.testing.assert_array_equal(drawn[label], np.column_stack([told.index, told[name]]))
        assert set(drawn["best epoch"][:, 0]) == {7}


def test_a_history_may_be_a_mapping_and_lack_values():
    axes = nl.plot.learning_curve({"epoch": [5, 6], "loss": [2.0, np.nan]}).axes
    np.testing.assert_array_equal(lines_of(axes[0])["training"], [[5, 2], [6, np.nan]])


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, "no epochs"),
        (pd.DataFrame(), "no epochs"),
        ({"epoch": [1, 2]}, "no epochs"),
        ({"loss": [1, 2], "mae": [1]}, "shapes"),
        ({"loss": ["a"]}, "no numbers"),
        ({"loss": 1.0}, "shapes"),
    ],
)
def test_a_history_without_curves_is_refused(told, reason):
    with pytest.raises(InputError, match=reason):
        nl.plot.learning_curve(told)


def test_curves_of_cells_are_the_median_over_seeds_in_a_band_from_lowest_to_highest():
    table = curves(["a", "b"], 3, 40)
    table = table[(table["cell"] != "a") | (table["seed"] != 1) | (table["epoch"] <= 10)]  # one ended early
    (axis,) = nl.plot.learning_curves(table, "validation_mse", cells=["b", "a", "c"]).axes
    assert [*lines_of(axis)] == ["b", "a"]
    epochs = np.arange(1, 41)
    np.testing.assert_allclose(lines_of(axis)["b"], np.column_stack([epochs, 3 / epochs]))
    ended = np.where(epochs <= 10, 2 / epochs, 2 / 10)
    of_a = np.array([1 / epochs, ended, 3 / epochs])
    np.testing.assert_allclose(lines_of(axis)["a"][:, 1], np.median(of_a, axis=0))
    corners = axis.collections[1].get_paths()[0].vertices
    for low, epoch, high in zip(of_a.min(axis=0), epochs, of_a.max(axis=0), strict=True):
        heights = corners[corners[:, 0] == epoch][:, 1]
        assert (heights.min(), heights.max()) == (low, high)
    assert len({line.get_color() for line in axis.lines}) == 2
    with pytest.raises(UnknownNameError, match="did you mean 'validation_mse'"):
        nl.plot.learning_curves(table, "validation_mes")
    with pytest.raises(InputError, match="no curves"):
        nl.plot.learning_curves(table[:0], "validation_mse")


def test_a_forecast_shows_what_was_forecast_what_came_and_the_intervals():
    table = forecasts(12, ("model", "persistence"))
    (axis,) = nl.plot.forecast(table).axes
    drawn = lines_of(axis)
    assert list(drawn) == ["model", "persistence", "actual"]
    for name, part in table.groupby("forecaster"):
        np.testing.assert_array_equal(drawn[name][:, 1], part["forecast"])
    np.testing.assert_array_equal(drawn["actual"][:, 1], table["actual"].iloc[:12])
    assert [band.get_label() for band in axis.collections] == ["80 % interval", "50 % interval"]
    bottom, top = axis.collections[0].get_datalim(axis.transData).intervaly
    assert (bottom, top) == (table["q0.1"].min(), table["q0.9"].max())


def test_times_may_be_the_index_periods_or_numbers():
    values = [1.0, 2.0, 3.0]
    for index in (pd.period_range("2024-01", periods=3, freq="M"), pd.RangeIndex(3), pd.date_range("2024", periods=3)):
        (axis,) = nl.plot.forecast(pd.DataFrame({"forecast": values}, index=index)).axes
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), values)
        column = pd.DataFrame({"time": index, "forecast": values})
        np.testing.assert_array_equal(nl.plot.forecast(column).axes[0].lines[0].get_ydata(), values)


def test_several_forecasts_for_one_time_are_refused_with_how_to_choose():
    table = pd.concat([forecasts(5).assign(step=step) for step in (1, 2)])
    with pytest.raises(InputError, match=r"choose by step: table\[table\['step'\] == ...\]"):
        nl.plot.forecast(table)
    with pytest.raises(UnknownNameError, match="no column 'forecast'; did you mean 'forecasts'"):
        nl.plot.forecast(table.rename(columns={"forecast": "forecasts"}))


def test_errors_by_horizon_are_drawn_for_each_forecaster_and_target():
    table = scores(6, ("a", "b"))
    figure = nl.plot.errors_by_horizon(table, "rmse")
    for axis, target in zip(figure.axes, ("a", "b"), strict=True):
        drawn = lines_of(axis)
        assert list(drawn) == ["model", "persistence", "linear autoregression"]
        for name, line in drawn.items():
            expected = table.xs((target, name), level=("target", "forecaster"))["rmse"]
            np.testing.assert_array_equal(line, np.column_stack([np.arange(1, 7), expected]))
        assert axis.get_ylim()[0] == 0
        assert axis.get_ylabel() == "rmse"
    assert nl.plot.errors_by_horizon(table, "mae").axes[0].get_ylabel() == "mae"


def test_errors_by_horizon_takes_a_column_for_each_forecaster_and_numbers_without_end():
    table = pd.DataFrame({"step": [1, 2], "model": [1.0, np.inf], "drift": [np.nan, np.nan]})
    (axis,) = nl.plot.errors_by_horizon(table, "mase").axes
    assert list(lines_of(axis)) == ["model", "drift"]
    assert axis.get_ylim() == (0.0, 1.05)


def test_errors_that_cannot_be_drawn_are_refused():
    with pytest.raises(UnknownNameError, match="no metric 'rsme'; did you mean 'rmse'"):
        nl.plot.errors_by_horizon(scores(3), "rsme")
    with pytest.raises(UnknownNameError, match="no 'step'"):
        nl.plot.errors_by_horizon(pd.DataFrame({"model": [1.0]}))
    with pytest.raises(InputError, match="several numbers of one forecaster for one step"):
        nl.plot.errors_by_horizon(pd.concat([scores(3), scores(3)]))


def test_what_there_is_no_picture_of_is_refused():
    class Layer(Cell):
        U: Array = param(("hidden", "inputs"), 1.0)

        def step(self, x):
            return x @ self.U.T

    layer = nl.Sequence(Layer(inputs=2, hidden=3))
    with pytest.raises(InputError, match="no gates"):
        nl.plot.gates(layer, layer.record(X))
    with pytest.raises(InputError, match="no gate of this model has an activation that saturates"):
        nl.plot.saturation(layer, layer.record(X))
    recording = SMALL.record(X)
    with pytest.raises(UnknownNameError, match="did you mean 'forget'"):
        nl.plot.gates(SMALL, recording, ["forgte"])
    with pytest.raises(InputError, match="has 2 sequences"):
        nl.plot.gates(SMALL, recording, example=2)
    with pytest.raises(InputError, match="3 times for 40 steps"):
        nl.plot.gates(SMALL, recording, times=[1, 2, 3])


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_is_written_whole_in_the_format_of_its_ending(tmp_path, ending):
    path = tmp_path / f"gates.{ending}"
    nl.plot.save(nl.plot.gates(SMALL, SMALL.record(X)), path)
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(start)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    if ending == "png":
        assert min(matplotlib.image.imread(path).shape[:2]) > 400


def test_a_picture_of_another_format_or_in_no_folder_is_refused(tmp_path):
    figure = nl.plot.learning_curve({"loss": [1.0]})
    with pytest.raises(InputError, match="no picture format 'pgn'; did you mean 'png'"):
        nl.plot.save(figure, tmp_path / "x.pgn")
    with pytest.raises(InputError, match="there is no folder"):
        nl.plot.save(figure, tmp_path / "no" / "x.png")


def test_pictures_import_matplotlib_when_the_first_is_drawn_and_pyplot_never():
    code = (
        "import sys; from nanolstm import plot; plot.learning_curve; assert 'matplotlib' not in sys.modules\n"
        "plot.learning_curve({'loss': [1.0]}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
