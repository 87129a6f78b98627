"""A loss on the last output of each sequence, and what a training step answers with beside the gradient."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.errors import InputError


def model_of(backend):
    return nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0), readout=2, rng=1, backend=backend)


@pytest.fixture(params=["numpy", "numba"])
def model(request):
    return model_of(request.param)


rng = np.random.default_rng(0)
X, TARGET = rng.standard_normal((4, 6, 2)), rng.standard_normal((4, 2))


@pytest.mark.parametrize("lengths", [None, [6, 2, 5, 1]])
def test_the_loss_of_the_last_steps_is_that_of_the_outputs_at_the_lengths(model, lengths):
    value, grads = model.value_and_grad(X, TARGET, loss="mse", steps="last", lengths=lengths)
    ends = np.full(4, 6) if lengths is None else np.array(lengths)

    def by_hand():
        return np.mean((model(X, lengths=lengths)[np.arange(4), ends - 1] - TARGET) ** 2)

    assert value == pytest.approx(by_hand(), rel=1e-13)
    for name, gradient in grads.items():
        view, step = model.parameters[name], 1e-6
        at = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
        before = view[at]
        view[at] = before + step
        above = by_hand()
        view[at] = before - step
        below = by_hand()
        view[at] = before
        assert gradient[at] == pytest.approx((above - below) / (2 * step), rel=1e-6), name


def test_one_sequence_has_one_target(model):
    one, one_grads = model.value_and_grad(X[1], TARGET[1], loss="mse", steps="last")
    value, grads = model.value_and_grad(X[1:2], TARGET[1:2], loss="mse", steps="last")
    assert one == pytest.approx(value, rel=1e-14)
    for name, gradient in grads.items():
        np.testing.assert_allclose(one_grads[name], gradient, rtol=1e-12, atol=1e-15)


def test_classes_of_sequences_are_integers(model):
    value, _ = model.value_and_grad(X, np.array([0, 1, 1, 0]), loss="cross_entropy", steps="last")
    logits = model(X)[:, -1]
    by_hand = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(4), [0, 1, 1, 0]])
    assert value == pytest.approx(by_hand, rel=1e-13)


@pytest.mark.parametrize("lengths", [None, [6, 2, 5, 1]])
def test_the_run_of_a_gradient_is_that_of_a_call(model, lengths):
    target = np.zeros((4, 6, 2))
    value, grads, run = model.value_grad_and_run(X, target, loss="mse", lengths=lengths)
    y, state = model(X, lengths=lengths, return_state=True)
    np.testing.assert_allclose(run.y, y, rtol=1e-13)
    assert run.state.keys() == state.keys()
    for name in state:
        np.testing.assert_allclose(run.state[name], state[name], rtol=1e-13)
    expected, expected_grads = model.value_and_grad(X, target, loss="mse", lengths=lengths)
    assert value == expected
    for name in grads:
        np.testing.assert_array_equal(grads[name], expected_grads[name])


# The kernels of directions take a quarter of a minute to compile; tests/kernels has those of all steps.
@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])
@pytest.mark.parametrize("lengths", [None, [6, 2, 5, 1]])
def test_derivatives_along_a_direction_are_of_the_last_steps_too(backend, lengths):
    model = model_of(backend)
    options = {"loss": "mse", "steps": "last", "lengths": lengths}
    draws = np.random.default_rng(1)
    direction = {name: draws.standard_normal(view.shape) for name, view in model.parameters.items()}
    value, along = model.jvp(X, direction, TARGET, **options)
    expected, grads = model.value_and_grad(X, TARGET, **options)
    assert value == pytest.approx(expected, rel=1e-12)
    assert along == pytest.approx(sum(np.sum(grads[name] * direction[name]) for name in grads), rel=1e-10)

    product = model.hvp(X, TARGET, direction, **options)
    step, sides = 1e-6, []
    for sign in (1, -1):
        for name, view in model.parameters.items():
            view += sign * step * direction[name]
        sides.append(model.value_and_grad(X, TARGET, **options)[1])
        for name, view in model.parameters.items():
            view -= sign * step * direction[name]
    largest = max(np.abs(value).max() for value in product.values())
    for name, value in product.items():
        np.testing.assert_allclose(
            value, (sides[0][name] - sides[1][name]) / (2 * step), rtol=0, atol=1e-7 * largest, err_msg=name
        )


def test_an_unknown_choice_of_steps_is_refused(model):
    with pytest.raises(InputError, match="steps='first': expected 'all', or 'last'"):
        model.value_and_grad(X, TARGET, steps="first")
