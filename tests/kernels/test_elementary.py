"""The elementary functions of compiled code: how far each is from the true value, and that its loops are vectors."""

import functools
import importlib
import math
import re

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

from nanolstm.kernels.compiled import compiled

WIDE = {np.float32: np.float64, np.float64: np.longdouble}
BITS = {np.float32: np.uint32, np.float64: np.uint64}
UNITS = {np.float32: 5, np.float64: 3}  # in the last place
REALS = [
    np.float32,
    pytest.param(
        np.float64,
        marks=pytest.mark.skipif(
            np.finfo(np.longdouble).nmant < 63, reason="nothing here is more precise than float64 to compare with"
        ),
    ),
]
VECTORISED = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "logaddexp", "erf", "sqrt"]
VECTORISED += ["absolute", "sign", "floor", "maximum", "minimum"]
OTHERS = ["power", "mod", "sin", "cos"]
TWO = {"logaddexp", "maximum", "minimum", "power", "mod"}


def sigmoid(x):
    z = np.exp(-np.abs(x))
    return np.where(x < 0, z, 1) / (1 + z)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def erf(x):
    """exp(-x^2) times a series of positive terms: DLMF 7.6.2."""
    x = np.clip(x, -6.5, 6.5)  # where 1 - erf is 4e-20
    term = total = np.copy(x)
    for n in range(1, 180):
        term = term * (2 * x * x / (2 * n + 1))
        total = total + term
    return total * np.exp(-x * x) * 2 / np.sqrt(4 * np.arctan(np.ones((), x.dtype)))


TRUE = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": erf,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
}
EXACT = {"absolute": np.abs, "sign": np.sign, "floor": np.floor, "maximum": np.maximum, "minimum": np.minimum}


def named(name, real):
    """The function of that name that compiled code calls."""
    return getattr(importlib.import_module(f"nanolstm.kernels.{real.__name__}"), name)


@functools.cache
def loop(name, real):
    """Compiled loops over it of a size that is known, as in a generated kernel."""
    function = named(name, real)
    if name in TWO:

        def each(a, b, y):
            for i in range(len(y)):
                for j in range(256):
                    y[i, j] = function(a[i, j], b[i, j])
    else:

        def each(x, y):
            for i in range(len(y)):
                for j in range(256):
                    y[i, j] = function(x[i, j])

    arrays = ", ".join([f"{real.__name__}[:, ::1]"] * (3 if name in TWO else 2))
    return compiled(f"void({arrays})", leave=(), apart=True, cache=False)(each)


