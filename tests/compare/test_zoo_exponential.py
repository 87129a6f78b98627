"""The exponential family beside the authors' package, its plain PyTorch functions, in float64."""

import numpy as np
import pytest

import nanolstm as nl

torch = pytest.importorskip("torch", reason="torch is what xlstm is written in: pip install torch")
pytest.importorskip("xlstm", reason="xlstm is the independent implementation: pip install --no-deps xlstm")

from xlstm.blocks.mlstm.backends import parallel_stabilized_simple, recurrent_step_stabilized_simple  # noqa: E402
from xlstm.blocks.slstm.src.vanilla.slstm import slstm_forward_pointwise  # noqa: E402

GATES = ("input", "forget", "new", "output")
B, T, M, K = 3, 9, 4, 6


def made(kind, heads):
    """A cell whose parameters were all moved, and its inputs."""
    rng = np.random.default_rng(heads)
    cell = kind(inputs=M, hidden=K, heads=heads, rng=heads)
    for value in cell.parameters.values():
        value += 0.3 * rng.normal(size=value.shape)
    return cell, rng.normal(size=(B, T, M))


def tensors(cell):
    return {name: torch.tensor(value, requires_grad=True) for name, value in cell.parameters.items()}


def assert_same_gradients(cell, x, p, outputs):
    """Of the mean square of all outputs."""
    _, gradients = nl.Sequence(cell).value_and_grad(x, np.zeros((B, T, K)), loss="mse")
    torch.mean(outputs**2).backward()
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, p[name].grad, rtol=0, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_the_slstm_and_its_gradients_equal_the_authors_pointwise_function(heads):
    cell, x = made(nl.cells.SLSTM, heads)
    p = tensors(cell)
    states, steps = torch.zeros(4, B, K, dtype=torch.float64), []
    bias = torch.cat([p[f"{name}.b"] for name in GATES])[None]
    for t in range(T):
        h = states[0].reshape(B, heads, K // heads)
        Wx = torch.cat([torch.tensor(x[:, t]) @ p[f"{name}.U"].T for name in GATES], dim=1)
        Ry = torch.cat([torch.einsum("hij,bhj->bhi", p[f"{n}.W"], h).reshape(B, K) for n in GATES], dim=1)
        states, _ = slstm_forward_pointwise(Wx, Ry, bias, states, {})
        steps.append(states)
    rec = nl.Sequence(cell).record(x)
    for i, name in enumerate(("h", "c", "n", "m")):
        theirs = torch.stack([step[i] for step in steps], dim=1).detach()
        np.testing.assert_allclose(rec[name], theirs, rtol=0, atol=1e-10, err_msg=name)
    assert_same_gradients(cell, x, p, torch.stack([step[0] for step in steps], dim=1))


def projected(p, x, heads):
    """q, k, v (B, heads, T, D), the logarithms of the gates (B, heads, T, 1) and the output gate (B, T, K)."""
    all_x = torch.tensor(x)
    of = {name: all_x @ p[f"{name}.U"].T + p[f"{name}.b"] for name in ("query", "key", "value", "output")}
    q, k, v = (of[n].reshape(B, T, heads, K // heads).transpose(1, 2) for n in ("query", "key", "value"))
    i, f = ((all_x @ p[f"{n}.U"].T + p[f"{n}.b"]).transpose(1, 2)[..., None] for n in ("input", "forget"))
    return q, k, v, i, f, torch.sigmoid(of["output"])


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_the_mlstm_equals_the_authors_recurrent_step(heads):
    cell, x = made(nl.cells.MLSTM, heads)
    D = K // heads
    with torch.no_grad():
        q, k, v, i, f, o = projected(tensors(cell), x, heads)
        C = torch.zeros(B, heads, D, D, dtype=torch.float64)
        n = torch.zeros(B, heads, D, 1, dtype=torch.float64)
        m = torch.full((B, heads, 1, 1), -torch.inf, dtype=torch.float64)
        rec = nl.Sequence(cell).record(x)
        for t in range(T):
            at = slice(t, t + 1)
            step = (q[:, :, at].clone(), k[:, :, at].clone(), v[:, :, at].clone(), i[:, :, at], f[:, :, at])
            h, (C, n, m) = recurrent_step_stabilized_simple(C, n, m, *step, eps=0.0)
            theirs = {
                "C": C.transpose(-1, -2),  # the package stores k v^T
                "n": n[..., 0],
                "m": m[..., 0, 0],
            }
            for name, value in theirs.items():
                np.testing.assert_allclose(rec[name][:, t], value, rtol=0, atol=1e-10, err_msg=name)
            np.testing.assert_allclose(rec.y[:, t], o[:, t] * h.reshape(B, K), rtol=0, atol=1e-10)


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_the_mlstm_and_its_gradients_equal_the_authors_parallel_form(heads):
    """Attention with a matrix of decays, over the whole sequence at once: there is no recurrence in it."""
    cell, x = made(nl.cells.MLSTM, heads)
    p = tensors(cell)
    q, k, v, i, f, o = projected(p, x, heads)
    h = parallel_stabilized_simple(q, k, v, i, f, eps=0.0)
    outputs = o * h.transpose(1, 2).reshape(B, T, K)
    np.testing.assert_allclose(nl.Sequence(cell)(x), outputs.detach(), rtol=0, atol=1e-10)
    assert_same_gradients(cell, x, p, outputs)
