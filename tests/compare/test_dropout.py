"""Dropout and zoneout are those of PyTorch where that has them, and of the papers elsewhere: values and gradients."""

import numpy as np
import pytest

import nanolstm as nl

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

B, T, M, K = 4, 7, 3, 5
X = np.random.default_rng(0).normal(size=(B, T, M))
GATES = ["input", "forget", "new", "output"]
SETTINGS = {"input_dropout": 0.2, "output_dropout": 0.3, "recurrent_dropout": 0.4, "zoneout": {"h": 0.1, "c": 0.5}}


def twin(masks):
    """The function of torch.nn.LSTMCell between the masks of a recording."""

    def run(p, x, first, feeds):
        weights = [torch.cat([p[f"{gate}.{name}"] for gate in GATES]) for name in "UWb"]
        h, c, outputs = first["h"], first["c"], []
        for t in range(T):
            now = {name: mask[:, t] for name, mask in masks.items()}
            seen = h * now["keep_h"], c
            new_h, new_c = torch.lstm_cell(x[:, t] * now["keep_x"], seen, *weights, torch.zeros_like(weights[-1]))
            h = now["hold_h"] * h + (1 - now["hold_h"]) * new_h
            c = now["hold_c"] * c + (1 - now["hold_c"]) * new_c
            outputs.append(h * now["keep_output"])
        return torch.stack(outputs, dim=1), {"h": h, "c": c}

    return run


@pytest.mark.parametrize("variational", [False, True])
def test_an_lstm_between_its_masks_is_that_of_pytorch(variational, comparison):
    model = nl.Sequence(nl.cells.LSTM(inputs=M, hidden=K, rng=0, **SETTINGS, variational=variational))
    masks = {n: torch.tensor(v) for n, v in model.record(X, rng=5).items() if n.startswith(("keep_", "hold_"))}
    both = comparison(model, twin(masks), X, np.random.default_rng(1).normal(size=(B, T, K)), rng=5)
    both.gradients_agree()
    both.hessian_vector_products_agree()


def test_dropout_between_levels_is_that_of_a_stack_of_pytorch(agrees):
    """torch.nn.LSTM(num_layers=2, dropout=p) drops what the first level returns: here with our mask in the middle."""
    cells = [nl.cells.LSTM(inputs=M, hidden=K, rng=0, output_dropout=0.5), nl.cells.LSTM(inputs=K, hidden=K, rng=1)]
    model = nl.Sequence(cells)
    rec, y = model.record(X, rng=5), torch.tensor(X)
    for level, keep in enumerate([rec["0.keep_output"], 1.0]):
        lstm = torch.nn.LSTM(y.shape[-1], K, batch_first=True, dtype=torch.float64)
        stacked = lambda name, at=level: np.concatenate([model.parameters[f"{at}.{g}.{name}"] for g in GATES])  # noqa: E731
        for name, value in {"weight_ih": stacked("U"), "weight_hh": stacked("W"), "bias_ih": stacked("b")}.items():
            getattr(lstm, f"{name}_l0").data = torch.tensor(value)
        lstm.bias_hh_l0.data.zero_()
        y = lstm(y)[0] * torch.as_tensor(keep)
    agrees(rec.y, y)