def applied(name, real, *operands):
    size = len(operands[0])
    rows = -(-size // 256)
    y = np.empty((rows, 256), real)
    loop(name, real)(*(np.resize(np.asarray(operand, real), (rows, 256)) for operand in operands), y)
    return y.ravel()[:size]


def samples(real, count):
    """Numbers of every size, more of them where the functions bend."""
    rng = np.random.default_rng(7)
    info = np.finfo(real)
    edges = [0.0, math.inf, info.max, info.tiny, info.smallest_subnormal, 1.0, 0.5, math.sqrt(2), 0.925, 3.93, 5.94]
    edges += [k * math.log(2) / 2 for k in range(1, 60, 2)]  # where exp goes on to the next power of two
    edges += [math.log(info.max), -math.log(info.tiny), -math.log(info.smallest_subnormal), 9.01, 19.06]
    near = np.array(edges, real).view(BITS[real])[:, None] + np.arange(-20, 21).astype(BITS[real])
    near = near.view(real).ravel()
    with np.errstate(all="ignore"):
        return np.concatenate(
            [
                rng.integers(0, np.iinfo(BITS[real]).max, 2 * count, BITS[real], endpoint=True).view(real),
                np.geomspace(info.smallest_subnormal, info.max, count).astype(real),
                -np.geomspace(1e-9, 1e3, count).astype(real),
                *(np.linspace(-bound, bound, count).astype(real) for bound in (1, 10, 40, 110, 750)),
                near,
                -near,
            ]
        )


def off_by(y, true):
    """How far `y` is from `true`, in units in the last place of what `true` is rounded to."""
    with np.errstate(all="ignore"):
        rounded = true.astype(y.dtype)
        there = np.isfinite(rounded) & np.isfinite(y)
        same = there | (y == rounded) | (np.isnan(y) & np.isnan(rounded))
        unit = np.spacing(np.abs(np.where(there, rounded, 1)))
        return np.where(there, np.abs(y - true) / unit, np.where(same, 0, math.inf))


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", TRUE)
def test_the_error_is_a_few_units_in_the_last_place(name, real):
    x = samples(real, {np.float32: 100_000, np.float64: 2_000 if name == "erf" else 15_000}[real])
    if name in ("sin", "cos"):
        x = x[np.abs(x) < 1e4]
    with np.errstate(all="ignore"):
        true = TRUE[name](x.astype(WIDE[real]))
    error = off_by(applied(name, real, x), true)
    worst = np.argmax(error)
    assert error[worst] <= UNITS[real], f"{name}({x[worst]!r}) is off by {error[worst]:.3g} units"


@pytest.mark.parametrize("real", REALS)
def test_logaddexp_is_as_accurate_as_its_greater_operand_and_the_distance(real):
    x = samples(real, 10_000)
    with np.errstate(all="ignore"):
        a, b = x, x + np.random.default_rng(8).normal(size=len(x)).astype(real) * real(5)
        a, b = a[np.isfinite(b)], b[np.isfinite(b)]
        true = np.logaddexp(a.astype(WIDE[real]), b.astype(WIDE[real]))
        greater = np.maximum(np.abs(np.maximum(a, b)), np.abs(true).astype(real))
        distance = np.abs(a - b)
        unit = np.maximum(np.spacing(greater), np.spacing(distance) * np.exp(-distance))
    error = np.abs(applied("logaddexp", real, a, b) - true) / unit
    assert np.max(error) <= UNITS[real]


@pytest.mark.parametrize("real", WIDE)
@pytest.mark.parametrize("name", EXACT)
def test_what_is_exact_is_as_in_numpy(name, real):
    x = samples(real, 3_000)
    operands = (x, np.random.default_rng(9).permutation(x)) if name in TWO else (x,)
    with np.errstate(all="ignore"):
        expected = EXACT[name](*operands)
    y = applied(name, real, *operands)
    np.testing.assert_array_equal(y, expected)
    if name not in TWO:
        np.testing.assert_array_equal(np.signbit(y)[x == 0], np.signbit(expected)[x == 0])


@pytest.mark.parametrize("real", WIDE)
def test_mod_is_that_of_numpy(real):
    values = [-math.inf, -7.5, -3.0, -1e-3, -0.0, 0.0, 1e-3, 2.0, 3.0, 7.25, math.inf, math.nan]
    a, b = (np.array(x.ravel(), real) for x in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.mod(a, b)
    y = applied("mod", real, a, b)
    np.testing.assert_array_equal(y, expected)
    finite = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[finite]), np.signbit(expected[finite]))


@pytest.mark.parametrize("real", WIDE)
def test_power_is_that_of_numpy(real):
    values = [-math.inf, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 1e-30, 1e30, math.inf, math.nan]
    a, b = (np.array(x.ravel(), real) for x in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(a, b)
    np.testing.assert_allclose(applied("power", real, a, b), expected, rtol=4 * np.finfo(real).eps)


INF, NAN = math.inf, math.nan
SPECIAL = {  # pairs of what goes in and what comes out
    "exp": [(-INF, 0.0), (INF, INF), (0.0, 1.0), (-0.0, 1.0), (1e30, INF), (-1e30, 0.0)],
    "expm1": [(-INF, -1.0), (INF, INF), (0.0, 0.0), (-0.0, -0.0), (1e30, INF), (-1e30, -1.0)],
    "log": [(0.0, -INF), (-0.0, -INF), (INF, INF), (1.0, 0.0), (-1.0, NAN), (-INF, NAN)],
    "log1p": [(-1.0, -INF), (-2.0, NAN), (-INF, NAN), (INF, INF), (0.0, 0.0), (-0.0, -0.0)],
    "tanh": [(-INF, -1.0), (INF, 1.0), (0.0, 0.0), (-0.0, -0.0)],
    "sigmoid": [(-INF, 0.0), (INF, 1.0), (0.0, 0.5), (-0.0, 0.5)],
    "softplus": [(-INF, 0.0), (INF, INF)],
    "erf": [(-INF, -1.0), (INF, 1.0), (0.0, 0.0), (-0.0, -0.0)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-1.0, NAN)],
    "sin": [(-0.0, -0.0), (INF, NAN)],
    "cos": [(INF, NAN)],
    "sign": [(0.0, 0.0), (-0.0, 0.0)],
    "absolute": [(0.0, 0.0), (-0.0, 0.0)],
    "floor": [(0.0, 0.0), (-0.0, -0.0)],
}


