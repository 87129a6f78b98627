"""Schedules against their formulas, and against PyTorch's where it has the same one."""

import math

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import plugins
from nanolstm.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", lambda t: 1.0),
        ("step(every=3, factor=0.5)", lambda t: 0.5 ** math.floor(t / 3)),
        ("cosine", lambda t: (1 + math.cos(math.pi * t / 10)) / 2),
        ("cosine(floor=0.1)", lambda t: 0.1 + 0.9 * (1 + math.cos(math.pi * t / 10)) / 2),
        ("cosine(warmup=4)", lambda t: t / 4 if t < 4 else (1 + math.cos(math.pi * (t - 4) / 6)) / 2),
        ("warmup(epochs=4)", lambda t: min(1.0, t / 4)),
    ],
)
def test_a_schedule_is_its_formula(name, expected):
    schedule = plugins.made("schedules", name)
    for t in np.arange(0, 10, 0.25):
        assert schedule(t, 10) == pytest.approx(expected(t), abs=1e-15), t


def test_the_rate_follows_the_schedule_within_an_epoch(make, sums):
    rates = []

    class Watch:
        def step_end(self, training):
            rates.append(training.rate)

    run = nl.fit(make(), sums, optimizer="adam(lr=0.2)", schedule="cosine(warmup=1)", epochs=3, batch_size=6,
                 callbacks=Watch())  # fmt: skip
    done = (np.arange(12) + 0.5) / 4
    expected = 0.2 * np.where(done < 1, done, (1 + np.cos(np.pi * (done - 1) / 2)) / 2)
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    np.testing.assert_allclose(run.history["lr"], expected[3::4], rtol=1e-12)
    assert min(rates) > 0


def test_a_plateau_is_pytorchs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    scores = np.abs(np.cumsum(np.random.default_rng(0).standard_normal(200)) * 0.1 + 5)
    for options in ({}, {"patience": 3, "factor": 0.5}, {"patience": 1, "factor": 0.3, "threshold": 0.05}):
        text = f"plateau({', '.join(f'{k}={v}' for k, v in options.items())})" if options else "plateau"
        ours = plugins.made("schedules", text)
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **{"factor": 0.1, **options}, eps=0.0)
        for score in scores:
            assert ours(0.0, 1) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
            ours.observe(score)
            theirs.step(score)
        assert ours(0.0, 1) < 1


def test_a_plateau_watches_the_validation_loss(make, sums):
    validation = (sums[0][:4], -10 * sums[1][:4])  # whatever is learnt makes this worse
    run = nl.fit(
        make(), sums, epochs=9, validation=validation, schedule="plateau(patience=2)", optimizer="adam(lr=0.01)"
    )
    np.testing.assert_allclose(run.history["lr"], 0.01 * np.repeat([1.0, 0.1, 0.01], [4, 3, 2]), rtol=1e-12)


@pytest.mark.parametrize("name", ["step(every=0)", "cosine(floor=1)", "warmup(epochs=0)", "plateau(factor=0)"])
def test_a_value_that_is_none_is_refused(make, sums, name):
    with pytest.raises(InputError, match=r"expected a (whole )?number"):
        nl.fit(make(), sums, schedule=name)


def test_a_parameter_that_a_schedule_does_not_have_is_named(make, sums):
    with pytest.raises(UnknownNameError, match="schedule 'cosine' has no parameter 'warm'; did you mean 'warmup'"):
        nl.fit(make(), sums, schedule="cosine(warm=3)")
