"""First values: each initialiser, and where the numbers are drawn from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm import Array, Cell, Gate, gate, identity, param
from nanolstm.cells import ToyLSTM
from nanolstm.errors import InputError


def drawn(init, shape, rng=0):
    class C(Cell):
        a: Array = param(shape, init)

        def step(self, x, h):
            return h, h

    return C(inputs=1, hidden=1, rng=rng).a


SIZES = st.integers(1, 8)


@given(SIZES, SIZES, st.floats(0.1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_orthogonal_rows_or_columns_whichever_are_fewer(rows, columns, gain, seed):
    a = drawn(nl.orthogonal(gain), (rows, columns), seed)
    square = a @ a.T if rows <= columns else a.T @ a
    np.testing.assert_allclose(square, gain**2 * np.eye(min(rows, columns)), atol=1e-10)


def test_each_head_is_orthogonal_by_itself_and_no_two_are_the_same():
    a = drawn(nl.orthogonal(), (3, 4, 2))
    for head in a:
        np.testing.assert_allclose(head.T @ head, np.eye(2), atol=1e-12)
    assert not np.allclose(a[0], a[1])


def test_orthogonal_matrices_are_uniform_and_not_of_one_sign():
    rng = np.random.default_rng(0)
    corners = np.array([nl.orthogonal()(rng, (2, 2)) for _ in range(400)])
    assert abs(corners.mean(axis=0)).max() < 0.15
    assert 0.4 < (np.linalg.det(corners) > 0).mean() < 0.6


def test_a_vector_cannot_be_orthogonal():
    with pytest.raises(InputError, match=r"shape \(4,\) has no rows and columns"):
        drawn(nl.orthogonal(), 4)


@given(SIZES, SIZES, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_glorot_stays_within_its_bounds(rows, columns, seed):
    limit = np.sqrt(6 / (rows + columns))
    assert np.abs(drawn(nl.glorot(), (rows, columns), seed)).max() <= limit


@pytest.mark.parametrize(("shape", "limit"), [((100, 50), 0.2), ((4, 60, 90), 0.2), ((2000,), np.sqrt(3))])
def test_glorot_fills_its_bounds(shape, limit):
    a = drawn(nl.glorot(), shape)
    assert limit * 0.98 < np.abs(a).max() <= limit
    assert a.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)


def test_normal_has_the_deviation_it_is_told():
    assert drawn(nl.normal(0.1), (100, 100)).std() == pytest.approx(0.1, rel=0.05)
    assert np.array_equal(drawn(nl.normal(3), 5), 3 * drawn(nl.normal(), 5))


def test_uniform_lies_between_its_ends():
    a = drawn(nl.uniform(2, 5), 1000)
    assert 2 <= a.min() < 2.1
    assert 4.9 < a.max() < 5


def test_constants_are_numbers_or_arrays_of_the_parameters_shape():
    assert (drawn(nl.zeros(), 3) == 0).all()
    assert (drawn(nl.constant(2), (2, 2)) == 2).all()
    assert drawn(nl.constant(np.arange(3.0)), 3).tolist() == [0, 1, 2]
    assert drawn([4, 5, 6], 3).tolist() == [4, 5, 6]
    assert drawn(7, 2).tolist() == [7, 7]


def test_an_array_that_was_given_is_copied():
    own = np.ones(3)
    a = drawn(own, 3)
    a[...] = 5
    assert own.tolist() == [1, 1, 1]


def test_a_function_of_ones_own_is_given_rng_and_shape():
    seen = []
    a = drawn(lambda rng, shape: seen.append((rng, shape)) or rng.integers(5, size=shape), (2, 3))
    assert isinstance(seen[0][0], np.random.Generator)
    assert seen[0][1] == a.shape == (2, 3)
    assert a.dtype == np.float64


@pytest.mark.parametrize("init", [np.zeros(4), np.zeros((3, 1)), lambda rng, shape: np.zeros(2)])
def test_first_values_of_another_shape_are_refused_with_both(init):
    with pytest.raises(InputError, match=r"^a: its initialiser yields shape \(.*, and the parameter is \(3,\)"):
        drawn(init, 3)


@pytest.mark.parametrize("init", ["normal", None])
def test_what_is_no_initialiser_is_refused(init):
    with pytest.raises(InputError, match=r"is no initialiser; give a number, an array or a function"):
        drawn(init, 3)


# Where numbers come from


def test_a_seed_draws_the_same_numbers_each_time():
    one, other, third = (ToyLSTM(inputs=2, hidden=3, rng=seed).parameters.flat for seed in (5, 5, 6))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, third)


def test_a_seed_is_the_generator_of_that_seed_and_may_be_a_numpy_int():
    one = ToyLSTM(inputs=2, hidden=3, rng=np.int64(5)).parameters.flat
    assert np.array_equal(one, ToyLSTM(inputs=2, hidden=3, rng=np.random.default_rng(5)).parameters.flat)


def test_without_a_seed_numbers_differ():
    assert not np.array_equal(*(ToyLSTM(inputs=2, hidden=3).parameters.flat for _ in range(2)))


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_a_generator_is_used_as_it_is_and_goes_on(make):
    rng, twin = make(7), make(7)
    first, second = ToyLSTM(inputs=2, hidden=3, rng=rng), ToyLSTM(inputs=2, hidden=3, rng=rng)
    for cell in (first, second):
        for key, value in cell.parameters.items():
            expected = np.zeros(value.shape) if key.endswith(".b") else twin.standard_normal(value.shape)
            assert np.array_equal(value, expected), key


def test_a_random_state_draws_what_numpys_global_functions_draw():
    np.random.seed(11)
    expected = np.random.randn(3, 2)
    assert np.array_equal(ToyLSTM(inputs=2, hidden=3, rng=np.random.RandomState(11)).input.U, expected)


@pytest.mark.parametrize("rng", ["0", 1.5, -1, True, [1, 2], np.random])
def test_anything_else_is_no_rng(rng):
    with pytest.raises(InputError, match=r"rng=.*expected a seed"):
        ToyLSTM(inputs=2, hidden=3, rng=rng)


@pytest.mark.parametrize("init", [nl.normal(), nl.uniform(-1, 1), nl.glorot(), nl.orthogonal()])
def test_every_initialiser_serves_a_generator_and_a_random_state(init):
    for rng in (np.random.default_rng(0), np.random.RandomState(0)):
        a = drawn(init, (3, 4), rng)
        assert np.isfinite(a).all()
        assert a.std() > 0


def test_a_frozen_gate_is_drawn_in_its_place_and_laid_out_behind():
    class Plain(Cell):
        one: Gate = gate(identity)
        two: Gate = gate(identity)

        def step(self, x, h):
            return self.one(x, h) + self.two(x, h), h

    class Frozen(Plain):
        one: Gate = gate(identity, frozen=True)

    plain, frozen = Plain(inputs=2, hidden=3, rng=0), Frozen(inputs=2, hidden=3, rng=0)
    assert np.array_equal(plain.one.U, frozen.one.U)
    assert np.array_equal(plain.two.W, frozen.two.W)
    assert list(frozen.parameters) == ["two.U", "two.W", "two.b"]
    assert np.shares_memory(frozen.frozen["one.U"], frozen.frozen.flat)
