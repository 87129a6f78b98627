"""Dropout and zoneout of any cell, beside the same computation written out with the masks that were recorded."""

import copy
import pickle

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, diagonal, feed, gate, layer_norm, noise, param, sigmoid, state
from nanolstm.errors import CellError, InputError

B, T, M, K = 4, 9, 3, 5
X = np.random.default_rng(0).normal(size=(B, T, M))
TARGET = np.random.default_rng(1).normal(size=(B, T, K))
EVERYTHING = {
    "input_dropout": 0.2,
    "output_dropout": 0.3,
    "recurrent_dropout": 0.4,
    "zoneout": {"h": 0.1, "c": 0.5},
}
EACH = {
    "inputs": {"input_dropout": 0.3},
    "outputs": {"output_dropout": 0.3},
    "recurrent": {"recurrent_dropout": 0.3},
    "zoneout": {"zoneout": 0.3},
    "everything": EVERYTHING,
    "everything, variational": {**EVERYTHING, "variational": True},
}


def lstm(**settings):
    return nl.Sequence(nl.cells.LSTM(inputs=M, hidden=K, rng=0, **settings))


class GRU(Cell):
    update: Gate = gate(sigmoid)
    reset: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        z, r = self.update(x, h), self.reset(x, h)
        h = (1 - z) * h + z * self.new(x, r * h)
        return h, h


def squash(a):
    return 1 / (1 + np.exp(-a))


def lstm_written_out(p, x, masks):
    """The LSTM with dropout as Gal and Ghahramani (2016) have it, and the zoneout of Krueger et al. (2017)."""
    mask = lambda name, t: masks[name][:, t] if name in masks else 1.0  # noqa: E731
    h, c, outputs = np.zeros((B, K)), np.zeros((B, K)), []
    for t in range(T):
        seen_x, seen_h = x[:, t] * mask("keep_x", t), h * mask("keep_h", t)
        i, f, o, g = (
            seen_x @ p[f"{gate}.U"].T + seen_h @ p[f"{gate}.W"].T + p[f"{gate}.b"]
            for gate in ("input", "forget", "output", "new")
        )
        new_c = squash(f) * c + squash(i) * np.tanh(g)
        new_h = squash(o) * np.tanh(new_c)  # of the memory before it is held, as in the paper
        hold_h, hold_c = (masks[name][:, t] if name in masks else 0.0 for name in ("hold_h", "hold_c"))
        h, c = hold_h * h + (1 - hold_h) * new_h, hold_c * c + (1 - hold_c) * new_c
        outputs.append(h * mask("keep_output", t))
    return np.stack(outputs, axis=1)


def masks_of(recording):
    return {name: value for name, value in recording.items() if name.startswith(("keep_", "hold_"))}


# What is computed


