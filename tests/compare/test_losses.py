"""The gradient of every shipped loss by its prediction is PyTorch's of the same formula."""

import math

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, plugins

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

B, T, N = 3, 5, 4
LENGTHS = [5, 2, 4]


class Same(Cell):
    """Its output is its input: a gradient by x is one by the prediction."""

    def step(self, x):
        return x


def pinball(*levels):
    """Of the columns of each target in turn."""

    def loss(y, target):
        y = y.unflatten(-1, (-1, len(levels)))
        error = target[..., None] - y
        q = torch.tensor(levels, dtype=y.dtype)
        return torch.where(error >= 0, q * error, (q - 1) * error).mean()

    return loss


def smape(y, target):
    return 200 * ((y - target).abs() / (y.abs() + target.abs())).mean()


def gaussian(y, target):
    mean, log_variance = y.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.nn.functional.gaussian_nll_loss(mean, target, log_variance.exp(), full=True, eps=0)


def written_out_entropy(p, target):
    """The second derivative of PyTorch's own adds 1e-12 to what it divides by."""
    return -(target * p.log() + (1 - target) * torch.log1p(-p)).mean()


F = torch.nn.functional
LOSSES = {
    "rmse": lambda y, target: F.mse_loss(y, target).sqrt(),
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
    "huber(delta=0.3)": lambda y, target: F.huber_loss(y, target, delta=0.3),
    "smape": smape,
    "quantile": pinball(0.5),
    "quantile(q=0.9)": pinball(0.9),
    "quantile(q=(0.1, 0.9))": pinball(0.1, 0.9),
    "quantile(q=(0.05, 0.3, 0.5, 0.8))": pinball(0.05, 0.3, 0.5, 0.8),
    "gaussian_nll": gaussian,
    "bce": F.binary_cross_entropy,
    "bce(logits=True)": F.binary_cross_entropy_with_logits,
    "cross_entropy": F.cross_entropy,
}
COLUMNS = {"quantile(q=(0.1, 0.9))": 2, "quantile(q=(0.05, 0.3, 0.5, 0.8))": 4, "gaussian_nll": 2}


