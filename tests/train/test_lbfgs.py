"""L-BFGS: SciPy's search on the whole of the data."""

import numpy as np
import pytest
from scipy.optimize import minimize

import nanolstm as nl
from nanolstm.errors import InputError, UnknownNameError


def scipys(model, x, target, **options):
    """SciPy's own search on the same numbers."""
    places = {name: view.shape for name, view in model.parameters.items()}

    def objective(vector):
        at = 0
        for name, shape in places.items():
            size = int(np.prod(shape))
            model.parameters[name][...] = vector[at : at + size].reshape(shape)
            at += size
        value, grads = model.value_and_grad(x, target, loss="mse")
        return value, np.concatenate([grads[name].ravel() for name in places])

    values = []
    start = np.concatenate([view.ravel() for view in model.parameters.values()])
    minimize(objective, start, jac=True, method="L-BFGS-B",
             callback=lambda intermediate_result: values.append(intermediate_result.fun), options=options)  # fmt: skip
    return values


def test_an_epoch_is_an_iteration_of_scipys(make, sums):
    run = nl.fit(make(), sums, optimizer="lbfgs(memory=5)", epochs=20)
    assert run.history["loss"].to_list() == scipys(make(), *sums, maxiter=20, maxcor=5, ftol=1e-12, gtol=1e-8)
    assert run.best_epoch == 20


def test_it_ends_at_a_minimum_which_no_step_of_adam_makes_lower(make, sums):
    model = make()
    run = nl.fit(model, sums, optimizer="lbfgs", epochs=2000, metrics="r2", validation=0.25)
    assert run.stopped == "converged"
    assert run.why.startswith("L-BFGS says: convergence")
    run = nl.fit(make(), sums, optimizer="lbfgs", epochs=2000)
    run.model.value_and_grad(*sums)
    again = nl.fit(run.model, sums, optimizer="adam(lr=1e-4)", epochs=20)
    assert again.history["loss"].min() >= run.best_score * (1 - 1e-6)


def test_patience_and_validation_work_as_with_any_other(make, sums):
    model = make()
    run = nl.fit(model, sums, optimizer="lbfgs", epochs=500, validation=(sums[0][:4], -sums[1][:4]), patience=3)
    assert (run.stopped, len(run.history)) == ("patience", run.best_epoch + 3)
    assert np.mean((model(sums[0][:4]) + sums[1][:4]) ** 2) == pytest.approx(run.best_score, rel=1e-12)


def test_float32_is_searched_in_float64(make, sums):
    model = make(dtype="float32")
    run = nl.fit(model, sums, optimizer="lbfgs", epochs=10)
    expected = scipys(make(), *sums, maxiter=10, maxcor=10, ftol=1e-12, gtol=1e-8)
    np.testing.assert_allclose(run.history["loss"], expected, rtol=1e-3)
    assert model.parameters["U"].dtype == np.float32


def test_sequences_of_unequal_length_are_one_batch(make, sums):
    lists = [row[: 3 + i % 7] for i, row in enumerate(sums[0])], [row[: 3 + i % 7] for i, row in enumerate(sums[1])]
    run = nl.fit(make(), lists, optimizer="lbfgs", epochs=10)
    predicted, true = np.concatenate([run.model(row) for row in lists[0]]), np.concatenate(lists[1])
    assert np.mean((predicted - true) ** 2) == pytest.approx(run.best_score, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 8}, "batch_size=8 of 24; leave it out"),
        ({"clip": 1.0}, "clip= has no meaning"),
        ({"schedule": "cosine"}, "schedule= has no meaning"),
        ({"batching": "windows(length=3)"}, "cannot go through windows"),
        ({"optimizer": "lbfgs(memory=0)"}, r"lbfgs\(memory=0\): expected a whole number"),
    ],
)
def test_what_has_no_meaning_for_it_is_refused(make, sums, options, text):
    with pytest.raises(InputError, match=text):
        nl.fit(make(), sums, **{"optimizer": "lbfgs", **options})


def test_it_has_no_learning_rate(make, sums):
    with pytest.raises(UnknownNameError, match="optimizer 'lbfgs' has no parameter 'lr'"):
        nl.fit(make(), sums, optimizer="lbfgs(lr=0.1)")


def test_parameters_that_are_projected_need_another_optimizer(leaky, sums):
    class Bounded(leaky):
        rate: nl.Array = nl.param("hidden", 0.5, project=lambda a: np.clip(a, 0, 1))

    with pytest.raises(InputError, match="rate would be moved by project="):
        nl.fit(nl.Sequence(Bounded(inputs=2, hidden=3, rng=0), readout=1), sums, optimizer="lbfgs")
