"""What somebody else's plugin can add to a training, and what happens where it breaks."""

import types

import attrs
import numpy as np
import pytest
from sklearn.metrics import accuracy_score

import nanolstm as nl
from nanolstm import hookimpl, plugins
from nanolstm.errors import PluginError, PluginWarning


@pytest.fixture(autouse=True)
def shared(monkeypatch):
    monkeypatch.setattr(plugins, "shared", plugins.PluginHouse())
    return plugins.shared


def plugin(**hooks):
    return types.SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


@attrs.define(kw_only=True, eq=False, slots=False)
class Lion(nl.Optimizer):
    """Chen et al. (2023), Symbolic Discovery of Optimization Algorithms, algorithm 2."""

    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)

    @property
    def keeps(self):
        return ("mean",)

    def update(self, values, gradient, rate):
        one, two = self.betas
        mean = self.arrays["mean"]
        values -= rate * np.sign(one * mean + (1 - one) * gradient)
        mean[...] = two * mean + (1 - two) * gradient


def test_everything_that_is_named_comes_from_plugins(make, sums):
    told = []

    class Tells:
        def __init__(self, word):
            self.word = word

        def fit_end(self, training, run):
            told.append((self.word, run.stopped))

    nl.plugins.register(
        plugin(
            nanolstm_register_optimizers=lambda register: register("lion", Lion),
            nanolstm_register_schedules=lambda register: register("half", lambda by=0.5: lambda done, epochs: by),
            nanolstm_register_metrics=lambda register: register(
                "bias", lambda p, t, *, scale=1: scale * np.mean(p - t)
            ),
            nanolstm_register_callbacks=lambda register: register("tells", Tells),
        ),
        "mine",
    )
    model = make()
    start = model.parameters["U"].copy()
    run = nl.fit(
        model, sums, optimizer="lion(lr=0.01)", schedule="half(by=0.25)", metrics=["bias(scale=2)"], epochs=1,
        callbacks="tells(word='done')",
    )  # fmt: skip
    np.testing.assert_allclose(np.abs(model.parameters["U"] - start), 0.0025, rtol=1e-10)
    assert run.history["bias(scale=2)"][1] == pytest.approx(2 * np.mean(make()(sums[0]) - sums[1]), rel=1e-12)
    assert told == [("done", "epochs")]


def test_plugins_are_told_of_each_fit(make, sums):
    told = []
    nl.plugins.register(
        plugin(
            nanolstm_fit_start=lambda training: told.append(("start", training.epoch, training.epochs)),
            nanolstm_epoch_end=lambda training: told.append(("epoch", training.epoch, len(training.history))),
            nanolstm_fit_end=lambda training, run: told.append(("end", run.stopped, run.model is training.model)),
        ),
        "listener",
    )
    nl.fit(make(), sums, epochs=2, batch_size=8)
    assert told == [("start", 0, 2), ("epoch", 1, 1), ("epoch", 2, 2), ("end", "epochs", True)]


def test_a_plugin_can_end_a_training(make, sums):
    nl.plugins.register(plugin(nanolstm_epoch_end=lambda training: training.stop("enough")), "impatient")
    assert nl.fit(make(), sums, epochs=9).why == "enough"


def test_a_plugin_that_breaks_in_a_fit_is_named_and_left_out_and_the_fit_goes_on(make, sums, shared):
    def fail(training):
        raise OSError("disk full")

    found = nl.plugins.register(plugin(nanolstm_epoch_end=fail), "careless")
    found.distribution, found.version = "careless", "1.0"  # as if it had been installed
    with pytest.warns(PluginWarning, match=r"'careless' \(careless 1.0\) is left out: in nanolstm_epoch_end: OSError"):
        run = nl.fit(make(), sums, epochs=3)
    assert len(run.history) == 3
    assert found.status == "broken"


def test_a_plugin_that_was_added_by_hand_and_breaks_in_a_fit_is_an_error(make, sums):
    def fail(training):
        raise OSError("disk full")

    nl.plugins.register(plugin(nanolstm_fit_start=fail), "careless")
    with pytest.raises(PluginError, match="'careless' is broken: in nanolstm_fit_start: OSError: disk full"):
        nl.fit(make(), sums, epochs=3)


def test_a_callback_that_fails_fails_the_training(make, sums):
    def fail(training):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        nl.fit(make(), sums, callbacks=fail)


def test_accuracies_are_scikit_learns():
    rng = np.random.default_rng(0)
    logits, classes = rng.standard_normal((50, 4)), rng.integers(0, 4, 50)
    from nanolstm.losses import metric

    assert metric("accuracy")(logits, classes) == accuracy_score(classes, logits.argmax(axis=1))
    scores, labels = rng.random((50, 1)), rng.integers(0, 2, 50)
    assert metric("binary_accuracy")(scores, labels) == accuracy_score(labels, scores[:, 0] > 0.5)
    assert metric("binary_accuracy(threshold=0.2)")(scores, labels) == accuracy_score(labels, scores[:, 0] > 0.2)


def test_training_plugins_can_be_switched_off(monkeypatch, make, sums):
    monkeypatch.setattr(plugins, "shared", plugins.PluginHouse(disabled=["training"]))
    with pytest.raises(nl.errors.UnknownNameError, match=r"no optimizer 'adam'.*\(plugin 'training' .* is off\)"):
        nl.fit(make(), sums)