@pytest.mark.parametrize("rng", [None, 7])
@pytest.mark.parametrize("settings", EACH.values(), ids=EACH)
def test_an_lstm_computes_what_is_written_out_with_its_masks(settings, rng):
    model = lstm(**settings)
    masks = masks_of(model.record(X, rng=rng))
    assert masks
    np.testing.assert_allclose(model(X, rng=rng), lstm_written_out(model.parameters, X, masks), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("settings", EACH.values(), ids=EACH)
def test_the_gradient_is_that_of_what_is_written_out_with_its_masks(settings):
    model, rng = lstm(**settings), np.random.default_rng(2)
    masks = masks_of(model.record(X, rng=7))
    loss, gradient = model.value_and_grad(X, TARGET, loss="mse", rng=7, wrt=("parameters", "x"))

    def written_out(step, direction, along_x):
        p = {name: value + step * direction[name] for name, value in model.parameters.items()}
        return np.mean((lstm_written_out(p, X + step * along_x, masks) - TARGET) ** 2)

    for _ in range(3):
        direction = {name: rng.normal(size=value.shape) for name, value in model.parameters.items()}
        along_x = rng.normal(size=X.shape)
        slope = sum((gradient["parameters"][name] * v).sum() for name, v in direction.items())
        slope += (gradient["x"] * along_x).sum()
        difference = written_out(1e-5, direction, along_x) - written_out(-1e-5, direction, along_x)
        assert slope == pytest.approx(difference / 2e-5, rel=1e-6)
    assert loss == pytest.approx(written_out(0.0, model.parameters, X), rel=1e-12)


def test_every_derivative_agrees_with_differences_of_eager_runs():
    report = nl.check(nl.cells.PeepholeLSTM, **EVERYTHING, time=4, batch=2)
    assert report.ok, report


def test_a_gate_sees_what_stands_in_the_place_of_the_state_through_the_mask_and_the_state_goes_on_whole():
    model = nl.Sequence(GRU(inputs=M, hidden=K, rng=0, recurrent_dropout=0.4))
    rec, p = model.record(X, rng=3), model.parameters
    keep, h = rec["keep_h"][:, 0], np.zeros((B, K))
    for t in range(T):
        z, r = (
            squash(X[:, t] @ p[f"{name}.U"].T + (h * keep) @ p[f"{name}.W"].T + p[f"{name}.b"])
            for name in ("update", "reset")
        )
        new = np.tanh(X[:, t] @ p["new.U"].T + (r * h * keep) @ p["new.W"].T + p["new.b"])
        h = (1 - z) * h + z * new
        np.testing.assert_allclose(rec["h"][:, t], h, rtol=1e-11, atol=1e-13)


def test_peepholes_see_the_whole_memory():
    class C(Cell):
        input: Gate = gate(sigmoid, P=diagonal("c"))

        def step(self, x, h, c):
            c = c + self.input(x, h, c)
            return c, np.tanh(c), c

    cell = C(inputs=M, hidden=K, rng=0, recurrent_dropout=0.5)
    assert list(cell.anatomy.masks) == ["keep_h"]
    cell.parameters["input.W"][...] = 0.0  # nothing but the peephole reads a state
    model = nl.Sequence(cell)
    assert np.array_equal(model(X, rng=0), model(X))


def test_every_state_that_a_matrix_reads_has_a_mask_of_its_own():
    class C(Cell):
        one: Gate = gate(np.tanh)
        other: Gate = gate(np.tanh, W="b")
        b: State = state("wide")
        wide: int = 4

        def step(self, x, a, b):
            a = self.one(x, a)
            return a, a, np.concatenate([b[..., 1:], self.other(x, b)[..., :1]], axis=-1)

    model = nl.Sequence(C(inputs=M, hidden=K, rng=0, recurrent_dropout=0.5))
    rec = model.record(X, rng=0)
    assert (rec["keep_a"].shape, rec["keep_b"].shape) == ((B, T, K), (B, T, 4))


def test_gates_of_a_kind_of_their_own_and_parts_of_gates_see_through_the_mask():
    class Normed(Gate):
        gain: Array = param("size", 1.0)

        def __call__(self, x, h):
            return self.activation(layer_norm(x @ self.U.T + h @ self.W.T) * self.gain)

    class C(Cell):
        new: Gate = gate(np.tanh, kind=Normed)
        other: Gate = gate(sigmoid)
        last: Gate = gate(sigmoid)

        def step(self, x, h):
            new = self.new(x, h) + self.other.preactivation(x, h) + sum(self.last.terms(x, h))
            return new, h

    model = nl.Sequence(C(inputs=M, hidden=K, rng=0, recurrent_dropout=0.5))
    first = {"h": np.linspace(-1, 1, K)}
    rec = model.record(X, initial=first, rng=5)
    for b in range(B):  # a mask on what a matrix multiplies is one on its columns
        whole = C(inputs=M, hidden=K, rng=0)
        for name in ("new.W", "other.W", "last.W"):
            whole.parameters[name] *= rec["keep_h"][b, 0]
        np.testing.assert_allclose(nl.Sequence(whole)(X[b], initial=first), rec.y[b], rtol=1e-12, atol=1e-14)


def test_an_output_that_is_a_state_is_so_after_it_was_held_too():
    rec = lstm(zoneout={"h": 0.5}).record(X, rng=0)
    assert np.array_equal(rec.y, rec["h"])
    held = rec["hold_h"][:, 1:] == 1
    assert np.array_equal(rec["h"][:, 1:][held], rec["h"][:, :-1][held])
    assert np.array_equal(rec["h"][:, 1:][~held], (rec["output"] * np.tanh(rec["c"]))[:, 1:][~held])
    toy = nl.Sequence(nl.cells.ToyLSTM(inputs=M, hidden=K, rng=0, zoneout=0.5)).record(X, rng=0)
    assert np.array_equal(toy.y, toy["output"])


# Masks


def test_a_dropped_element_is_0_and_the_rest_make_up_for_it():
    rec = lstm(input_dropout=0.2, output_dropout=0.5).record(np.ones((200, T, M)), rng=0)
    assert set(np.unique(rec["keep_x"])) == {0.0, 1 / 0.8}
    assert set(np.unique(rec["keep_output"])) == {0.0, 2.0}
    assert rec["keep_x"].mean() == pytest.approx(1.0, abs=0.03)  # 5,400 draws
    assert rec["keep_output"].mean() == pytest.approx(1.0, abs=0.05)  # 9,000 draws


def test_a_unit_is_held_with_the_probability_of_its_state():
    rec = lstm(zoneout={"h": 0.05, "c": 0.5}).record(np.ones((200, T, M)), rng=0)
    assert set(np.unique(rec["hold_h"])) == set(np.unique(rec["hold_c"])) == {0.0, 1.0}
    assert rec["hold_h"].mean() == pytest.approx(0.05, abs=0.01)
    assert rec["hold_c"].mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("variational", [False, True])
def test_masks_are_drawn_for_each_step_or_once_for_each_sequence(variational):
    rec = lstm(**EVERYTHING, variational=variational).record(X, rng=0)
    stays = {name: bool((mask == mask[:, :1]).all()) for name, mask in masks_of(rec).items()}
    assert stays == {
        "keep_x": variational, "keep_output": variational, "keep_h": True, "hold_h": False, "hold_c": False
    }  # fmt: skip
    assert all((mask[0] != mask[1]).any() for mask in masks_of(rec).values())


def test_outside_of_training_dropout_changes_no_bit():
    settings = {**EVERYTHING, "zoneout": 0.0}
    assert np.array_equal(lstm(**settings)(X), lstm()(X))
    ours, theirs = (model.value_and_grad(X, TARGET)[1] for model in (lstm(**settings), lstm()))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_outside_of_training_a_unit_goes_the_mean_part_of_the_way():
    rec = lstm(zoneout=0.3).record(X)
    c = (
        0.3 * rec["c"][:, :-1]
        + 0.7 * (rec["forget"] * np.pad(rec["c"], ((0, 0), (1, 0), (0, 0)))[:, :-1] + rec["input"] * rec["new"])[:, 1:]
    )
    np.testing.assert_allclose(rec["c"][:, 1:], c, rtol=1e-12, atol=1e-15)


def test_the_same_seed_draws_the_same_masks_in_every_way_of_running():
    model = lstm(**EVERYTHING)
    y = model(X, rng=3)
    assert np.array_equal(y, model(X, rng=3))
    assert np.array_equal(y, model.record(X, rng=3).y)
    assert np.array_equal(y, model(X, rng=np.random.default_rng(3)))
    assert not np.array_equal(y, model(X, rng=4))
    assert model.value_and_grad(X, TARGET, loss="mse", rng=3)[0] == pytest.approx(np.mean((y - TARGET) ** 2))


# Of any cell, in any model


def test_parameters_and_their_first_values_are_those_of_the_cell_without_dropout():
    with_it, without = lstm(**EVERYTHING), lstm()
    assert list(with_it.parameters) == list(without.parameters)
    assert np.array_equal(with_it.parameters.flat, without.parameters.flat)


ZOO = ["ToyLSTM", "Elman", "Jordan", "LSTM1997", "PeepholeLSTM", "ProjectedLSTM", "LSTMP", "CoupledLSTM",
       "LayerNormLSTM", "MultiplicativeLSTM", "PhasedLSTM", "NP", "FGR"]  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_a_cell_of_the_zoo_needs_no_rewriting(name):
    kind, x = getattr(nl.cells, name), X[..., :2]
    feeds = {"time": np.cumsum(np.ones((B, T)), axis=1)} if name == "PhasedLSTM" else {}
    model = nl.Sequence(
        kind(inputs=2, hidden=4, rng=0, input_dropout=0.2, output_dropout=0.2, recurrent_dropout=0.2, zoneout=0.2)
    )
    plain = nl.Sequence(kind(inputs=2, hidden=4, rng=0))
    drawn = model(x, rng=1, **feeds)
    assert np.isfinite(drawn).all()
    assert not np.array_equal(drawn, plain(x, **feeds))
    model.cells[0].zoneout = 0.0
    assert np.array_equal(model(x, **feeds), plain(x, **feeds))


def test_levels_and_directions_have_masks_of_their_own():
    cells = [
        nl.cells.LSTM(inputs=M, hidden=K, rng=0, output_dropout=0.5),
        GRU(inputs=2 * K, hidden=3, rng=1, zoneout=0.3),
    ]
    model = nl.Sequence(cells, bidirectional=True, readout=2)
    rec = model.record(X, rng=0, lengths=[9, 5, 1, 9])
    masks = [name for name in rec if "keep_" in name or "hold_" in name]
    assert masks == [
        "0.forward.keep_output", "0.backward.keep_output", "1.forward.hold_h", "1.backward.hold_h"
    ]  # fmt: skip
    assert not np.array_equal(rec[masks[0]], rec[masks[1]])
    below = np.concatenate([rec[f"0.{way}.h"] * rec[f"0.{way}.keep_output"] for way in ("forward", "backward")], -1)
    assert np.array_equal(rec["1.forward.x"], below)
    assert (rec.y[1, 5:] == 0).all()


def test_a_layer_without_states_can_drop_what_it_reads_and_returns():
    class Layer(Cell):
        only: Gate = gate(np.tanh)

        def step(self, x):
            return self.only(x)

    rec = nl.Sequence(Layer(inputs=M, hidden=K, rng=0, input_dropout=0.5, output_dropout=0.5)).record(X, rng=0)
    assert np.array_equal(rec["x"], X * rec["keep_x"])
    assert np.array_equal(rec.y, rec["only"] * rec["keep_output"])


def test_a_setting_may_be_changed_once_a_cell_is_made():
    model = lstm()
    model.cells[0].recurrent_dropout = 0.5
    assert not np.array_equal(model(X, rng=0), model(X))
    model.cells[0].recurrent_dropout = 0.0
    assert np.array_equal(model(X, rng=0), model(X))
    with pytest.raises(InputError, match=r"recurrent_dropout=1.5"):
        model.cells[0].recurrent_dropout = 1.5
    assert model.cells[0].recurrent_dropout == 0.0


def test_a_class_may_have_another_rate_unless_told():
    class Dropping(GRU):
        recurrent_dropout: float = 0.5

    assert list(Dropping(inputs=M, hidden=K).anatomy.masks) == ["keep_h"]
    assert not Dropping(inputs=M, hidden=K, recurrent_dropout=0.0).anatomy.masks


def test_only_what_is_asked_for_is_shown():
    assert repr(GRU(inputs=2, hidden=3)) == "GRU(inputs=2, hidden=3, dtype='float64')"
    cell = GRU(inputs=2, hidden=3, zoneout=0.1, variational=True)
    assert repr(cell) == "GRU(inputs=2, hidden=3, zoneout=0.1, variational=True, dtype='float64')"


@pytest.mark.parametrize(
    "again",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: nl.Sequence(model.cells[0].fresh(0)),
    ],
    ids=["copied", "pickled", "drawn again"],
)
def test_a_copy_drops_the_same(again):
    model = lstm(**EVERYTHING)
    assert np.array_equal(again(model)(X, rng=3), model(X, rng=3))


