"""The toy LSTM against the notebook's loop, written out from its equations and sharing nothing with the package."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm.protocols import evaluate_series

GATES = ("input", "forget", "output", "new")


def logistic(x):
    return 1.0 / (1 + np.exp(-x))


def draw_as_the_notebook_does(M, K, N):
    """Its parameters in its order of drawing, from NumPy's global generator; biases are zeros and draw nothing."""
    p = {}
    for gate, size in (("input", K), ("forget", K), ("output", N), ("new", K)):
        p[f"{gate}.U"] = np.random.randn(size, M)
        p[f"{gate}.W"] = np.random.randn(size, K)
        if gate != "new":
            p[f"{gate}.b"] = np.zeros((size, 1))
    return p


def step_of_the_notebook(p, x, h_before, c_before):
    """One pass of its loop: all are columns, and h and c are K x 1."""
    i = logistic(p["input.U"] @ x + p["input.W"] @ h_before + p["input.b"])
    f = logistic(p["forget.U"] @ x + p["forget.W"] @ h_before + p["forget.b"])
    o = logistic(p["output.U"] @ x + p["output.W"] @ h_before + p["output.b"])
    g = np.tanh(p["new.U"] @ x + p["new.W"] @ h_before)
    c = np.tanh(np.ravel(f) * np.ravel(c_before) + np.ravel(i) * np.ravel(g))
    h = (np.ravel(o) * c).reshape(-1, 1)
    return {"input": i, "forget": f, "output": o, "new": g, "c": c.reshape(-1, 1), "h": h}


def loop_of_the_notebook(p, xs, targets=None):
    K = len(p["input.b"])
    seen = {name: {} for name in (*GATES, "h", "c")}
    seen["h"][-1], seen["c"][-1] = np.zeros((K, 1)), np.zeros((K, 1))
    loss = 0
    for t in range(len(xs)):
        x = np.zeros((xs.shape[1], 1))
        for m in range(xs.shape[1]):
            x[m] = xs[t, m]
        for name, value in step_of_the_notebook(p, x, seen["h"][t - 1], seen["c"][t - 1]).items():
            seen[name][t] = value
        if targets is not None:
            loss += (targets[t] - seen["output"][t][0][0]) ** 2
    recorded = {name: np.array([values[t].ravel() for t in range(len(xs))]) for name, values in seen.items()}
    return recorded, np.sqrt(loss / len(xs))


def columns_of(cell):
    """The cell's parameters with biases as columns, for the loop above."""
    return {name: v.copy()[:, None] if name.endswith(".b") else v.copy() for name, v in cell.parameters.items()}


@pytest.fixture(scope="module")
def prices():
    return nl.load_data("sample", "AAPL", columns=["Adj Close", "Volume"])


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_seed_draws_what_the_notebook_draws(outputs):
    state = np.random.get_state()
    np.random.seed(7)
    p = draw_as_the_notebook_does(2, 3, outputs)
    np.random.set_state(state)
    cell = nl.cells.ToyLSTM(inputs=2, hidden=3, outputs=outputs, rng=np.random.RandomState(7))
    assert list(cell.parameters) == [
        *("input.U", "input.W", "input.b"),
        *("forget.U", "forget.W", "forget.b"),
        *("output.U", "output.W", "output.b"),
        *("new.U", "new.W"),
    ]
    for name, values in p.items():
        assert np.array_equal(cell.parameters[name], values[:, 0] if name.endswith(".b") else values), name


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rows", [slice(0, 523), slice(-523, None)])
def test_522_days_equal_the_notebook_in_every_gate_and_state(prices, seed, outputs, rows):
    frame = prices.iloc[rows]
    scaled = ((frame - frame.min()) / (frame.max() - frame.min())).to_numpy()
    xs, targets = scaled[:-1], scaled[1:, 0]
    cell = nl.cells.ToyLSTM(inputs=2, hidden=3, outputs=outputs, rng=np.random.RandomState(seed))
    expected, rmse = loop_of_the_notebook(columns_of(cell), xs, targets)
    rec = nl.Sequence(cell).record(xs)
    assert len(xs) == 522
    for name, values in expected.items():
        assert np.abs(rec[name] - values).max() < 1e-12, name
    assert np.array_equal(rec.y, rec["output"])
    if outputs == 1:
        assert abs(nl.loss("rmse")(rec.y, targets) - rmse) < 1e-12


def test_the_notebook_protocol_gives_the_notebooks_rmse(prices):
    frame = prices.iloc[-523:]
    cell = nl.cells.ToyLSTM(inputs=2, hidden=3, rng=np.random.RandomState(5))
    scaled = ((frame - frame.min()) / (frame.max() - frame.min())).to_numpy()
    _, rmse = loop_of_the_notebook(columns_of(cell), scaled[:-1], scaled[1:, 0])
    evaluation = evaluate_series(
        nl.Sequence(cell), frame, features=("Adj Close", "Volume"), target="Adj Close", loss=nl.loss("rmse")
    )
    persistence = np.sqrt(np.mean((scaled[1:, 0] - scaled[:-1, 0]) ** 2))
    assert abs(evaluation.scores["model"].scaled - rmse) < 1e-12
    assert abs(evaluation.scores["persistence"].scaled - persistence) < 1e-12
    assert abs(evaluation.scores["mean"].scaled - scaled[1:, 0].std()) < 1e-12


@settings(deadline=None, max_examples=60)
@given(
    M=st.integers(1, 8), K=st.integers(1, 8), T=st.integers(1, 30), scalar=st.booleans(), seed=st.integers(0, 2**31 - 1)
)
def test_random_shapes_equal_the_notebook(M, K, T, scalar, seed):
    cell = nl.cells.ToyLSTM(inputs=M, hidden=K, outputs=1 if scalar else K, rng=np.random.RandomState(seed))
    xs = np.random.default_rng(seed).normal(size=(T, M))
    expected, _ = loop_of_the_notebook(columns_of(cell), xs)
    rec = nl.Sequence(cell).record(xs)
    for name, values in expected.items():
        assert np.abs(rec[name] - values).max() < 1e-13, name


@pytest.mark.parametrize("scalar", [True, False])
@pytest.mark.parametrize("K", [3, 64])
def test_each_of_3269_steps_from_the_same_state_equals_the_notebook(prices, K, scalar):
    """Long runs of large cells are chaotic, and part whoever sums in whatever order; their steps do not."""
    xs = ((prices - prices.min()) / (prices.max() - prices.min())).to_numpy()[:-1]
    cell = nl.cells.ToyLSTM(inputs=2, hidden=K, outputs=1 if scalar else K, rng=np.random.RandomState(K))
    rec = nl.Sequence(cell).record(xs)
    before = {name: np.vstack([np.zeros((1, K)), rec[name]]) for name in ("h", "c")}
    p, worst = columns_of(cell), 0.0
    for t, x in enumerate(xs):
        expected = step_of_the_notebook(p, x[:, None], before["h"][t][:, None], before["c"][t][:, None])
        worst = max(worst, *(np.abs(rec[name][t] - value.ravel()).max() for name, value in expected.items()))
    assert len(xs) == 3269
    assert worst < 1e-15