def drawn(name, *leading, seed=3):
    """A prediction and a target that the loss takes."""
    rng = np.random.default_rng(seed)
    y, target = rng.normal(size=(*leading, N)), rng.normal(size=(*leading, N // COLUMNS.get(name, 1)))
    if name.startswith("bce"):
        target = rng.uniform(size=target.shape) if seed % 2 else rng.integers(0, 2, size=target.shape).astype(float)
        y = y if "logits" in name else 1 / (1 + np.exp(-y))
    if name == "cross_entropy":
        target = rng.integers(0, N, size=leading)
    return y, target


def in_torch(function, y, target, valid=...):
    """The loss and its gradient of the valid entries."""
    leaf = torch.tensor(y, requires_grad=True)
    value = function(leaf[valid], torch.as_tensor(target)[valid])
    (gradient,) = torch.autograd.grad(value, [leaf], create_graph=True)
    return value, gradient, leaf


@pytest.fixture
def same():
    return nl.Sequence(Same(inputs=N, hidden=1))


def test_every_shipped_loss_is_compared():
    registry = plugins.shared.registry("losses")
    shipped = {name for name in registry if registry[name].plugin.name == "losses"}
    assert shipped == {name.partition("(")[0] for name in LOSSES}


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_by_the_prediction_equals_pytorchs(name, seed, same, agrees):
    y, target = drawn(name, T, seed=seed)
    value, gradient, _ = in_torch(LOSSES[name], y, target)
    ours, by_x = same.value_and_grad(y, target, loss=name, wrt="x")
    agrees(ours, value)
    agrees(by_x, gradient)


@pytest.mark.parametrize("name", LOSSES)
def test_what_lies_beyond_a_sequences_length_does_not_count(name, same, agrees):
    y, target = drawn(name, B, T)
    valid = np.arange(T) < np.reshape(LENGTHS, (-1, 1))
    value, gradient, _ = in_torch(LOSSES[name], y, target, torch.tensor(valid))
    ours, by_x = same.value_and_grad(np.where(valid[..., None], y, np.nan), target, loss=name, wrt="x", lengths=LENGTHS)
    agrees(ours, value)
    agrees(by_x, gradient)


@pytest.mark.parametrize("name", LOSSES)
def test_the_second_derivative_by_the_prediction_equals_pytorchs(name, same, agrees):
    y, target = drawn(name, T)
    _, gradient, leaf = in_torch(written_out_entropy if name == "bce" else LOSSES[name], y, target)
    v = np.random.default_rng(8).normal(size=y.shape)
    if gradient.requires_grad:
        (product,) = torch.autograd.grad((gradient * torch.tensor(v)).sum(), [leaf], materialize_grads=True)
    else:  # straight lines
        product = torch.zeros_like(leaf)
    agrees(same.hvp(y, target, v, loss=name, wrt="x"), product)


@pytest.mark.parametrize("name", LOSSES)
def test_the_derivative_of_a_loss_in_a_direction_is_its_gradient_times_it(name, same, agrees):
    y, target = drawn(name, T)
    value, gradient, _ = in_torch(LOSSES[name], y, target)
    v = np.random.default_rng(8).normal(size=y.shape)
    ours = same.jvp(y, v, target, loss=name, wrt="x")
    agrees(ours[0], value)
    agrees(ours[1], (gradient * torch.tensor(v)).sum())


def test_a_target_of_class_probabilities_equals_pytorchs(same, agrees):
    y, logits = np.random.default_rng(1).normal(size=(2, T, N))
    target = torch.softmax(torch.tensor(logits), dim=-1).numpy()
    value, gradient, _ = in_torch(F.cross_entropy, y, target)
    ours, by_x = same.value_and_grad(y, target, loss="cross_entropy", wrt="x")
    agrees(ours, value)
    agrees(by_x, gradient)


@pytest.mark.parametrize("name", ["bce(logits=True)", "cross_entropy"])
@pytest.mark.parametrize("size", [30.0, 700.0, 1e5])
def test_large_logits_have_pytorchs_gradient(name, size, same, agrees):
    y, target = drawn(name, T, seed=2)
    value, gradient, _ = in_torch(LOSSES[name], size * y, target)
    ours, by_x = same.value_and_grad(size * y, target, loss=name, wrt="x")
    agrees(ours, value)
    agrees(by_x, gradient)


# Points without a derivative, where the same one is chosen.


@pytest.mark.parametrize("name", ["mae", "mse", "huber"])
def test_an_exact_prediction_has_no_gradient(name, same, agrees):
    y, target = drawn(name, T)
    target[:, 1] = y[:, 1]
    _, gradient, _ = in_torch(LOSSES[name], y, target)
    _, by_x = same.value_and_grad(y, target, loss=name, wrt="x")
    assert (by_x[:, 1] == 0).all()
    agrees(by_x, gradient)


def test_errors_of_just_delta_have_pytorchs_gradient(same, agrees):
    y, target = drawn("huber", T)
    target = np.zeros_like(target)
    y[:, 0], y[:, 1] = 0.5, -0.5
    _, gradient, _ = in_torch(lambda y, target: F.huber_loss(y, target, delta=0.5), y, target)
    _, by_x = same.value_and_grad(y, target, loss="huber(delta=0.5)", wrt="x")
    agrees(by_x, gradient)


def test_equal_logits_have_pytorchs_gradient(same, agrees):
    y, target = np.zeros((T, N)), np.arange(T) % N
    y[1:3, :2] = 4.0  # two that are greatest
    for name, answer in (("cross_entropy", target), ("bce(logits=True)", np.eye(N)[target])):
        _, gradient, _ = in_torch(LOSSES[name], y, answer)
        _, by_x = same.value_and_grad(y, answer, loss=name, wrt="x")
        agrees(by_x, gradient)


def test_a_quantile_that_is_met_has_the_gradient_between_those_beside_it(same):
    y, _ = drawn("quantile", T)
    _, by_x = same.value_and_grad(y, y, loss="quantile(q=0.9)", wrt="x")
    np.testing.assert_allclose(by_x, (0.1 - 0.9) / 2 / y.size, rtol=1e-12)


def test_an_rmse_of_zero_has_no_gradient_where_pytorch_has_none_that_is_a_number(same):
    y, _ = drawn("rmse", T)
    _, gradient, _ = in_torch(LOSSES["rmse"], y, y)
    value, by_x = same.value_and_grad(y, y, loss="rmse", wrt="x")
    assert gradient.isnan().all()
    assert value == 0
    assert (by_x == 0).all()


def test_sums_of_two_zeros_have_no_smape_and_no_gradient(same, agrees):
    y, target = drawn("smape", T)
    y[0], target[0] = 0.0, 0.0
    _, gradient, _ = in_torch(lambda y, target: smape(y, target) * (T - 1) / T, y[1:], target[1:])
    _, by_x = same.value_and_grad(y, target, loss="smape", wrt="x")
    assert (by_x[0] == 0).all()
    agrees(by_x[1:], gradient)


def test_a_certain_probability_has_the_gradient_of_the_formula(same):
    y, target = np.tile([0.0, 1.0, 1e-12, 0.5], (T, 1)), np.tile([0.0, 1.0, 0.0, 1.0], (T, 1))
    value, by_x = same.value_and_grad(y, target, loss="bce", wrt="x")
    assert value == pytest.approx(math.log(2) / 4, rel=1e-9)
    np.testing.assert_allclose(by_x * y.size, np.tile([1.0, -1.0, 1.0, -2.0], (T, 1)), rtol=1e-9)
