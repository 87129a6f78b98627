"""The forms of data, and the pieces in which it is trained on."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.errors import InputError
from nanolstm.train.batching import Bucketed, Shuffled, Windows
from nanolstm.train.examples import examples

LENGTHS = np.array([10, 3, 7, 1, 10, 5])
MSE = nl.loss("mse")


@pytest.fixture
def ragged(sums):
    x, target = sums
    return [x[i, :n] for i, n in enumerate(LENGTHS)], [target[i, :n] for i, n in enumerate(LENGTHS)]


def trained(model, data, **options):
    run = nl.fit(model, data, epochs=3, batch_size=4, rng=0, **options)
    return np.concatenate([v.ravel() for v in model.parameters.values()]), run.history["loss"].to_numpy()


def same(one, other):
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_all_forms_of_data_are_one(make, sums, ragged):
    x, target = sums[0][:6], sums[1][:6].copy()
    lists = trained(make(), ragged)
    target[np.arange(10) >= LENGTHS[:, None]] = np.nan  # what is padded may be anything
    padded = np.where(np.isnan(target), np.nan, x)
    same(lists, trained(make(), {"x": padded, "target": target, "lengths": LENGTHS}))
    same(lists, trained(make(), nl.SequenceData(x=padded, y=target, lengths=LENGTHS)))
    same(lists, trained(make(), {"x": ragged[0], "target": [t[:, 0] for t in ragged[1]]}))


def test_equal_lengths_are_no_lengths(make, sums):
    same(trained(make(), sums), trained(make(), (list(sums[0]), list(sums[1]))))
    same(trained(make(), sums), trained(make(), {"x": sums[0], "target": sums[1], "lengths": [10] * 24}))


def test_one_sequence_needs_no_batch_axis(make, sums):
    same(trained(make(), (sums[0][:1], sums[1][:1])), trained(make(), (sums[0][0], sums[1][0])))


def test_feeds_and_resets_go_along_with_their_sequences(make, sums):
    class Timed(nl.Cell):
        dt: nl.Array = nl.feed(default=1.0)
        rate: nl.Array = nl.param("hidden", 0.5)
        U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot())

        def step(self, x, h, dt):
            h = np.exp(-dt * nl.softplus(self.rate)) * h + x @ self.U.T
            return h, h

    rng = np.random.default_rng(3)
    x, target = sums
    dt, resets = rng.uniform(size=(24, 10)), rng.random((24, 10)) < 0.2
    model, twin = make(kind=Timed), make(kind=Timed)
    data = {"x": x, "target": target, "dt": dt, "resets": resets}
    nl.fit(model, data, optimizer="sgd(lr=0.1)", epochs=1, batch_size=12, batching="ordered", validation=None)
    for rows in (slice(0, 12), slice(12, 24)):
        _, grads = twin.value_and_grad(x[rows], target[rows], loss="mse", dt=dt[rows], resets=resets[rows])
        for name, gradient in grads.items():
            twin.parameters[name][...] -= 0.1 * gradient
    for name, view in twin.parameters.items():
        np.testing.assert_allclose(model.parameters[name], view, rtol=1e-12)
    lists = {key: [row[:n] for row, n in zip(value, LENGTHS, strict=False)] for key, value in data.items()}
    padded = {key: value[:6] for key, value in data.items()} | {"lengths": LENGTHS}
    same(trained(make(kind=Timed), lists), trained(make(kind=Timed), padded))


def test_a_target_for_each_sequence_is_compared_with_its_last_output(make, ragged):
    x, target = ragged[0], np.arange(6.0)
    model = make()
    run = nl.fit(
        model, (x, target), steps="last", optimizer="sgd(lr=1e-300)", epochs=1, batch_size=4, metrics="mae", rng=0
    )
    last = np.array([model(row)[-1, 0] for row in x])
    assert run.history["loss"][1] == pytest.approx(np.mean((last - target) ** 2), rel=1e-12)
    assert run.history["mae"][1] == pytest.approx(np.mean(np.abs(last - target)), rel=1e-12)


def test_labels_of_sequences_are_learnt(make, sums):
    x, _ = sums
    labels = (x[..., 0].mean(axis=1) > 0).astype(int)
    run = nl.fit(
        make(readout=2), (x, labels), loss="cross_entropy", steps="last", metrics="accuracy", epochs=60,
        optimizer="adam(lr=0.1)",
    )  # fmt: skip
    assert run.history["accuracy"].iloc[-1] > 0.95
    logits = run.model(x)[:, -1]
    assert np.mean(np.argmax(logits, axis=1) == labels) > 0.95


def test_shuffling_goes_through_every_sequence_once_an_epoch(make, sums):
    data = examples(make(), sums, MSE, whole=False)
    plans = [Shuffled().plan(data, 5, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    for plan in plans:
        assert [len(piece.rows) for piece in plan] == [5, 5, 5, 5, 4]
        assert sorted(np.concatenate([piece.rows for piece in plan])) == list(range(24))
    order = [np.concatenate([piece.rows for piece in plan]).tolist() for plan in plans]
    assert order[0] == order[1] != order[2]


def test_buckets_hold_sequences_of_like_length_and_are_padded_to_the_longest(make):
    ends = np.random.default_rng(0).integers(1, 50, 40)
    x = [np.zeros((n, 2)) for n in ends]
    data = examples(make(), (x, [row[:, :1] for row in x]), MSE, whole=False)
    plan = Bucketed().plan(data, 8, np.random.default_rng(0))
    assert sorted(np.concatenate([piece.rows for piece in plan])) == list(range(40))
    assert sorted((ends[p.rows].min(), p.length) for p in plan) == [
        (own.min(), own.max()) for own in np.split(np.sort(ends), 5)
    ]
    assert [p.length for p in plan] != sorted(p.length for p in plan)
    for piece in plan:
        taken, target, more = data.take(piece)
        assert taken.shape == (8, piece.length, 2)
        assert target.shape == (8, piece.length, 1)
        np.testing.assert_array_equal(more.get("lengths", piece.length), ends[piece.rows])


def test_windows_are_all_there_are_each_once(make, sums):
    data = examples(make(), sums, MSE, whole=False)
    plan = Windows(length=4, stride=3).plan(data, 16, np.random.default_rng(0))
    found = {(int(row), int(begin)) for piece in plan for row, begin in zip(piece.rows, piece.begin, strict=True)}
    assert found == {(row, begin) for row in range(24) for begin in (0, 3, 6)}
    for piece in plan:
        x, target, _ = data.take(piece)
        for row, begin, window, aim in zip(piece.rows, piece.begin, x, target, strict=True):
            np.testing.assert_array_equal(window, sums[0][row, begin : begin + 4])
            np.testing.assert_array_equal(aim, sums[1][row, begin : begin + 4])


def test_a_window_can_be_scored_at_its_last_step_alone(make, sums):
    model = make()
    run = nl.fit(model, (sums[0][0], sums[1][0]), batching="windows(length=4)", steps="last", epochs=1,
                 optimizer="sgd(lr=1e-300)", rng=0)  # fmt: skip
    errors = [model(sums[0][0, begin : begin + 4])[-1] - sums[1][0, begin + 3] for begin in range(7)]
    assert run.history["loss"][1] == pytest.approx(np.mean(np.square(errors)), rel=1e-12)


def test_stateful_training_carries_the_state_and_no_gradient(make, sums):
    x, target = sums
    model, twin = make(), make()
    run = nl.fit(model, (x, target), batching="stateful(length=4)", batch_size=16, epochs=2, optimizer="sgd(lr=0.1)")
    losses = []
    for _ in range(2):
        outputs = []
        for rows in (slice(0, 16), slice(16, 24)):
            state = None
            for steps in (slice(0, 4), slice(4, 8), slice(8, 10)):
                y, after = twin(x[rows, steps], initial=state, return_state=True)
                _, grads = twin.value_and_grad(x[rows, steps], target[rows, steps], loss="mse", initial=state)
                outputs.append((y - target[rows, steps]).ravel())
                state = after
                for name, gradient in grads.items():
                    twin.parameters[name][...] -= 0.1 * gradient
        losses.append(np.mean(np.concatenate(outputs) ** 2))
    np.testing.assert_allclose(run.history["loss"], losses, rtol=1e-12)
    for name, view in twin.parameters.items():
        np.testing.assert_allclose(model.parameters[name], view, rtol=1e-12)


def test_a_model_of_both_directions_cannot_be_trained_in_stateful_pieces(make, sums):
    with pytest.raises(InputError, match="bidirectional model reads a series from its end"):
        nl.fit(make(bidirectional=True), sums, batching="stateful(length=4)")


def test_truncation_is_that_of_value_and_grad(make, sums):
    model, twin = make(), make()
    nl.fit(model, sums, optimizer="sgd(lr=0.1)", epochs=1, truncate=3)
    _, grads = twin.value_and_grad(*sums, loss="mse", truncate=3)
    for name, view in twin.parameters.items():
        np.testing.assert_allclose(model.parameters[name], view - 0.1 * grads[name], rtol=1e-12)


@pytest.mark.parametrize("steps", ["all", "last"])
def test_a_share_is_held_back_at_the_end_of_the_sequences(make, sums, steps):
    target = sums[1] if steps == "all" else sums[1][:, -1]
    part = trained(make(), (sums[0][:18], target[:18]), validation=(sums[0][18:], target[18:]), steps=steps)
    same(part, trained(make(), (sums[0], target), validation=0.25, steps=steps))


@pytest.mark.parametrize("batching", ["shuffled", "stateful(length=3)"])
def test_of_one_series_the_end_is_held_back_and_met_in_the_state_after_the_rest(make, sums, batching):
    x, target = sums[0].reshape(-1, 2), sums[1].reshape(-1, 1)
    model = make()
    run = nl.fit(model, (x, target), validation=0.25, batching=batching, optimizer="sgd(lr=1e-300)", epochs=1)
    y = model(x)
    assert run.history["validation_loss"][1] == pytest.approx(np.mean((y - target)[180:] ** 2), rel=1e-12)
    assert run.history["loss"][1] == pytest.approx(np.mean((y - target)[:180] ** 2), rel=1e-12)


def test_no_window_reaches_from_the_training_part_into_what_is_held_back(make, sums):
    x, target = sums[0].reshape(-1, 2), sums[1].reshape(-1, 1).copy()
    target[180:] = 1e6  # a window that saw one of these would show it
    model = make()
    run = nl.fit(model, (x, target), validation=0.25, batching="windows(length=6)", epochs=1, batch_size=8, rng=0,
                 optimizer="sgd(lr=1e-300)")  # fmt: skip
    errors = [(model(x[b : b + 6]) - target[b : b + 6]).ravel() for b in range(175)]
    assert run.history["loss"][1] == pytest.approx(np.mean(np.square(errors)), rel=1e-9)
    assert run.history["validation_loss"][1] == pytest.approx(1e12, rel=1e-3)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (lambda x, t: x, "data is a ndarray; expected"),
        (lambda x, t: (x, t, t), "data is a tuple of 3"),
        (lambda x, t: {"x": x, "y": t}, "data is a dict of x, y; expected"),
        (lambda x, t: (x, t[:, :5]), r"the target has shape \(24, 5, 1\); expected \(24, 10\) and the outputs"),
        (lambda x, t: (x, t[:, -1]), r"for one for each sequence say steps=.last."),
        (lambda x, t: (x[..., :1], t), "x has 1 features"),
        (lambda x, t: (np.where(x > 2, np.nan, x), t), "x has NaN at example"),
        (lambda x, t: (x, np.where(t > 1, np.nan, t)), r"the target has \d+ values of 240 that are not finite"),
        (lambda x, t: ([x[0], x[1][:4]], [t[0], t[1]]), r"target\[1\] has shape \(10, 1\); expected \(4, 1\)"),
        (lambda x, t: ([x[0], x[1][:4]], t[:2, -1]), "target: expected a list of 2 arrays"),
        (lambda x, t: ([x[0], x[1][:4, :1]], [t[0], t[1][:4]]), r"x\[1\] has shape \(4, 1\); expected \(4, 2\)"),
        (lambda x, t: {"x": list(x), "target": list(t), "lengths": [1] * 24}, "leave lengths= out"),
        (lambda x, t: {"x": x, "target": t, "dt": t}, "the model has no feed 'dt'"),
    ],
)
def test_data_that_does_not_fit_is_told_so(make, sums, data, text):
    with pytest.raises(InputError, match=text):
        nl.fit(make(), data(*sums))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batching": "windows(length=6)"}, "windows of 6 steps do not fit into series 1, which has 3"),
        ({"batching": "stateful(length=6)"}, "series of one length; these have 1 to 10 steps"),
        ({"batching": "stateful(length=6)", "steps": "last"}, "not with stateful pieces"),
        ({"batching": "windows(length=1)", "validation": 0.5}, "no common end to split off"),
    ],
)
def test_what_series_of_unequal_length_cannot_do_is_told(make, ragged, options, text):
    with pytest.raises(InputError, match=text):
        nl.fit(make(), ragged, **options)
