"""Training beside PyTorch: one model, one order of data, one optimizer, and then one loss curve."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Cell, Gate, gate, sigmoid

torch = pytest.importorskip("torch", reason="compares with PyTorch")

STEPS = 50
OPTIMIZERS = {
    "sgd(lr=0.1)": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd(lr=0.1, momentum=0.9)": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "sgd(lr=0.1, momentum=0.9, dampening=0.5)": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    "sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "adam": lambda p: torch.optim.Adam(p),
    "adam(lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)": lambda p: torch.optim.Adam(
        p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1
    ),
    "adamw": lambda p: torch.optim.AdamW(p),
    "adamw(lr=0.01, weight_decay=0.2)": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.2),
    "rmsprop": lambda p: torch.optim.RMSprop(p),
    "rmsprop(lr=0.001, momentum=0.9, weight_decay=0.1)": lambda p: torch.optim.RMSprop(
        p, lr=0.001, momentum=0.9, weight_decay=0.1
    ),
    "rmsprop(lr=0.001, centered=True, momentum=0.5)": lambda p: torch.optim.RMSprop(
        p, lr=0.001, centered=True, momentum=0.5
    ),
}


class LSTM(Cell):
    """In the orientation, and with the order of gates, of torch.nn.LSTM."""

    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)
    output: Gate = gate(sigmoid)

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


class Twin(torch.nn.Module):
    """torch.nn.LSTM and a linear layer, with the numbers of a model of nanolstm."""

    def __init__(self, model):
        super().__init__()
        p = model.parameters
        cells = len(model.cells)
        self.lstm = torch.nn.LSTM(model.inputs, model.cells[0].hidden, cells, batch_first=True, dtype=torch.float64)
        self.linear = torch.nn.Linear(model.cells[0].hidden, model.outputs, dtype=torch.float64)
        with torch.no_grad():
            for i in range(cells):
                at = f"{i}." if cells > 1 else ""
                for name, weight in (("weight_ih", "U"), ("weight_hh", "W"), ("bias_ih", "b")):
                    joined = np.concatenate(
                        [p[f"{at}{gate}.{weight}"] for gate in ("input", "forget", "new", "output")]
                    )
                    getattr(self.lstm, f"{name}_l{i}").copy_(torch.as_tensor(joined))
                # PyTorch has two biases and we have one: the other stays 0, and out of the training.
                bias = getattr(self.lstm, f"bias_hh_l{i}")
                bias.zero_().requires_grad_(False)
            self.linear.weight.copy_(torch.as_tensor(p["readout.U"].copy()))
            self.linear.bias.copy_(torch.as_tensor(p["readout.b"].copy()))

    def forward(self, x):
        return self.linear(self.lstm(x)[0])

    def trained(self):
        return [p for p in self.parameters() if p.requires_grad]


def model_of(cells):
    sizes = [2, 4, 4][: cells + 1]
    return nl.Sequence([LSTM(inputs=m, hidden=4, rng=i) for i, m in enumerate(sizes[:-1])], readout=1, rng=9)


rng = np.random.default_rng(0)
X, TARGET = rng.standard_normal((6, 12, 2)), rng.standard_normal((6, 12, 1))


def torchs_curve(twin, optimizer, *, clip=None, batches=None, factor=None):
    """The loss before each update."""
    x, target = torch.as_tensor(X), torch.as_tensor(TARGET)
    batches = batches or [slice(None)]
    losses = []
    first = optimizer.param_groups[0]["lr"]
    for step in range(STEPS):
        rows = batches[step % len(batches)]
        optimizer.zero_grad()
        loss = ((twin(x[rows]) - target[rows]) ** 2).mean()
        loss.backward()
        if clip is not None:
            clip(twin.trained())
        if factor is not None:
            optimizer.param_groups[0]["lr"] = first * factor(step)
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


@pytest.mark.parametrize(("name", "cells"), [*((name, 1) for name in OPTIMIZERS), ("adam", 2)])
def test_the_loss_curve_of_an_optimizer_is_that_of_pytorch(name, cells):
    model = model_of(cells)
    twin = Twin(model)
    expected = torchs_curve(twin, OPTIMIZERS[name](twin.trained()))
    run = nl.fit(model, (X, TARGET), optimizer=name, epochs=STEPS)
    np.testing.assert_allclose(run.history["loss"], expected, rtol=0, atol=1e-8)
    assert expected[-1] < expected[0] * 0.999


@pytest.mark.parametrize(
    ("clip", "theirs"),
    [
        (0.05, lambda p: torch.nn.utils.clip_grad_norm_(p, 0.05)),
        ({"norm": 0.05}, lambda p: torch.nn.utils.clip_grad_norm_(p, 0.05)),
        ({"value": 0.01}, lambda p: torch.nn.utils.clip_grad_value_(p, 0.01)),
        (
            {"value": 0.01, "norm": 0.02},
            lambda p: (torch.nn.utils.clip_grad_value_(p, 0.01), torch.nn.utils.clip_grad_norm_(p, 0.02)),
        ),
    ],
)
def test_a_clipped_gradient_is_pytorchs(clip, theirs):
    model = model_of(1)
    twin = Twin(model)
    free = Twin(model)
    expected, unclipped = (
        torchs_curve(t, torch.optim.SGD(t.trained(), lr=0.5, momentum=0.9), clip=how)
        for t, how in ((twin, theirs), (free, None))
    )
    run = nl.fit(model, (X, TARGET), optimizer="sgd(lr=0.5, momentum=0.9)", clip=clip, epochs=STEPS)
    np.testing.assert_allclose(run.history["loss"], expected, rtol=0, atol=1e-8)
    assert not np.allclose(expected, unclipped)


def test_ordered_batches_with_a_schedule_end_at_pytorchs_parameters():
    model = model_of(1)
    twin = Twin(model)
    batches = [slice(0, 4), slice(4, 6)]
    factor = lambda step: 0.5 ** (step // 2)  # noqa: E731
    torchs_curve(twin, torch.optim.Adam(twin.trained(), lr=0.01), batches=batches, factor=lambda s: factor(s) + 0.1)
    run = nl.fit(
        model,
        (X, TARGET),
        optimizer="adam(lr=0.01)",
        schedule=lambda done, epochs: 0.5 ** int(done) + 0.1,
        batch_size=4,
        batching="ordered",
        epochs=STEPS // 2,
    )
    assert run.best_epoch == STEPS // 2
    np.testing.assert_allclose(model.parameters["readout.U"], twin.linear.weight.numpy(force=True), rtol=0, atol=1e-10)
    ours = np.concatenate([model.parameters[f"{gate}.W"] for gate in ("input", "forget", "new", "output")])
    np.testing.assert_allclose(ours, twin.lstm.weight_hh_l0.numpy(force=True), rtol=0, atol=1e-10)
