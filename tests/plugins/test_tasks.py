"""The synthetic tasks: each target follows from its input as the paper says, and a load repeats bit for bit."""

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import nanolstm_tasks
from nanolstm.data.request import DataRequest
from nanolstm.errors import InputError, UnknownSymbolError
from nanolstm_losses.classification import cross_entropy
from nanolstm_tasks.source import TASKS, load

SMALL = {
    "adding": {"n": 3, "length": 12, "min_length": 5},
    "copy": {"n": 3, "delay": 6},
    "temporal_order": {"n": 3, "length": 20},
    "mackey_glass": {"n": 3, "length": 15, "washout": 3},
    "narma10": {"n": 3, "length": 15},
    "sines": {"n": 3, "length": 15},
}


def task(name, **options):
    return load(DataRequest(source="tasks", symbol=name, options=options))


def bits(data):
    return [None if array is None else (array.dtype.str, array.tobytes()) for array in (data.x, data.y, data.lengths)]


# Every task


@pytest.mark.parametrize("name", TASKS)
def test_a_load_repeats_bit_for_bit_and_another_seed_differs(name):
    assert bits(task(name, **SMALL[name])) == bits(task(name, **SMALL[name]))
    assert bits(task(name, **SMALL[name])) == bits(task(name, **SMALL[name], rng=0))
    assert bits(task(name, **SMALL[name])) != bits(task(name, **SMALL[name], rng=1))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_a_generator_or_random_state_is_drawn_from_as_it_is(name, kind):
    mine, again = kind(7), kind(7)
    first, second = task(name, **SMALL[name], rng=mine), task(name, **SMALL[name], rng=mine)
    assert bits(first) == bits(task(name, **SMALL[name], rng=again))
    assert bits(first) != bits(second)


def test_a_random_state_gives_its_own_numbers():
    drawn = np.random.RandomState(7).uniform(0.0, 0.5, size=(3, 15))
    np.testing.assert_array_equal(task("narma10", n=3, length=15, rng=np.random.RandomState(7)).x[:, :, 0], drawn)


@pytest.mark.parametrize("name", TASKS)
def test_rng_none_differs_at_every_load(name):
    assert bits(task(name, **SMALL[name], rng=None)) != bits(task(name, **SMALL[name], rng=None))


@pytest.mark.parametrize("name", TASKS)
def test_shapes_fit_together_and_targets_are_numbers_or_classes(name):
    data = task(name, **SMALL[name])
    B, T, _ = data.x.shape
    assert B == 3
    assert data.x.dtype == np.float64
    assert data.y.shape[0] == B
    assert data.y.ndim == 1 or data.y.shape[1] in (1, T)
    assert data.y.dtype in (np.float64, np.int64)
    if data.lengths is not None:
        assert data.lengths.shape == (B,)
        assert data.lengths.dtype == np.int64
        assert data.lengths.max() <= T
        beyond = np.arange(T) >= data.lengths[:, None]
        assert not data.x[beyond].any()


@pytest.mark.parametrize("name", TASKS)
def test_a_task_can_be_loaded_with_its_defaults(name):
    assert np.isfinite(task(name).x).all()


@pytest.mark.parametrize("name", TASKS)
def test_each_task_names_its_source(name):
    assert "Source:" in TASKS[name].__doc__
    assert inspect.signature(TASKS[name]).parameters["rng"].default == 0


# Adding


@given(st.integers(2, 30), st.data())
@settings(max_examples=40, deadline=None)
def test_adding_asks_for_the_sum_of_the_two_marked_numbers(length, data):
    least = data.draw(st.none() | st.integers(2, length))
    answer = task("adding", n=4, length=length, min_length=least, rng=data.draw(st.integers(0, 99)))
    for b in range(4):
        numbers, marks = answer.x[b].T
        marked = [t for t in range(length) if marks[t] == 1]
        assert len(marked) == 2
        assert marks.sum() == 2
        assert answer.y[b, 0] == pytest.approx(numbers[marked[0]] + numbers[marked[1]], abs=0)
        if least is not None:
            assert least <= answer.lengths[b] <= length
            assert max(marked) < answer.lengths[b]
    assert (answer.lengths is None) == (least is None)


def test_always_answering_1_to_adding_has_the_mse_that_its_docstring_says():
    assert np.mean((task("adding", n=20000, length=10).y - 1) ** 2) == pytest.approx(1 / 6, rel=0.03)


def test_the_marks_of_adding_are_anywhere_with_equal_chance():
    counts = task("adding", n=20000, length=5).x[:, :, 1].mean(axis=0)
    np.testing.assert_allclose(counts, 2 / 5, atol=0.015)