@pytest.mark.parametrize("settings", EACH.values(), ids=EACH)
def test_a_saved_model_has_its_dropout_again(settings, tmp_path):
    model = lstm(**settings)
    nl.save(model, tmp_path / "model.safetensors")
    loaded = nl.load(tmp_path / "model.safetensors")
    assert repr(loaded.cells[0]) == repr(model.cells[0])
    assert np.array_equal(loaded(X, rng=3), model(X, rng=3))


def test_a_model_step_by_step_is_at_the_means():
    model = lstm(**EVERYTHING)
    stepper = model.stepper(batch=B)
    np.testing.assert_allclose([stepper(X[:, t]) for t in range(T)], np.swapaxes(model(X), 0, 1), rtol=1e-12)


# Training


def test_fit_draws_masks_from_its_seed_and_validates_without_them():
    runs = {}
    for seed in (0, 0, 1):
        model = lstm(**EVERYTHING)
        run = nl.fit(
            model, (X, TARGET), epochs=2, validation=(X, TARGET), loss="mse", optimizer="sgd(lr=1e-12)", rng=seed
        )
        runs.setdefault(seed, []).append(run.history)
        assert run.history["validation_loss"].iloc[0] == pytest.approx(np.mean((model(X) - TARGET) ** 2), rel=1e-9)
    (one, same), (other,) = runs.values()
    assert one["loss"].equals(same["loss"])
    assert one["loss"].iloc[0] != other["loss"].iloc[0]
    assert one["loss"].iloc[0] != one["loss"].iloc[1]
    assert one["loss"].iloc[0] != one["validation_loss"].iloc[0]


