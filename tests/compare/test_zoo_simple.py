"""The networks without gates are those of PyTorch: outputs, last states and gradients, in float64."""

import numpy as np
import pytest

import nanolstm as nl

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

B, T, M, K = 4, 7, 3, 5
TOLERANCE = {"rtol": 0, "atol": 1e-10}


@pytest.mark.parametrize(("name", "nonlinearity"), [("Elman", "tanh"), ("ElmanReLU", "relu"), ("IRNN", "relu")])
def test_a_network_without_gates_is_that_of_pytorch(name, nonlinearity):
    cell = getattr(nl.cells, name)(inputs=M, hidden=K, rng=0)
    rng = np.random.default_rng(1)
    for value in cell.parameters.values():
        value += 0.3 * rng.normal(size=value.shape)
    p = {key: torch.tensor(value) for key, value in cell.parameters.items()}
    theirs = torch.nn.RNN(M, K, nonlinearity=nonlinearity, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(
        {
            "weight_ih_l0": p["new.U"],
            "weight_hh_l0": p["new.W"],
            "bias_ih_l0": p["new.b"] * 0.25,
            "bias_hh_l0": p["new.b"] * 0.75,
        }
    )
    x, first, target = rng.normal(size=(B, T, M)), rng.normal(size=(B, K)), rng.normal(size=(B, T, K))
    model = nl.Sequence(cell)

    y, last = model(x, initial={"h": first}, return_state=True)
    their_y, their_last = theirs(torch.tensor(x), torch.tensor(first)[None])
    np.testing.assert_allclose(y, their_y.detach().numpy(), **TOLERANCE)
    np.testing.assert_allclose(last["h"], their_last[0].detach().numpy(), **TOLERANCE)

    _, grads = model.value_and_grad(x, target, loss="mse", initial={"h": first})
    ((their_y - torch.tensor(target)) ** 2).mean().backward()
    for key, weight in (("new.U", "weight_ih_l0"), ("new.W", "weight_hh_l0"), ("new.b", "bias_ih_l0")):
        np.testing.assert_allclose(grads[key], getattr(theirs, weight).grad.numpy(), **TOLERANCE, err_msg=key)
