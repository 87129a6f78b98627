"""The continuous family beside the packages and the published code of its authors, in float64."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import cells

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

B, T, M, K = 4, 7, 3, 5


@pytest.fixture
def ncps():
    """The authors' cells of LTC and CfC."""
    pytest.importorskip("ncps.torch", reason="compared with ncps: pip install '.[compare]'")
    import ncps.torch
    import ncps.wirings

    return ncps


def spread(cell):
    rng = np.random.default_rng(3)
    for value in cell.parameters.values():
        value += 0.1 * rng.normal(size=value.shape)
    return {name: torch.as_tensor(value.copy()) for name, value in cell.parameters.items()}


def drawn():
    rng = np.random.default_rng(7)
    return rng.normal(size=(B, T, M)), rng.exponential(size=(B, T))


def copied(module, values):
    """`values` as the parameters of `module`, all of them."""
    module.double().load_state_dict({name: value.reshape(module.state_dict()[name].shape)
                                     for name, value in values.items()}, strict=True)  # fmt: skip
    return module


def joined(p, name, *weights):
    """The matrix and the bias of a Linear layer that reads what `weights` multiply, one after the other."""
    return torch.cat([p[f"{name}.{weight}"] for weight in weights], dim=1), p[f"{name}.b"]


def over_time(step, x, dt, *states):
    """The outputs of `step(x, dt, *states)` -> (output, *states) over time, and the last states, with gradients."""
    outputs = []
    for t in range(T):
        y, *states = step(x[:, t], dt[:, t, None], *states)
        outputs.append(y)
    return torch.stack(outputs, dim=1), states


def zeros(count):
    return [torch.zeros(B, K, dtype=torch.float64) for _ in range(count)]


def agree(cell, step, count, agrees):
    """Outputs, last states, and the gradients by x and dt, which no name of a parameter could hide."""
    x, dt = drawn()
    model = nl.Sequence(cell)
    theirs_x, theirs_dt = (torch.tensor(value, requires_grad=True) for value in (x, dt))
    y, states = over_time(step, theirs_x, theirs_dt, *zeros(count))
    ours, last = model(x, dt=dt, return_state=True)
    agrees(ours, y)
    for name, state in zip(cell.anatomy.states, states, strict=True):
        agrees(last[name], state, name)
    (y**2).mean().backward()
    _, gradient = model.value_and_grad(x, np.zeros(ours.shape), loss="mse", dt=dt, wrt=("x", "dt"))
    agrees(gradient["x"], theirs_x.grad, "by x")
    agrees(gradient["dt"], theirs_dt.grad, "by dt")


def test_ltc_equals_that_of_ncps_with_every_synapse_there_is(ncps, agrees):
    cell = cells.LTC(inputs=M, hidden=K, rng=1)
    p = spread(cell)
    wiring = ncps.wirings.FullyConnected(K)
    twin = ncps.torch.LTCCell(wiring, M, implicit_param_constraints=True, epsilon=0.0)
    values = {name: p[name] for name in ("gleak", "vleak", "cm", "input_w", "input_b", "output_w", "output_b")}
    values |= {name: p[f"recurrent.{name}"].T for name in ("w", "mu", "sigma")}
    values |= {f"sensory_{name}": p[f"sensory.{name}"].T for name in ("w", "mu", "sigma")}
    values |= {"erev": p["erev"].T, "sensory_erev": p["sensory_erev"].T}
    values |= {"sparsity_mask": torch.ones(K, K), "sensory_sparsity_mask": torch.ones(M, K)}
    copied(twin, values)
    agree(cell, lambda x, dt, v: twin(x, v, dt), 1, agrees)


@pytest.mark.parametrize(
    ("kind", "mode"), [(cells.CfC, "default"), (cells.CfCNoGate, "no_gate"), (cells.CfCPure, "pure")],
    ids=["default", "no_gate", "pure"],
)  # fmt: skip
def test_cfc_equals_that_of_ncps_in_each_of_its_modes(kind, mode, ncps, agrees):
    cell = kind(inputs=M, hidden=K, backbone_units=16, rng=1)
    p = spread(cell)
    twin = ncps.torch.CfCCell(M, K, mode=mode, backbone_units=16)
    layers = {"backbone.0": joined(p, "backbone", "U", "W")}
    layers |= {name: joined(p, name, "U") for name in ("ff1", "ff2", "time_a", "time_b") if f"{name}.U" in p}
    values = {f"{name}.weight": weight for name, (weight, _) in layers.items()}
    values |= {f"{name}.bias": bias for name, (_, bias) in layers.items()}
    copied(twin, values | {name: p[name] for name in ("w_tau", "A") if name in p})
    agree(cell, lambda x, dt, h: twin(x, h, dt), 1, agrees)


def linear(name, p, *weights):
    weight, bias = joined(p, name, *weights)
    return lambda *values: torch.nn.functional.linear(torch.cat(values, dim=1), weight, bias)


def test_cornn_equals_a_step_in_torch_in_the_order_of_its_authors(agrees):
    """Velocity first, of the old position and the old velocity; then the position, of the new velocity."""
    cell = cells.CoRNN(inputs=M, hidden=K, rng=1)
    i2h = linear("drive", spread(cell), "U", "Z", "W")

    def step(x, dt, y, z):
        d = cell.time_step * dt
        z = z + d * (torch.tanh(i2h(x, z, y)) - cell.gamma * y - cell.epsilon * z)
        y = y + d * z
        return y, y, z

    agree(cell, step, 2, agrees)


def test_lem_equals_a_step_in_torch_in_the_order_of_its_authors(agrees):
    """Both time steps of the old y; then z; then y, of the new z. The layers are cut as the authors' code cuts them."""
    cell = cells.LEM(inputs=M, hidden=K, time_step=0.3, rng=1)
    p = spread(cell)
    order = ("step_y", "step_z", "new_y", "new_z")
    inp2hid = torch.cat([p[f"{name}.U"] for name in order]), torch.cat([p[f"{name}.b"] for name in order])
    hid2hid = torch.cat([p[f"{name}.W"] for name in ("step_y", "step_z", "new_z")])

    def step(x, dt, y, z):
        from_x = torch.nn.functional.linear(x, *inp2hid).chunk(4, 1)
        from_y = torch.nn.functional.linear(y, hid2hid).chunk(3, 1)
        bar, own = (cell.time_step * dt * torch.sigmoid(a + b) for a, b in zip(from_x[:2], from_y[:2], strict=True))
        z = (1 - own) * z + own * torch.tanh(from_x[3] + from_y[2])
        y = (1 - bar) * y + bar * torch.tanh(z @ p["new_y.W"].T + from_x[2])
        return y, y, z

    agree(cell, step, 2, agrees)