def test_the_name_of_a_cell_may_ask_for_dropout():
    from nanolstm.estimators import RecurrentRegressor

    model = RecurrentRegressor("LSTM(recurrent_dropout=0.25, zoneout=0.1)", hidden=3, epochs=1, random_state=0)
    model.fit(X, TARGET[:, 0, 0])
    assert np.array_equal(model.predict(X), model.predict(X))
    assert list(model.model_.cells[0].anatomy.masks) == ["keep_h", "hold_h", "hold_c"]


def test_the_range_of_an_output_is_that_outside_of_training():
    toy = nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0, output_dropout=0.5, recurrent_dropout=0.5, zoneout=0.2)
    assert nl.output_range(nl.Sequence(toy)) == (0, 1)


# What is refused


class Memory(Cell):
    key: Gate = gate(np.tanh, W=None)
    memory: State = state(("hidden", "hidden"))

    def step(self, x, memory):
        k = self.key(x)
        memory = memory + k[..., :, None] * k[..., None, :]
        return np.matvec(memory, k), memory


class Stabilised(Cell):
    new: Gate = gate(np.tanh)
    m: State = state(start=-np.inf)

    def step(self, x, h, m):
        m = np.maximum(m, self.new(x, h))
        return m, np.tanh(m), m


class Layer(Cell):
    only: Gate = gate(np.tanh)

    def step(self, x):
        return self.only(x)