@pytest.mark.parametrize("real", WIDE)
@pytest.mark.parametrize("name", SPECIAL)
def test_zeros_keep_their_sign_and_nothing_hides_a_nan(name, real):
    points = list(SPECIAL[name])
    x, expected = np.array([*points, (NAN, NAN)], real).T
    y = applied(name, real, x)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(np.signbit(y)[:-1][y[:-1] == 0], np.signbit(expected)[:-1][y[:-1] == 0])


@pytest.mark.parametrize("real", WIDE)
@pytest.mark.parametrize("name", ["logaddexp", "maximum", "minimum", "power", "mod"])
def test_a_nan_of_either_operand_survives(name, real):
    a, b = np.array([[NAN, 2.0, NAN], [2.0, NAN, NAN]], real)
    assert np.isnan(applied(name, real, a, b)).all()


@pytest.mark.parametrize("real", WIDE)
def test_logaddexp_of_infinite_operands(real):
    y = applied("logaddexp", real, [INF, INF, -INF, -INF, -INF, 3.0], [INF, -INF, -INF, 2.0, INF, -INF])
    np.testing.assert_array_equal(y, np.array([INF, INF, -INF, 2.0, INF, 3.0], real))


@pytest.mark.parametrize("real", WIDE)
@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid"])
def test_none_goes_beyond_its_limits(name, real):
    y = applied(name, real, samples(real, 20_000))
    y = y[~np.isnan(y)]
    assert y.max() == 1
    assert y.min() == (0 if name == "sigmoid" else -1)


@pytest.mark.parametrize("real", WIDE)
@pytest.mark.parametrize("name", VECTORISED)
def test_a_loop_becomes_vectors_and_calls_nothing(name, real):
    (code,) = loop(name, real).inspect_llvm().values()
    kind = {np.float32: "float", np.float64: "double"}[real]
    functions = [part for part in code.split("\ndefine ") if re.search(r"store <\d+ x \w+>", part)]
    assert functions
    body = functions[0].partition("\n}")[0]
    assert not re.search(rf"store {kind} ", body)
    called = set(re.findall(r"call [^@\n]*@\"?([\w.]+)", body))
    # Of what LLVM has a name for, these are an instruction each; others would be a call for each number.
    assert {one.removeprefix("llvm.").partition(".")[0] for one in called} <= {"sqrt", "floor", "fabs", "assume"}


@pytest.mark.parametrize("real", WIDE)
def test_numbers_of_any_type_are_taken_as_this_one(real):
    exp, power, select, mod, maximum = (named(name, real) for name in ("exp", "power", "select", "mod", "maximum"))

    @compiled(cache=False)
    def called(x):
        return exp(x), power(x, 2), select(x > 2, x, 0), mod(2.0, x), maximum(x, 1)

    for x in (3, np.float32(3), np.float64(3)):
        called(x)
    types = {str(one) for signature in called.nopython_signatures for one in signature.return_type.types}
    assert types == {real.__name__}


@pytest.mark.parametrize("real", WIDE)
def test_select_takes_the_one_that_the_condition_says(real):
    select = named("select", real)

    @compiled(cache=False)
    def chosen(x, y):
        for j in range(len(x)):
            y[j] = select(x[j] > 0, x[j], -1.0)

    x = np.array([3.0, -2.0, NAN, INF, 0.0], real)
    y = np.empty_like(x)
    chosen(x, y)
    np.testing.assert_array_equal(y, np.array([3.0, -1.0, -1.0, INF, -1.0], real))