# Copy memory


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_copy_shows_symbols_blanks_and_a_delimiter_and_asks_for_the_symbols(delay, items, symbols):
    answer = task("copy", n=4, delay=delay, items=items, symbols=symbols)
    blank, delimiter = symbols, symbols + 1
    assert answer.x.shape == (4, delay + 2 * items, symbols + 2)
    assert set(answer.x.ravel()) <= {0.0, 1.0}
    assert (answer.x.sum(axis=2) == 1).all()
    for shown, asked in zip(answer.x.argmax(axis=2).tolist(), answer.y.tolist(), strict=True):
        remembered = shown[:items]
        assert max(remembered) < symbols
        assert shown[items:] == [blank] * (delay - 1) + [delimiter] + [blank] * items
        assert asked == [blank] * (delay + items) + remembered


def test_the_best_answer_to_copy_without_memory_costs_what_its_docstring_says():
    answer = task("copy", n=5, delay=20)
    logits = np.full((5, 40, 9), -1e3)
    logits[:, :30, 8] = logits[:, 30:, :8] = 0.0
    cost = cross_entropy(logits.reshape(-1, 9), np.eye(9)[answer.y.ravel()])
    assert cost == pytest.approx(10 * math.log(8) / 40, rel=1e-12)


# Temporal order


@pytest.mark.parametrize(("relevant", "where"), [(2, [(10, 20), (50, 60)]), (3, [(10, 20), (33, 43), (66, 76)])])
def test_temporal_order_asks_for_the_order_of_x_and_y(relevant, where):
    answer = task("temporal_order", n=300, relevant=relevant)
    assert answer.x.shape == (300, 110, 8)
    assert (answer.lengths.min(), answer.lengths.max()) == (100, 110)
    assert sorted(set(answer.y.tolist())) == list(range(2**relevant))
    for b, steps in enumerate(answer.lengths):
        word = "".join("abcdXYEB"[symbol] for symbol in answer.x[b, :steps].argmax(axis=1))
        assert (answer.x[b, :steps].sum(axis=1) == 1).all()
        assert word[0] == "E"
        assert word[-1] == "B"
        assert not set(word[1:-1]) & {"E", "B"}
        found = [t for t, symbol in enumerate(word) if symbol in "XY"]
        assert len(found) == relevant
        assert all(first <= t <= last for t, (first, last) in zip(found, where, strict=True))
        order = [word[t] for t in found]
        assert answer.y[b] == int("".join(order).replace("X", "0").replace("Y", "1"), 2)


@pytest.mark.parametrize("relevant", [2, 3])
@given(length=st.integers(10, 60))
@settings(max_examples=25, deadline=None)
def test_temporal_order_keeps_its_symbols_apart_at_every_length(relevant, length):
    answer = task("temporal_order", n=20, length=length, relevant=relevant)
    assert (answer.x[:, :, 4:6].sum(axis=(1, 2)) == relevant).all()
    assert (answer.x[:, :, 6:].sum(axis=(1, 2)) == 2).all()


# Mackey-Glass


def test_mackey_glass_agrees_with_scipys_integration_of_the_delay_equation():
    tau = 17
    ours = task("mackey_glass", n=1, length=4 * tau, washout=0)
    start = ours.x[0, 0, 0]
    pieces = [lambda t: np.array([start])]
    expected = []
    for piece in range(4):  # over one delay after the other, the delayed value is known: an ordinary equation

        def slope(t, x, past=pieces[-1]):
            delayed = past(t - tau)[0]
            return 0.2 * delayed / (1 + delayed**10) - 0.1 * x

        value = start if piece == 0 else pieces[-1](piece * tau)[0]
        span = (piece * tau, (piece + 1) * tau)
        solution = solve_ivp(slope, span, [value], method="DOP853", rtol=1e-11, atol=1e-12, dense_output=True)
        pieces.append(solution.sol)
        expected += [solution.sol(t)[0] for t in range(span[0] + 1, span[1] + 1)]
    np.testing.assert_allclose(ours.y[0, :, 0], expected, atol=2e-6)


def test_mackey_glass_is_chaotic_at_delay_17_and_settles_at_delay_2():
    chaotic = task("mackey_glass", n=4, length=300)
    assert chaotic.x.min() > 0.2
    assert chaotic.x.max() < 1.4
    assert chaotic.x.std(axis=1).min() > 0.1
    assert task("mackey_glass", n=4, length=100, tau=2).x.std(axis=1).max() < 1e-6
    assert np.abs(np.corrcoef(chaotic.x[:, :, 0]) - np.eye(4)).max() < 0.95


@pytest.mark.parametrize("name", ["mackey_glass", "sines"])
def test_the_target_is_the_next_value(name):
    answer = task(name, **SMALL[name])
    np.testing.assert_array_equal(answer.x[:, 1:], answer.y[:, :-1])


def test_a_washout_leaves_out_that_many_values():
    whole = task("mackey_glass", n=2, length=30, washout=0)
    np.testing.assert_array_equal(task("mackey_glass", n=2, length=20, washout=10).x, whole.x[:, 10:])