class Taken(Cell):
    new: Gate = gate(np.tanh)
    keep_x: Array = feed(default=1.0)

    def step(self, x, h, keep_x):
        h = self.new(x, h) * keep_x
        return h, h


@pytest.mark.parametrize("setting", ["input_dropout", "output_dropout", "recurrent_dropout", "zoneout"])
@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan"), True, "0.1", None])
def test_a_rate_is_a_number_from_0_on_and_below_1(setting, rate):
    with pytest.raises(InputError, match=rf"LSTM\({setting}=.*expected a number from 0 on, and below 1"):
        lstm(**{setting: rate})


@pytest.mark.parametrize(
    ("kind", "settings", "error", "says"),
    [
        (GRU, {"zoneout": {"h": 1.0}}, InputError, r"GRU\(zoneout of 'h'=1.0\): expected a number from 0 on"),
        (GRU, {"zoneout": {"c": 0.1}}, CellError, r"there is no state 'c'; .*states: h"),
        (Layer, {"zoneout": 0.1}, CellError, r"Layer\(zoneout=0.1\): this cell has no state that could be held"),
        (Memory, {"zoneout": 0.1}, CellError, r"'memory' has shape \(3, 3\), and a mask is a vector; leave it out"),
        (Stabilised, {"zoneout": 0.1}, CellError, r"'m' starts at -inf.*name those that can: zoneout={'h': 0.1}"),
        (Layer, {"recurrent_dropout": 0.1}, CellError, r"no gate has a weight that multiplies a state.*noise\(0.9"),
        (Memory, {"recurrent_dropout": 0.1}, CellError, r"no gate has a weight that multiplies a state"),
        (Taken, {"input_dropout": 0.1}, CellError, r"input_dropout draws a mask called 'keep_x', which is a name of"),
        (GRU, {"variational": 1}, InputError, r"GRU\(variational=1\): expected True or False"),
        (GRU, {"dropout": 0.1}, CellError, r"there is no such field; did you mean '\w*_dropout'"),
    ],
)
def test_what_cannot_be_dropped_or_held_is_refused(kind, settings, error, says):
    with pytest.raises(error, match=says):
        kind(inputs=2, hidden=3, **settings)


def test_a_state_that_can_be_held_is_held_by_name():
    model = nl.Sequence(Stabilised(inputs=M, hidden=K, rng=0, zoneout={"h": 0.5}))
    assert np.isfinite(model(X, rng=0)).all()


def test_a_mask_of_the_step_cannot_have_the_rate_of_a_setting():
    class C(GRU):
        zoneout: float = 0.1
        hold: Array = noise("zoneout")

        def step(self, x, h, hold):
            _, new = super().step(x, h)
            h = hold * h + (1 - hold) * new
            return h, h

    with pytest.raises(CellError, match=r"noise 'hold' has probability 'zoneout', which every cell acts on by itself"):
        C(inputs=2, hidden=3)


# Masks of the step itself


def test_an_inverted_mask_has_the_mean_1():
    class C(Cell):
        keep: Array = noise(0.8, size=20, inverted=True)

        def step(self, x, h, keep):
            return keep, h

    model = nl.Sequence(C(inputs=M, hidden=K))
    assert (model(X) == 1).all()
    assert set(np.unique(model(X, rng=0))) == {0.0, 1 / 0.8}


def test_an_inverted_mask_of_probability_0_is_refused():
    class C(Cell):
        keep: Array = noise(0.0, inverted=True)

        def step(self, x, h, keep):
            return keep, h

    with pytest.raises(CellError, match=r"noise 'keep' is inverted, 1 / p, so its probability cannot be 0"):
        C(inputs=M, hidden=K)
