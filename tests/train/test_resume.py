"""A training that goes on from its state ends with the bits of one that was never interrupted."""

import json

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.errors import InputError

WAYS = {
    "adam": {"optimizer": "adam(lr=0.02)", "schedule": "cosine(warmup=1)"},
    "sgd": {"optimizer": "sgd(lr=0.02, momentum=0.9, nesterov=True)", "schedule": "plateau(patience=1)", "clip": 0.1},
    "rmsprop": {"optimizer": "rmsprop(centered=True, momentum=0.5)", "batching": "bucketed"},
    "adamw": {"optimizer": "adamw", "batching": "windows(length=2, stride=2)", "batch_size": 30, "metrics": "mae"},
    "stateful": {"optimizer": "adam", "batching": "stateful(length=4)", "batch_size": 9},
    "one batch": {"optimizer": "adam", "batch_size": 100},
}


class Kept:
    """The state after each step and each epoch, through JSON and copies, as a file would keep it."""

    def __init__(self):
        self.states = []

    def step_end(self, training):
        arrays, values = training.state()
        self.states.append(({name: array.copy() for name, array in arrays.items()}, json.loads(json.dumps(values))))

    epoch_end = step_end


class Noisy(nl.Cell):
    hold: nl.Array = nl.noise(0.7)
    U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot())

    def step(self, x, h, hold):
        h = hold * h + (1 - hold) * (x @ self.U.T)
        return h, h


def ended(model, run):
    numbers = run.history.drop(columns="seconds")
    return {name: view.copy() for name, view in model.parameters.items()}, numbers, (run.best_epoch, run.best_score)


def equal(one, other):
    for name, view in one[0].items():
        np.testing.assert_array_equal(view, other[0][name])
    np.testing.assert_array_equal(one[1].to_numpy(), other[1].to_numpy())
    assert one[2] == other[2]


@pytest.mark.parametrize("way", WAYS)
def test_it_ends_with_the_same_bits_wherever_it_was_interrupted(make, sums, way):
    options = {"batch_size": 7, "epochs": 3, "validation": 0.25, **WAYS[way]}
    model, kept = make(kind=Noisy), Kept()
    whole = ended(model, nl.fit(model, sums, rng=5, callbacks=kept, **options))
    for state in kept.states[:: max(1, len(kept.states) // 8)]:
        other = make(kind=Noisy, rng=99)
        equal(ended(other, nl.fit(other, sums, rng=123, resume=state, **options)), whole)


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.RandomState])
def test_every_kind_of_generator_goes_on_where_it_was(make, sums, kind):
    def rng(seed):
        return kind(seed) if kind is np.random.RandomState else np.random.Generator(kind(seed))

    model, kept = make(kind=Noisy), Kept()
    whole = ended(model, nl.fit(model, sums, rng=rng(5), batch_size=7, epochs=2, callbacks=kept))
    other = make(kind=Noisy)
    equal(ended(other, nl.fit(other, sums, rng=rng(6), batch_size=7, epochs=2, resume=kept.states[2])), whole)
    with pytest.raises(InputError, match=r"resume: rng was a .* of .*, and is Generator\(PCG64\)"):
        nl.fit(other, sums, rng=0, resume=kept.states[2])


def test_lbfgs_goes_on_with_the_same_bits_and_asks_for_no_gradient_twice(make, sums):
    class Counting(Kept):
        def fit_end(self, training, run):
            self.steps = training.steps - training.asked

        def fit_start(self, training):
            training.asked = training.steps

    model, kept = make(), Counting()
    whole = ended(model, nl.fit(model, sums, optimizer="lbfgs", epochs=12, callbacks=kept, validation=0.25))
    for state in kept.states[::3]:
        other, count = make(rng=99), Counting()
        run = nl.fit(other, sums, optimizer="lbfgs", epochs=12, resume=state, callbacks=count, validation=0.25)
        equal(ended(other, run), whole)
        assert count.steps == kept.steps - state[1]["steps"]


def test_a_training_that_is_over_is_continued_with_more_epochs(make, sums):
    model, kept, other = make(), Kept(), make()
    options = {"batch_size": 7, "optimizer": "adam(lr=0.02)"}
    whole = ended(model, nl.fit(model, sums, rng=5, epochs=4, **options))
    nl.fit(other, sums, rng=5, epochs=2, callbacks=kept, **options)
    equal(ended(other, nl.fit(other, sums, epochs=4, resume=kept.states[-1], **options)), whole)


def test_a_training_that_is_over_stays_what_it_is(make, sums):
    model, kept, other = make(), Kept(), make(rng=99)
    whole = ended(model, nl.fit(model, sums, epochs=3, callbacks=kept))
    equal(ended(other, nl.fit(other, sums, epochs=3, resume=kept.states[-1])), whole)


def test_an_interrupted_training_goes_on_from_its_last_step(make, sums):
    model, other, kept = make(), make(), Kept()
    options = {"batch_size": 7, "epochs": 3, "rng": 5}
    whole = ended(model, nl.fit(model, sums, **options))

    class Interrupts:
        def step_end(self, training):
            if training.steps == 6:
                raise KeyboardInterrupt

    nl.fit(other, sums, callbacks=[kept, Interrupts()], **options)
    equal(ended(other, nl.fit(other, sums, resume=kept.states[-1], **options)), whole)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"cells": 2},
            r"the state is that of a model with the parameters .*rate \(3,\).*; this one has 0\.rate \(3,\)",
        ),
        ({"optimizer": "sgd"}, "that of the optimizer Adam, and this is SGD"),
        ({"schedule": "plateau"}, "the state of schedule plateau is None; it was another schedule"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(make, sums, options, text):
    kept = Kept()
    nl.fit(make(), sums, epochs=1, callbacks=kept)
    model = make(**{name: value for name, value in options.items() if name == "cells"})
    rest = {name: value for name, value in options.items() if name != "cells"}
    with pytest.raises(InputError, match=text):
        nl.fit(model, sums, resume=kept.states[0], **rest)


def test_an_optimizer_that_keeps_something_else_is_refused(make, sums):
    kept = Kept()
    nl.fit(make(), sums, optimizer="sgd", epochs=1, callbacks=kept)
    with pytest.raises(InputError, match=r"resume: the optimizer kept nothing, and SGD\(.*\) keeps velocity"):
        nl.fit(make(), sums, optimizer="sgd(momentum=0.9)", resume=kept.states[0])