# NARMA-10


def test_narma10_follows_its_recurrence():
    answer = task("narma10", n=3, length=60)
    for b in range(3):
        u, y = answer.x[b, :, 0], [0.0]
        assert u.min() >= 0
        assert u.max() < 0.5
        for t in range(60):
            last_ten = sum(y[max(0, t - 9) : t + 1])
            late = u[t - 9] if t >= 9 else 0.0
            y.append(0.3 * y[t] + 0.05 * y[t] * last_ten + 1.5 * late * u[t] + 0.1)
        np.testing.assert_allclose(answer.y[b, :, 0], y[1:], rtol=1e-12)


def test_narma10_draws_sequences_anew_that_run_away():
    assert task("narma10", n=400, length=2000).y.max() < 5


def test_narma10_gives_up_on_sequences_that_always_run_away(monkeypatch):
    monkeypatch.setattr("nanolstm_tasks.series.AWAY", 0.2)
    with pytest.raises(InputError, match="runs away"):
        task("narma10", n=2, length=50)


# Sines


def test_sines_without_noise_are_the_mean_of_the_waves():
    answer = task("sines", n=2, length=400, frequencies=(0.2, 0.311), noise=0)
    t = np.arange(400)
    waves = [wave(f * t) for f in (0.2, 0.311) for wave in (np.sin, np.cos)]
    for series in answer.x[:, :, 0]:
        weights, *_ = np.linalg.lstsq(np.stack(waves, axis=1), series, rcond=None)
        np.testing.assert_allclose(np.stack(waves, axis=1) @ weights, series, atol=1e-10)
        np.testing.assert_allclose(np.hypot(weights[::2], weights[1::2]), 0.5, rtol=1e-9)


def test_the_noise_of_sines_has_the_standard_deviation_that_was_asked_for():
    noisy, clean = (task("sines", n=50, noise=noise).x for noise in (0.25, 0))
    assert (noisy - clean).std() == pytest.approx(0.25, rel=0.03)


# What is refused


def test_an_unknown_task_is_answered_with_the_nearest_and_all():
    with pytest.raises(UnknownSymbolError, match=r"did you mean 'narma10'\? tasks: adding, copy, mackey_glass"):
        task("narma")


def test_no_task_is_answered_with_the_list():
    with pytest.raises(UnknownSymbolError, match="needs the name of a task: adding, copy"):
        task(None)


def test_an_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"no option 'lenght'; did you mean 'length'\?"):
        task("adding", lenght=5)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        *[(name, {"n": 0}, "n=0: expected a whole number, at least 1") for name in TASKS],
        *[(name, {"rng": -1}, "rng=-1") for name in TASKS],
        ("adding", {"rng": "0"}, "rng='0'"),
        ("adding", {"n": 2.0}, "n=2.0"),
        ("adding", {"n": True}, "n=True"),
        ("adding", {"length": 1}, "length=1: expected a whole number, at least 2"),
        ("adding", {"length": 9, "min_length": 10}, "min_length=10: expected a whole number, from 2 to 9"),
        ("adding", {"length": 9, "min_length": 1}, "min_length=1: expected a whole number, from 2 to 9"),
        ("copy", {"delay": 0}, "delay=0"),
        ("copy", {"items": 0}, "items=0"),
        ("copy", {"symbols": 0}, "symbols=0"),
        ("temporal_order", {"length": 9}, "length=9: expected a whole number, at least 10"),
        ("temporal_order", {"relevant": 4}, "relevant=4: expected a whole number, from 2 to 3"),
        ("mackey_glass", {"tau": 0}, "tau=0"),
        ("mackey_glass", {"tau": 17.5}, "tau=17.5"),
        ("mackey_glass", {"washout": -1}, "washout=-1"),
        ("narma10", {"length": 0}, "length=0"),
        ("sines", {"noise": -0.1}, "noise=-0.1: expected a number, at least 0"),
        ("sines", {"noise": math.nan}, "noise=nan"),
        ("sines", {"frequencies": ()}, "frequencies=()"),
        ("sines", {"frequencies": "0.2"}, "frequencies='0.2'"),
        ("sines", {"frequencies": (0.2, math.inf)}, "frequencies=inf"),
    ],
)
def test_a_value_out_of_its_limits_is_refused_with_the_limits(name, options, said):
    with pytest.raises(InputError) as caught:
        task(name, **options)
    assert said in str(caught.value)


def test_a_window_of_dates_is_refused():
    with pytest.raises(InputError, match="no dates"):
        load(DataRequest(source="tasks", symbol="adding", start="2024-01-01"))


def test_the_source_is_registered_as_tasks():
    registered = []
    nanolstm_tasks.nanolstm_register_sources(lambda name, source: registered.append((name, source)))
    assert registered == [("tasks", load)]
    assert load.__doc__.splitlines()[0].startswith("Standard synthetic tests")
