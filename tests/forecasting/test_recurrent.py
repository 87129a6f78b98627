"""A recurrent model as a forecaster: what it is given, and how its output is read."""

import numpy as np
import pandas as pd
import pytest

import nanolstm as nl
from nanolstm.errors import InputError
from nanolstm.forecasting.recurrent import Recurrent

ROWS = 90
WINDOWS = nl.Windows(targets=("level", "other"), future="open", context=5, horizon=3)


def series():
    rng = np.random.default_rng(0)
    columns = {"level": rng.normal(size=ROWS), "other": rng.normal(size=ROWS), "open": np.arange(ROWS) % 3.0}
    return pd.DataFrame(columns, index=pd.date_range("2024-01-01", periods=ROWS))


def make(inputs, outputs):
    cell = nl.cells.ToyLSTM(inputs=inputs, hidden=3, outputs=3, rng=0)
    return nl.Sequence(cell, readout=outputs, backend="numpy", rng=1)


class Trainer:
    def __init__(self):
        self.models, self.data, self.validation = [], [], []

    def __call__(self, model, data, validation):
        self.models.append(model)
        self.data.append(data)
        self.validation.append(validation)
        model.parameters["readout.b"][...] += len(self.models)


def run(model, **more):
    options = {"splits": nl.Splits(folds=2, test=15, validation=10), "scaler": "none", "baselines": ["drift"]}
    return nl.walk_forward(model, series(), WINDOWS, **options | more)


def test_the_last_output_is_all_steps_and_targets():
    trainer = Trainer()
    result = run(Recurrent(make, trainer))
    rows, model = series(), trainer.models[1]
    origin = 80
    known = rows["open"].to_numpy()[origin + 1 : origin + 4]
    x = np.concatenate([rows.to_numpy()[origin - 4 : origin + 1], np.tile(known, (5, 1))], axis=1)
    expected = model(x)[-1].reshape(3, 2)
    got = result.forecasts[
        (result.forecasts["forecaster"] == "model") & (result.forecasts["origin"] == rows.index[origin])
    ]
    np.testing.assert_allclose(got["forecast"].to_numpy().reshape(3, 2), expected, rtol=1e-12)


def test_each_fit_is_of_a_fresh_model_on_training_and_validation_windows():
    trainer = Trainer()
    run(Recurrent(make, trainer))
    first, second = trainer.models
    assert first is not second
    np.testing.assert_array_equal(second.parameters["readout.b"] - first.parameters["readout.b"], 1.0)
    (x, target), (held, after) = trainer.data[0], trainer.validation[0]
    assert (x.shape, target.shape) == ((43, 5, 6), (43, 6))
    assert (held.shape, after.shape) == ((8, 5, 6), (8, 6))
    np.testing.assert_array_equal(target[0].reshape(3, 2), series()[["level", "other"]].iloc[5:8])
    run(Recurrent(make, trainer), splits=nl.Splits(folds=1, test=15))
    assert trainer.validation[-1] is None


def test_the_columns_of_a_target_stand_together_as_losses_take_them():
    levels = (0.1, 0.5, 0.9)
    trainer = Trainer()
    result = run(Recurrent(make, trainer, columns=3), output=nl.Quantiles(levels))
    assert trainer.models[0].outputs == 3 * 2 * 3
    x = trainer.validation[0][0]
    said = trainer.models[0](x)[:, -1]
    loss = nl.loss("quantile(q=(0.1, 0.5, 0.9))")
    target = trainer.validation[0][1]
    by_hand = np.mean(
        [
            np.maximum(q * (target - said[:, k::3]), (q - 1) * (target - said[:, k::3])).mean()
            for k, q in enumerate(levels)
        ]
    )
    assert loss(said, target) == pytest.approx(by_hand)
    assert (np.diff(result.forecasts[["q0.1", "q0.5", "q0.9"]], axis=1) >= 0).all()


def test_a_model_of_another_width_is_refused():
    def narrow(inputs, outputs):
        return nl.Sequence(nl.cells.ToyLSTM(inputs=inputs, hidden=3), backend="numpy")

    with pytest.raises(InputError, match=r"make\(6, 6\) gave a model of 6 inputs and 1 outputs; .* readout=6"):
        run(Recurrent(narrow, Trainer()))
