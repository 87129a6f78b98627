"""What a training does with parameters, scores and time."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

import nanolstm as nl
from nanolstm.errors import InputError, UnknownNameError


def test_a_training_makes_the_loss_smaller_and_leaves_the_model_with_the_best_parameters(make, sums):
    model = make()
    before, _ = model.value_and_grad(*sums, loss="mse")
    run = nl.fit(model, sums, optimizer="adam(lr=0.05)", epochs=60, batch_size=8, validation=0.25, rng=0)
    assert run.model is model
    assert list(run.history.index) == list(range(1, 61))
    assert run.history["validation_loss"].min() == run.best_score == run.history["validation_loss"][run.best_epoch]
    y, target = model(sums[0][18:]), sums[1][18:]
    assert np.mean((y - target) ** 2) == pytest.approx(run.best_score, rel=1e-12)
    assert run.best_score < before / 5
    assert (run.stopped, run.why) == ("epochs", "all 60 epochs are done")
    assert str(run).startswith(f"validation loss {run.best_score:.6g} in epoch {run.best_epoch}; 60 epochs in ")


def test_a_step_is_the_optimizers_on_the_gradient_of_the_batch(make, sums, flat):
    model, twin = make(), make()
    run = nl.fit(model, sums, optimizer="sgd(lr=0.1)", epochs=3, batch_size=10, batching="ordered")
    norms = []
    for _ in range(3):
        for rows in (slice(0, 10), slice(10, 20), slice(20, 24)):
            _, grads = twin.value_and_grad(sums[0][rows], sums[1][rows], loss="mse")
            norms.append(np.sqrt(sum(np.sum(g**2) for g in grads.values())))
            for name, gradient in grads.items():
                twin.parameters[name][...] -= 0.1 * gradient
    np.testing.assert_allclose(flat(model), flat(twin), rtol=1e-13)
    np.testing.assert_allclose(run.history["gradient_norm"], np.reshape(norms, (3, 3)).max(axis=1), rtol=1e-12)


@pytest.mark.parametrize("options", [{"cells": 2}, {"bidirectional": True}, {"learn_initial": True}, {"readout": None}])
def test_every_parameter_of_every_kind_of_model_is_trained(make, sums, flat, options):
    model, twin = make(**options), make(**options)
    target = np.repeat(sums[1], model.outputs, axis=2)
    nl.fit(model, (sums[0], target), optimizer="sgd(lr=0.1)", epochs=2)
    for _ in range(2):
        _, grads = twin.value_and_grad(sums[0], target, loss="mse")
        for name, gradient in grads.items():
            twin.parameters[name][...] -= 0.1 * gradient
    for name, view in twin.parameters.items():
        np.testing.assert_allclose(model.parameters[name], view, rtol=1e-12, err_msg=name)


def test_float32_stays_float32(make, sums):
    model = make(dtype="float32")
    run = nl.fit(model, sums, optimizer="adam(lr=0.05)", epochs=40, clip=1.0)
    assert run.history["loss"].iloc[-1] < 0.2 * run.history["loss"].iloc[0]
    assert {view.dtype for view in model.parameters.values()} == {np.dtype("float32")}


def test_frozen_parameters_stay_and_project_brings_back(leaky, sums):
    class Bounded(leaky):
        rate: nl.Array = nl.param("hidden", 0.5, frozen=True)
        U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot(), project=lambda a: np.clip(a, -0.1, 0.1))

    model = nl.Sequence(Bounded(inputs=2, hidden=3, rng=0), readout=1, rng=0)
    nl.fit(model, sums, optimizer="sgd(lr=0.5)", epochs=5)
    np.testing.assert_array_equal(model.frozen["0.rate" if "0.rate" in model.frozen else "rate"], 0.5)
    assert np.abs(model.parameters["U"]).max() == 0.1
    alone = Bounded(inputs=2, hidden=1, rng=0)
    nl.fit(nl.Sequence(alone), sums, optimizer="sgd(lr=0.5)", epochs=5)
    assert np.abs(alone.parameters["U"]).max() == 0.1


def test_what_is_constrained_holds_after_each_epoch(sums):
    class Constrained(nl.Cell):
        rate: nl.Array = nl.param("hidden", 1.0, project=nl.positive(0.9))
        turn: nl.Gate = nl.gate(np.tanh, bias=False, project={"W": nl.nearest_orthogonal()})
        fade: nl.Gate = nl.gate(np.tanh, W=nl.blocks("h", 2), project={"W": nl.spectral_radius(0.5)})

        def step(self, x, h):
            h = self.turn(x, h) - self.rate * self.fade(x, h)
            return h, h

    seen = []

    def check(training):
        for cell in cells:
            assert cell.rate.min() >= 0.9
            np.testing.assert_allclose(cell.turn.W @ cell.turn.W.T, np.eye(4), atol=1e-12)
            assert np.abs(np.linalg.eigvals(cell.fade.W)).max() <= 0.5 * (1 + 1e-12)
            seen.append(cell.rate.min() == 0.9)

    cells = [Constrained(inputs=2, hidden=4, rng=0), Constrained(inputs=4, hidden=4, rng=1)]
    model = nl.Sequence(cells, readout=1, rng=0)
    before = {name: view.copy() for name, view in model.parameters.items()}
    run = nl.fit(model, sums, optimizer="adam(lr=0.05)", epochs=4, batch_size=8, callbacks=[check])
    assert len(seen) >= 8
    assert any(seen)
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    assert all(not np.array_equal(before[name], view) for name, view in model.parameters.items())


def test_a_model_without_trained_parameters_is_refused(sums):
    class Fixed(nl.Cell):
        U: nl.Array = nl.param(("hidden", "inputs"), 1.0, frozen=True)

        def step(self, x, h):
            h = h + x @ self.U.T
            return h, h

    with pytest.raises(InputError, match="no parameter that is trained"):
        nl.fit(nl.Sequence(Fixed(inputs=2, hidden=1)), sums)


def test_scores_of_an_epoch_are_those_of_all_its_predictions(make, sums):
    # With a rate next to nothing the model stays what it is; an average over batches of unequal size would be wrong.
    model = make()
    metrics = ["mae", "r2", lambda prediction, target: np.max(np.abs(prediction - target))]
    options = {"loss": "rmse", "optimizer": "sgd(lr=1e-300)", "metrics": metrics, "epochs": 1, "rng": 0}
    run = nl.fit(model, sums, validation=0.25, batch_size=7, **options)
    y, target = model(sums[0]).reshape(-1), sums[1].reshape(-1)
    for prefix, rows in (("", slice(0, 180)), ("validation_", slice(180, 240))):
        row = run.history.loc[1]
        assert row[f"{prefix}loss"] == pytest.approx(root_mean_squared_error(target[rows], y[rows]), rel=1e-12)
        assert row[f"{prefix}mae"] == pytest.approx(mean_absolute_error(target[rows], y[rows]), rel=1e-12)
        assert row[f"{prefix}r2"] == pytest.approx(r2_score(target[rows], y[rows]), rel=1e-12)
        assert row[f"{prefix}<lambda>"] == pytest.approx(np.abs(target[rows] - y[rows]).max(), rel=1e-12)


def test_the_loss_can_be_a_metric_too(make, sums):
    run = nl.fit(make(), sums, epochs=2, batch_size=10, validation=0.25, metrics=["mse"], rng=0)
    np.testing.assert_array_equal(run.history["mse"], run.history["loss"])
    np.testing.assert_array_equal(run.history["validation_mse"], run.history["validation_loss"])


def test_without_validation_the_best_epoch_is_that_of_the_lowest_loss(make, sums):
    # It goes down, and then, with a rate that is too high, up. Of one batch a loss is that of the parameters before.
    options = {"schedule": lambda done, epochs: 1.0 if done < 6 else 12.0, "epochs": 12, "optimizer": "sgd(lr=0.05)"}
    model = make()
    run = nl.fit(model, sums, **options)
    assert 1 < run.best_epoch < 12
    assert run.best_score == run.history["loss"].min() == model.value_and_grad(*sums, loss="mse")[0]


def test_of_several_batches_the_best_epochs_last_parameters_come_back(make, sums, flat):
    model, kept = make(), []
    options = {"schedule": lambda done, epochs: 1.0 if done < 6 else 4.0, "epochs": 8, "optimizer": "sgd(lr=0.05)"}
    run = nl.fit(model, sums, batch_size=8, rng=0, callbacks=lambda training: kept.append(flat(model)), **options)
    assert run.best_epoch == run.history["loss"].idxmin() < 8
    np.testing.assert_array_equal(flat(model), kept[run.best_epoch - 1])


def test_the_last_step_of_a_loss_that_still_falls_stays(make, sums, flat):
    model, twin = make(), make()
    run = nl.fit(model, sums, optimizer="sgd(lr=0.01)", epochs=1)
    value, grads = twin.value_and_grad(*sums, loss="mse")
    assert (run.best_epoch, run.best_score) == (1, value)
    for name, gradient in grads.items():
        np.testing.assert_allclose(model.parameters[name], twin.parameters[name] - 0.01 * gradient, rtol=1e-13)


def test_patience_ends_a_training_that_becomes_no_better(make, sums):
    validation = (sums[0][:4], -sums[1][:4])  # whatever is learnt makes this worse
    run = nl.fit(make(), sums, epochs=100, validation=validation, patience=7, optimizer="adam(lr=0.05)")
    assert (run.stopped, run.best_epoch, len(run.history)) == ("patience", 1, 8)
    assert run.why == f"for 7 epochs no validation loss was better than {run.best_score:.6g}, that of epoch 1"


def test_timings_add_up(make, sums):
    run = nl.fit(make(), sums, epochs=5, validation=0.25, batch_size=6)
    t = run.timings
    assert t["steps"] == 5 * 3
    assert 0 < t["first_step"] <= t["training"] <= t["total"]
    assert 0 < t["validation"] <= t["total"] - t["training"]
    assert run.history["seconds"].sum() == pytest.approx(t["training"] + t["validation"], rel=0.2)


@pytest.mark.parametrize("seed", [0, np.int64(3), "generator", "randomstate"])
def test_the_same_rng_gives_the_same_bits(make, sums, seed, flat):
    def rng():
        if seed == "generator":
            return np.random.Generator(np.random.MT19937(5))
        return np.random.RandomState(5) if seed == "randomstate" else seed

    class Noisy(nl.Cell):
        hold: nl.Array = nl.noise(0.5)
        U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot())

        def step(self, x, h, hold):
            h = hold * h + (1 - hold) * (x @ self.U.T)
            return h, h

    found = []
    for _ in range(2):
        model = make(kind=Noisy)
        run = nl.fit(model, sums, epochs=3, batch_size=5, rng=rng())
        found.append((flat(model), run.history.drop(columns="seconds").to_numpy()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    other = make(kind=Noisy)
    nl.fit(other, sums, epochs=3, batch_size=5, rng=77)
    assert not np.array_equal(flat(other), found[0][0])


def test_trainings_at_the_same_time_do_not_meet(make, sums, flat):
    from nanolstm_training.optimizers import Adam
    from nanolstm_training.schedules import Plateau

    options = {"optimizer": Adam(lr=0.05), "schedule": Plateau(patience=1), "epochs": 30, "batch_size": 5, "rng": 3}

    def trained(model):
        nl.fit(model, sums, **options)
        return flat(model)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(trained, [make() for _ in range(8)]))
    alone = trained(make())
    for other in found:
        np.testing.assert_array_equal(other, alone)
    assert (options["optimizer"].steps, options["optimizer"].arrays, options["schedule"]) == (
        0,
        {},
        Plateau(patience=1),
    )


def test_masks_are_drawn_in_training_and_are_their_mean_in_validation(make, sums):
    class Zoneout(nl.Cell):
        hold: nl.Array = nl.noise(0.5)
        U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot())

        def step(self, x, h, hold):
            h = hold * h + (1 - hold) * (x @ self.U.T)
            return h, h

    model = make(kind=Zoneout)
    run = nl.fit(model, sums, epochs=2, optimizer="sgd(lr=1e-300)", validation=sums, rng=0)
    mean = np.mean((model(sums[0]) - sums[1]) ** 2)
    np.testing.assert_allclose(run.history["validation_loss"], mean, rtol=1e-12)
    assert run.history["loss"].nunique() == 2
    assert not np.isclose(run.history["loss"], mean).any()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"epochs": 0}, InputError, "epochs=0: expected a number from 1 on"),
        ({"batch_size": 2.5}, InputError, r"batch_size=2.5: expected a number from 1 on, or None"),
        ({"patience": True}, InputError, "patience=True"),
        ({"optimizer": "adma"}, UnknownNameError, "no optimizer 'adma'; did you mean 'adam'?"),
        ({"optimizer": "adam(rate=1)"}, UnknownNameError, "optimizer 'adam' has no parameter 'rate'"),
        ({"optimizer": "adam(lr=0)"}, InputError, r"adam\(lr=0\): expected a number above 0"),
        ({"optimizer": "adam(betas=(0.9, 1.0))"}, InputError, r"betas=\(0.9, 1.0\).*from 0 on and below 1"),
        ({"optimizer": "sgd(nesterov=True)"}, InputError, "needs a momentum"),
        ({"optimizer": np.mean}, InputError, "optimizer=.*expected a name, such as 'adam'"),
        ({"schedule": "cosin"}, UnknownNameError, "did you mean 'cosine'?"),
        ({"schedule": 0.5}, InputError, "schedule=0.5: expected a name"),
        ({"clip": -1}, InputError, "clip=-1: expected a number above 0"),
        ({"clip": {"vale": 1.0}}, InputError, "clip="),
        ({"steps": "first"}, InputError, "steps='first'"),
        ({"batching": "bucket"}, UnknownNameError, "did you mean 'bucketed'?"),
        ({"batching": "windows"}, InputError, r"batching 'windows' needs its parameter 'length'"),
        ({"batching": "windows(length=0)"}, InputError, "length is 0; expected a number of time steps"),
        ({"batching": 3}, InputError, "batching=3"),
        ({"metrics": "acuracy"}, UnknownNameError, "no metric 'acuracy'; did you mean 'accuracy'?"),
        ({"metrics": [lambda p, t: 0.0, lambda p, t: 1.0]}, InputError, "two columns .* would be called '<lambda>'"),
        ({"callbacks": [3]}, InputError, "callbacks: 3 is none"),
        ({"callbacks": "target"}, InputError, r"target\(below=0.01\)"),
        ({"validation": 1.5}, InputError, "validation=1.5: expected a share between 0 and 1"),
        ({"validation": 0.999}, InputError, "of 24 sequences nothing is left"),
        ({"rng": "seed"}, InputError, "rng='seed'"),
        ({"loss": "mes"}, UnknownNameError, "no loss 'mes'"),
    ],
)
def test_an_argument_that_is_none_is_refused_before_anything_is_trained(make, sums, flat, options, error, text):
    model = make()
    before = flat(model)
    with pytest.raises(error, match=text):
        nl.fit(model, sums, **options)
    np.testing.assert_array_equal(flat(model), before)


def test_a_cell_is_no_model(leaky, sums):
    with pytest.raises(InputError, match=r"expected a Sequence, such as nl.Sequence\(cell\)"):
        nl.fit(leaky(inputs=2, hidden=1), sums)
