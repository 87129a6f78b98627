"""Where parameters belong: each projection, and what declares it."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm import Array, Cell, Gate, blocks, diagonal, gate, param, tied
from nanolstm.errors import CellError, InputError

SIZES = st.integers(1, 7)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, *shape, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=shape)


def radius(a):
    return np.abs(np.linalg.eigvals(a)).max(axis=-1)


def recurrent(**of_gate):
    """A cell of one gate, which is declared with `of_gate`."""

    class C(Cell):
        new: Gate = gate(np.tanh, **of_gate)

        def step(self, x, h):
            h = self.new(x, h)
            return h, h

    return C


@given(SIZES, st.floats(0.1, 3), SEEDS)
@settings(max_examples=40, deadline=None)
def test_a_matrix_of_a_larger_spectral_radius_is_scaled_down_to_it(size, most, seed):
    a = drawn(seed, size, size, scale=5)
    projected = nl.spectral_radius(most)(a)
    assert radius(projected) == pytest.approx(min(most, radius(a)), rel=1e-9)
    np.testing.assert_allclose(projected * np.linalg.norm(a), a * np.linalg.norm(projected), rtol=1e-9)


def test_a_matrix_of_a_smaller_spectral_radius_is_left_as_it_is():
    a = drawn(0, 5, 5)
    assert np.array_equal(nl.spectral_radius(radius(a) * 1.001)(a), a)
    assert np.array_equal(nl.spectral_radius(0.9)(np.zeros((3, 3))), np.zeros((3, 3)))


def test_each_head_has_a_spectral_radius_of_its_own():
    a = drawn(0, 3, 4, 4) * np.array([10.0, 1.0, 0.01])[:, None, None]
    projected = nl.spectral_radius(0.5)(a)
    np.testing.assert_allclose(radius(projected), np.minimum(radius(a), 0.5), rtol=1e-9)
    assert np.array_equal(projected[2], a[2])


def test_a_diagonal_weight_holds_its_eigenvalues():
    a = np.array([0.5, -4.0, 1.0])
    np.testing.assert_allclose(np.diag(nl.spectral_radius(2.0)(a)), nl.spectral_radius(2.0)(np.diag(a)), rtol=1e-12)


@given(SIZES, SIZES, st.floats(0.1, 3), SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_nearest_orthogonal_matrix_is_the_factor_of_scipys_polar_decomposition(rows, columns, gain, seed):
    a = drawn(seed, rows, columns)
    u, _ = scipy.linalg.polar(a, side="right" if rows >= columns else "left")
    projected = nl.nearest_orthogonal(gain)(a)
    np.testing.assert_allclose(projected, gain * u, atol=1e-8)
    np.testing.assert_allclose(nl.nearest_orthogonal(gain)(projected), projected, atol=1e-10)


def test_no_other_orthogonal_matrix_is_nearer():
    a = drawn(1, 4, 4)
    distance = np.linalg.norm(a - nl.nearest_orthogonal()(a))
    others = [nl.orthogonal()(np.random.default_rng(seed), (4, 4)) for seed in range(200)]
    assert min(np.linalg.norm(a - other) for other in others) > distance


def test_each_head_is_orthogonal_by_itself():
    heads = nl.nearest_orthogonal()(drawn(2, 3, 4, 4))
    np.testing.assert_allclose(np.swapaxes(heads, -1, -2) @ heads, np.broadcast_to(np.eye(4), (3, 4, 4)), atol=1e-12)


def test_positive_raises_what_is_less_to_its_least():
    assert nl.positive(0.25)(np.array([-1.0, 0.0, 0.25, 3.0])).tolist() == [0.25, 0.25, 0.25, 3.0]
    assert (nl.positive()(np.array([-1.0, 0.0])) > 0).all()


@pytest.mark.parametrize("project", [nl.positive(), nl.spectral_radius(0.9), nl.nearest_orthogonal()])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_projection_keeps_the_dtype_and_what_it_projected(project, dtype):
    a = drawn(3, 4, 4, scale=3).astype(dtype)
    once = project(a)
    assert once.dtype == dtype
    np.testing.assert_allclose(project(once), once, atol=1e-6)


@pytest.mark.parametrize("project", [nl.spectral_radius(0.9), nl.nearest_orthogonal()])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_left_for_training_to_tell(project, bad):
    a = np.full((3, 3), bad)
    np.testing.assert_array_equal(project(a), a)


# Declared in a gate


def test_a_mapping_names_the_projection_of_each_weight():
    project = {"W": nl.spectral_radius(0.9), "b": lambda b: b + 1, "*": lambda a: np.clip(a, -0.1, 0.1)}

    class C(Cell):
        new: Gate = gate(np.tanh, V="x", project=project)

        def step(self, x, h):
            h = self.new(x, h, x)
            return h, h

    made = C(inputs=3, hidden=6, rng=0)
    assert radius(made.new.W) == pytest.approx(0.9)
    assert (made.new.b == 1).all()
    for weight in (made.new.U, made.new.V):
        assert np.abs(weight).max() == 0.1


def test_one_projection_is_for_all_weights_and_not_for_the_bias():
    cell = recurrent(project=lambda a: a * 0 + 5)(inputs=2, hidden=3, rng=0)
    assert (cell.new.U == 5).all()
    assert (cell.new.W == 5).all()
    assert (cell.new.b == 0).all()


def test_first_values_are_brought_back_after_initialise():
    class C(recurrent(project={"W": nl.nearest_orthogonal()})):
        def initialise(self, rng):
            self.new.W *= 3

    W = C(inputs=2, hidden=4, rng=0).new.W
    np.testing.assert_allclose(W @ W.T, np.eye(4), atol=1e-12)


def test_a_projection_fits_weights_of_every_form_and_frozen_ones():
    class C(Cell):
        a: Gate = gate(np.tanh, W=blocks("h", 2), project={"W": nl.nearest_orthogonal()})
        b: Gate = gate(np.tanh, W=diagonal("h"), frozen=True, project={"W": nl.spectral_radius(0.5)})

        def step(self, x, h):
            h = self.a(x, h) * self.b(x, h)
            return h, h

    cell = C(inputs=2, hidden=4, rng=0, dtype="float32")
    cell.a.W[...] *= 2
    cell.b.W[...] *= 2
    cell.project()
    np.testing.assert_allclose(cell.a.W @ np.swapaxes(cell.a.W, -1, -2), [np.eye(2)] * 2, atol=1e-6)
    assert np.abs(cell.frozen["b.W"]).max() == pytest.approx(0.5)


def test_a_param_of_a_kind_of_gate_is_projected_as_the_kind_or_the_field_says():
    class Scaled(Gate):
        gain: Array = param("size", -2.0, project=np.abs)

        def __call__(self, *values):
            return self.gain * super().__call__(*values)

    assert (recurrent(kind=Scaled)(inputs=2, hidden=3).new.gain == 2).all()
    assert (recurrent(kind=Scaled, project={"gain": nl.positive(0.5)})(inputs=2, hidden=3).new.gain == 0.5).all()


def test_a_projection_for_a_weight_that_there_is_not_is_refused():
    with pytest.raises(CellError, match=r"gate 'new' has project for 'w'.*did you mean 'W'"):
        recurrent(project={"w": nl.positive()})(inputs=2, hidden=3)


def test_a_projection_for_a_tied_weight_is_refused_with_the_place_where_it_belongs():
    class C(Cell):
        a: Gate = gate(np.tanh)
        b: Gate = gate(np.tanh, W=tied("a.W"), project={"W": nl.positive()})

        def step(self, x, h):
            h = self.a(x, h) * self.b(x, h)
            return h, h

    with pytest.raises(CellError, match=r"project for 'W', which is tied to 'a\.W'; declare it there"):
        C(inputs=2, hidden=3)


@pytest.mark.parametrize("declare", [lambda p: gate(np.tanh, project=p), lambda p: param("hidden", 0.0, project=p)])
def test_a_projection_that_is_no_function_is_refused_where_it_is_declared(declare):
    with pytest.raises(CellError, match=r"0\.9 is no function of an array; write for example nl\.spectral_radius"):
        declare(0.9)


@pytest.mark.parametrize(
    ("project", "message"),
    [
        ({"U": nl.spectral_radius(0.9)}, r"^new\.U: spectral_radius\(\) is of square matrices.*\(3, 2\)"),
        ({"b": nl.nearest_orthogonal()}, r"^new\.b: nearest_orthogonal\(\) is of matrices.*\(3,\)"),
        ({"W": lambda a: a[0]}, r"^new\.W: an array of shape \(3,\) was assigned to a parameter of shape \(3, 3\)"),
    ],
)
def test_a_projection_that_does_not_fit_is_told_with_the_parameter(project, message):
    with pytest.raises(InputError, match=message):
        recurrent(project=project)(inputs=2, hidden=3)


def test_a_spectral_radius_is_a_positive_number():
    with pytest.raises(InputError, match=r"spectral_radius\(0\): expected a number above 0"):
        nl.spectral_radius(0)
