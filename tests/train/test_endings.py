"""How a training ends: as asked, by Ctrl-C, and by numbers that are not finite."""

import signal

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.errors import DivergedError, InputError
from nanolstm.train.clipping import norm_of


class At:
    """Calls a function after a certain step."""

    def __init__(self, step, function):
        self.step, self.function = step, function

    def step_end(self, training):
        if training.steps == self.step:
            self.function(training)


def interrupt(training):
    signal.raise_signal(signal.SIGINT)


def test_a_loss_that_is_not_finite_ends_it_at_once_with_the_last_good_parameters(make, sums, flat):
    model, seen = make(), []
    x, target = sums
    x = x.copy()
    x[22:] = 1e200  # finite, but not what comes of it; met in the last batch of six

    class Before:
        def fit_start(self, training):
            seen.append(flat(model))

        def step_end(self, training):
            seen.append(flat(model))

    with pytest.raises(DivergedError) as raised:
        nl.fit(model, (x, target), batch_size=4, batching="ordered", epochs=9, callbacks=Before())
    run, text = raised.value.run, str(raised.value)
    assert text.startswith("the loss is inf in epoch 1, batch 6; by parameter: ")
    assert "U" in text.split("by parameter: ")[1].split(". ")[0]
    assert "Try a smaller learning rate, clip=1.0" in text
    assert (run.stopped, run.why, run.best_epoch, len(run.history)) == ("diverged", text, 0, 0)
    # With the parameters after step 5 the loss was not finite any more; those before it are known to be good.
    assert len(seen) == 6
    np.testing.assert_array_equal(flat(model), seen[4])


def test_with_validation_the_best_epoch_comes_back_after_a_loss_that_is_not_finite(make, sums, flat):
    model, kept = make(), {}

    def keep(training):
        kept[training.epoch] = flat(model)
        if training.epoch == 4:
            model.parameters["U"][...] = 1e300

    with pytest.raises(DivergedError, match=r"in epoch 5, batch 1.*The parameters are those of epoch \d") as raised:
        nl.fit(model, sums, validation=0.25, epochs=9, callbacks=keep, optimizer="adam(lr=0.05)")
    run = raised.value.run
    assert list(run.history.index) == [1, 2, 3, 4]
    assert run.best_epoch == run.history["validation_loss"].idxmin()
    np.testing.assert_array_equal(flat(model), kept[run.best_epoch])


def test_a_gradient_that_is_not_finite_is_told_by_parameter(make, sums):
    def steep(prediction, target):  # 0 where the prediction is, and steeper there than what numbers can hold
        return np.mean(prediction * 1e308)

    model = make()
    model.parameters["readout.U"][...] = 0
    with pytest.raises(DivergedError, match=r"the gradient is not finite in epoch 1, batch 1 .*: readout.U. The"):
        nl.fit(model, (sums[0] * 1e6, sums[1]), loss=steep)
    assert all(np.isfinite(view).all() for view in model.parameters.values())


def test_a_validation_loss_that_is_not_finite_ends_it_too(make, sums):
    validation = (np.full_like(sums[0], 1e200), sums[1])
    with pytest.raises(DivergedError, match="the validation loss after epoch 1 is inf"):
        nl.fit(make(), sums, validation=validation)


@pytest.mark.filterwarnings("error")
def test_numbers_that_run_away_are_told_without_warnings(make, sums):
    for dtype in ("float32", "float64"):
        with pytest.raises(DivergedError):
            nl.fit(make(dtype=dtype), sums, optimizer="sgd(lr=1e30)", validation=0.25, epochs=100)


def test_the_norm_of_large_numbers_is_finite():
    assert norm_of(np.array([3e200, 4e200])) == pytest.approx(5e200)
    assert norm_of(np.array([3e30, 4e30], np.float32)) == pytest.approx(5e30, rel=1e-6)
    assert not np.isfinite(norm_of(np.array([1.0, np.inf])))
    assert not np.isfinite(norm_of(np.array([1.0, np.nan])))


def test_ctrl_c_ends_a_training_and_the_best_epoch_comes_back(make, sums, flat):
    kept = []
    model = make()
    callbacks = [At(11, interrupt), lambda training: kept.append(flat(model))]
    run = nl.fit(model, sums, batch_size=6, validation=0.25, callbacks=callbacks, rng=0)
    assert (run.stopped, run.why, len(run.history)) == ("interrupted", "it was interrupted", 3)
    np.testing.assert_array_equal(flat(model), kept[run.best_epoch - 1])


def test_ctrl_c_before_the_first_epoch_ends_keeps_what_there_is(make, sums, flat):
    model, twin = make(), make()
    run = nl.fit(model, sums, batch_size=6, batching="ordered", callbacks=At(2, interrupt), optimizer="sgd")
    for rows in (slice(0, 6), slice(6, 12)):
        _, grads = twin.value_and_grad(sums[0][rows], sums[1][rows], loss="mse")
        for name, gradient in grads.items():
            twin.parameters[name][...] -= 0.01 * gradient
    np.testing.assert_allclose(flat(model), flat(twin), rtol=1e-13)
    assert (run.stopped, run.best_epoch, len(run.history)) == ("interrupted", 0, 0)
    assert "no epoch ended" in str(run)


def test_a_callback_asks_for_the_end(make, sums):
    run = nl.fit(make(), sums, batch_size=6, callbacks=At(6, lambda training: training.stop("I say so")))
    assert (run.stopped, run.why, len(run.history)) == ("asked", "I say so", 1)


def test_a_target_that_is_reached_ends_a_training(make, sums):
    run = nl.fit(make(), sums, optimizer="adam(lr=0.05)", validation=0.25, callbacks="target(below=0.3)")
    losses = run.history["validation_loss"]
    assert losses.iloc[-1] <= 0.3 < losses.iloc[:-1].min()
    assert run.why.endswith("which is at most 0.3")
    run = nl.fit(make(), sums, metrics="r2", optimizer="adam(lr=0.05)", callbacks="target(column='r2', above=0.5)")
    assert run.history["r2"].iloc[-1] >= 0.5 > run.history["r2"].iloc[:-1].max()
    with pytest.raises(InputError, match="no column 'r3'; did you mean 'r2'"):
        nl.fit(make(), sums, metrics="r2", callbacks="target(column='r3', above=0.5)")


def test_a_limit_of_time_ends_a_training(make, sums):
    run = nl.fit(make(), sums, epochs=10**6, callbacks="time_limit(seconds=0.05)")
    assert (run.stopped, run.why) == ("asked", "the limit of 0.05 seconds was reached")
    assert 0.05 <= run.timings["total"] < 5


def test_a_history_is_written_as_it_grows(make, sums, tmp_path):
    import pandas as pd

    file = tmp_path / "history.csv"
    run = nl.fit(make(), sums, epochs=3, validation=0.25, callbacks=f"csv(path={str(file)!r})")
    pd.testing.assert_frame_equal(pd.read_csv(file, index_col="epoch"), run.history)
