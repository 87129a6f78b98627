"""Every operation of the table by itself: its value against NumPy and SciPy, its derivatives against differences."""

import attrs
import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from scipy import special

from nanolstm.graph import ops
from nanolstm.graph.derive import forward, reverse
from nanolstm.graph.node import OPS, apply, constant, input_node
from nanolstm.graph.simplify import simplified

ROWS = 3
SIZES = st.integers(1, 3)
SHAPES = st.lists(SIZES, max_size=3).map(tuple)


@attrs.frozen
class Operand:
    """One operand: its features' shape, whether it is lead, and values of it."""

    shape: tuple
    lead: bool
    values: np.ndarray

    @classmethod
    def drawn(cls, shape, lead, draw_values):
        return cls(shape, lead, draw_values(((ROWS,) if lead else ()) + shape))


@attrs.frozen
class Example:
    """An operation applied: the operands, and what else it is told."""

    operands: list
    static: tuple = ()


@attrs.frozen
class Case:
    """How one row of the table is tested.

    Attributes:
        examples: a strategy of examples.
        numpy: what the row means, from (example, the operands as (ROWS or 1, *features)) to (ROWS or 1, *features).
        derived: what its derivatives are those of, where that is something else.
    """

    examples: st.SearchStrategy
    numpy: object
    derived: object = None


# Values, each a function of (numbers at random, shape).


def between(low, high):
    return lambda rng, shape: rng.uniform(low, high, shape)


def either_side(low, high):
    """Of both signs, not near 0."""
    return lambda rng, shape: rng.uniform(low, high, shape) * rng.choice([-1, 1], shape)


def near_integers(offset):
    """Not near anything of another offset, so that no two are almost equal."""
    return lambda rng, shape: rng.integers(-2, 3, shape) + offset + rng.uniform(-0.15, 0.15, shape)


def distinct(rng, shape):
    return rng.permutation(int(np.prod(shape))).reshape(shape) * 0.5 + rng.uniform(-0.15, 0.15, shape)


def mask(rng, shape):
    return rng.random(shape) < 0.5


def dividend(rng, shape):
    """Not near a multiple of a `divisor`."""
    return rng.choice([-1, 1], shape) * (rng.uniform(0.3, 1.7, shape) + rng.choice([0, 2.2], shape))


def divisor(rng, shape):
    return rng.choice([-1, 1], shape) * rng.uniform(2.0, 2.1, shape)


ANY = between(-2, 2)


# Examples.

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def elementwise(draw, *values):
    """Operands that are broadcast: axes of size 1, axes left out, one for each row or one for all."""
    rng = np.random.default_rng(draw(SEEDS))
    whole, leads = draw(SHAPES), [draw(st.booleans()) for _ in values]
    operands = []
    for make, lead in zip(values, leads, strict=True):
        shape = tuple(draw(st.sampled_from([size, 1])) for size in whole)
        shape = shape if lead else shape[draw(st.integers(0, len(shape))) :]
        operands.append(Operand.drawn(shape, lead, lambda s, make=make: make(rng, s)))
    return Example(operands)


@st.composite
def one(draw, static, shapes=SHAPES, leads=None, values=distinct):
    """One operand, and what `static`, a function of (draw, shape, lead), says."""
    shape, lead = draw(shapes), draw(st.booleans())
    rng = np.random.default_rng(draw(SEEDS))
    return Example([Operand.drawn(shape, lead, lambda s: values(rng, s))], static(draw, shape, lead))


def with_axis(shape):
    return len(shape) > 0


def some_axes(draw, shape, lead):
    over_rows = lead and draw(st.booleans())
    least = 0 if over_rows else 1
    axes = draw(st.sets(st.integers(-len(shape), -1), min_size=least)) if shape else set()
    return tuple(sorted(axes)), over_rows


def order(draw, shape, lead):
    return tuple(draw(st.permutations(range(len(shape)))))


def another_shape(draw, shape, lead):
    sizes = [*shape, *[1] * draw(st.integers(0, 2))]
    sizes = draw(st.permutations(sizes))
    if len(sizes) > 1 and draw(st.booleans()):
        sizes = [sizes[0] * sizes[1], *sizes[2:]]
    return (tuple(sizes),)


def a_slice(draw, shape, lead):
    axis = draw(st.integers(-len(shape), -1))
    start, stop, step = slice(
        draw(st.none() | st.integers(-4, 4)),
        draw(st.none() | st.integers(-4, 4)),
        draw(st.sampled_from([1, 2, 3, -1, -2])),
    ).indices(shape[axis])
    count = len(range(start, stop, step))
    return (axis, start, count, step) if count else (axis, 0, 1, 1)


def a_place(draw, shape, lead):
    axis = draw(st.integers(-len(shape), -1))
    step, room = draw(st.sampled_from([1, 2, 3, -1, -2])), draw(st.integers(0, 2))
    span = (shape[axis] - 1) * abs(step)
    start = draw(st.integers(0, room)) + (span if step < 0 else 0)
    return axis, start, span + 1 + room, step


@st.composite
def expanded(draw):
    """An operand to be repeated along features, and over the rows if it is not there for each."""
    rng = np.random.default_rng(draw(SEEDS))
    whole, lead = draw(SHAPES), draw(st.booleans())
    shape = tuple(draw(st.sampled_from([size, 1])) for size in whole)
    shape = shape if lead else shape[draw(st.integers(0, len(shape))) :]
    return Example([Operand.drawn(shape, lead, lambda s: ANY(rng, s))], (whole, lead or draw(st.booleans())))


@st.composite
def joined(draw):
    """Operands that differ on one axis."""
    rng = np.random.default_rng(draw(SEEDS))
    shape, lead = draw(SHAPES.filter(with_axis)), draw(st.booleans())
    axis = draw(st.integers(-len(shape), -1))
    lengths = draw(st.lists(SIZES, min_size=2, max_size=3))
    at = len(shape) + axis
    shapes = [(*shape[:at], length, *shape[at + 1 :]) for length in lengths]
    return Example([Operand.drawn(s, lead, lambda s: ANY(rng, s)) for s in shapes], (axis,))


@st.composite
def products(draw):
    """Letters of all roles in any order: in both operands and the result, summed over, of one operand alone."""
    rng = np.random.default_rng(draw(SEEDS))
    letters = iter("abcdefgh")
    counts = draw(st.tuples(*[st.integers(0, most) for most in (1, 2, 2, 2)]))
    both, summed, own, others = ("".join(next(letters) for _ in range(count)) for count in counts)
    words = [draw(st.permutations(word)) for word in (both + summed + own, both + summed + others, both + own + others)]
    left, right, result = map("".join, words)
    leads = draw(st.booleans()), draw(st.booleans())
    lead = (all(leads) and draw(st.booleans())) or (any(leads) and not all(leads))
    size = {letter: draw(SIZES) for letter in both + summed + own + others}
    operands = [
        Operand.drawn(tuple(size[x] for x in word), its, lambda s: ANY(rng, s))
        for word, its in zip((left, right), leads, strict=True)
    ]
    return Example(operands, (left, right, result, lead))


# What a row means, of arrays that all have a first axis, (ROWS or 1, *features).


def of_arrays(function):
    """Elementwise: axes that an operand lacks are put after the rows first."""

    def meaning(example, arrays):
        most = max((a.ndim for a in arrays), default=1)
        return function(*(a.reshape(a.shape[:1] + (1,) * (most - a.ndim) + a.shape[1:]) for a in arrays))

    return meaning


def along(example, axis=None):
    """A negative axis of the operand as a positive one of its array."""
    return len(example.operands[0].shape) + 1 + (example.static[0] if axis is None else axis)


def reduced(function):
    def meaning(example, arrays):
        axes, over_rows = example.static
        axes = tuple(along(example, axis) for axis in axes) + ((0,) if over_rows else ())
        return function(arrays[0], axis=axes, keepdims=True)

    return meaning


def repeated(example, arrays):
    shape, lead = example.static
    array = arrays[0]
    array = array.reshape(array.shape[:1] + (1,) * (len(shape) + 1 - array.ndim) + array.shape[1:])
    return np.ones((ROWS if lead else 1, *shape)) * array


def picked(example, arrays):
    _, start, count, step = example.static
    return np.take(arrays[0], [start + i * step for i in range(count)], axis=along(example))


def put(example, arrays):
    _, start, size, step = example.static
    moved = np.moveaxis(arrays[0], along(example), 0)
    whole = np.zeros((size, *moved.shape[1:]))
    for i, part in enumerate(moved):
        whole[start + i * step] = part
    return np.moveaxis(whole, 0, along(example))


def multiplied(example, arrays):
    left, right, result, lead = example.static
    if all(operand.lead for operand in example.operands):
        return np.einsum(f"z{left},z{right}->{'z' * lead}{result}", *arrays)[(slice(None) if lead else None, ...)]
    a, b = (np.repeat(array, ROWS // len(array) if lead else 1, axis=0) for array in arrays)
    return np.einsum(f"z{left},z{right}->z{result}", a, b)


def flat(example, arrays):
    """Without a slope anywhere."""
    return of_arrays(lambda *arrays: 0.0 * sum(arrays))(example, arrays)


def map_(function, *values, derived=None):
    return Case(elementwise(*values), of_arrays(function), derived)


INTEGERS = (lambda rng, shape: rng.integers(-2, 3, shape).astype(float),) * 2
NOT_NEAR = near_integers(0.0), near_integers(0.5)

CASES = {
    "count": Case(st.just(Example([])), lambda example, arrays: np.full(1, float(ROWS))),
    "neg": map_(lambda x: -x, ANY),
    "exp": map_(lambda x: np.e**x, ANY),
    "expm1": map_(lambda x: 2 * np.exp(x / 2) * np.sinh(x / 2), ANY),
    "log": map_(lambda x: np.log2(x) * np.log(2), between(0.3, 3)),
    "log1p": map_(lambda x: 2 * np.arctanh(x / (2 + x)), between(-0.7, 3)),
    "tanh": map_(lambda x: np.sinh(x) / np.cosh(x), ANY),
    "sigmoid": map_(lambda x: 0.5 + 0.5 * np.tanh(x / 2), ANY),
    "softplus": map_(lambda x: np.log1p(np.exp(x)), ANY),
    "erf": map_(lambda x: 2 * special.ndtr(x * np.sqrt(2)) - 1, ANY),
    "sqrt": map_(lambda x: np.exp(0.5 * np.log(x)), between(0.3, 3)),
    "abs": map_(lambda x: np.where(x > 0, x, -x), either_side(0.1, 2)),
    "sign": map_(lambda x: np.where(x > 0, 1.0, -1.0), either_side(0.1, 2)),
    "sin": map_(lambda x: np.exp(1j * x).imag, ANY),
    "cos": map_(lambda x: np.exp(1j * x).real, ANY),
    "floor": map_(lambda x: np.ceil(x) - 1, near_integers(0.5)),
    "stop": map_(lambda x: x, ANY, derived=flat),
    "add": map_(lambda a, b: a + b, ANY, ANY),
    "sub": map_(lambda a, b: a - b, ANY, ANY),
    "mul": map_(lambda a, b: a * b, ANY, ANY),
    "div": map_(lambda a, b: a * b**-1, ANY, either_side(0.5, 2)),
    "power": map_(lambda a, b: np.exp(b * np.log(a)), between(0.4, 2), either_side(0.2, 2)),
    "mod": map_(lambda a, b: a - b * np.floor(a / b), dividend, divisor),
    "logaddexp": map_(lambda a, b: np.log(np.exp(a) + np.exp(b)), ANY, ANY),
    "maximum": map_(lambda a, b: (a + b + abs(a - b)) / 2, *NOT_NEAR),
    "minimum": map_(lambda a, b: (a + b - abs(a - b)) / 2, *NOT_NEAR),
    "less": map_(lambda a, b: a - b < 0, *INTEGERS, derived=flat),
    "less_equal": map_(lambda a, b: a - b <= 0, *INTEGERS, derived=flat),
    "equal": map_(lambda a, b: a - b == 0, *INTEGERS, derived=flat),
    "where": map_(lambda c, a, b: c * a + (1 - c) * b, mask, ANY, ANY),
    "sum": Case(one(some_axes, SHAPES.filter(with_axis)), reduced(np.sum)),
    "max": Case(one(some_axes, SHAPES.filter(with_axis)), reduced(np.max)),
    "expand": Case(expanded(), repeated),
    "reshape": Case(one(another_shape), lambda example, arrays: arrays[0].reshape(-1, *example.static[0])),
    "transpose": Case(one(order), lambda ex, arrays: np.einsum(arrays[0], [9, *sorted(ex.static)], [9, *ex.static])),
    "slice": Case(one(a_slice, SHAPES.filter(with_axis)), picked),
    "place": Case(one(a_place, SHAPES.filter(with_axis)), put),
    "concat": Case(joined(), lambda example, arrays: np.concatenate(arrays, along(example))),
    "contract": Case(products(), multiplied),
}  # fmt: skip


def test_every_row_of_the_table_has_a_case():
    assert set(OPS) == set(CASES) | {"input", "constant"}


# The check of one example.


def derivatives(y, inputs, real):
    """`y` and its derivatives by the inputs `real`, as nodes by label, along v first, then along u."""

    def direction(word):
        return {inputs[i]: input_node(f"{word}{i}", inputs[i].shape, lead=inputs[i].lead) for i in real}

    u, v, w = direction("u"), direction("v"), input_node("w", y.shape, lead=y.lead)
    sources = [inputs[i] for i in real]
    ahead = forward([y], v)[0]
    back = reverse({y: w}, sources)
    tangents = forward([w if g is None else g for g in back], u)
    cotangents = {}
    for source, g in zip(sources, back, strict=True):
        if g is not None:
            cotangents[g] = cotangents[g] + v[source] if g in cotangents else v[source]
    again = reverse(cotangents, [*sources, w])
    nodes = {"value": (y, y), "forward": (ahead, y), "reverse over reverse w": (again[-1], y)}
    nodes["forward over forward"] = None if ahead is None else forward([ahead], u)[0], y
    for i, x, *found in zip(real, sources, back, tangents, again[:-1], strict=True):
        words = ("reverse", "forward over reverse", "reverse over reverse")
        nodes |= {f"{word} {i}": (node, x) for word, node in zip(words, found, strict=True)}
    for label, (node, like) in nodes.items():
        assert node is None or (node.shape, node.lead) == (like.shape, like.lead), f"{label}: shape {node.shape}"
    return {label: node for label, (node, _) in nodes.items() if node is not None}


def prepared(name, example, compiled, dtype="float64"):
    """A program of the operation and its derivatives, and values for all of its inputs."""
    rng = np.random.default_rng(len(name))
    operands = example.operands
    real = [i for i, operand in enumerate(operands) if operand.values.dtype != bool]
    inputs = [input_node(f"x{i}", o.shape, lead=o.lead) for i, o in enumerate(operands)]
    y = apply(name, *inputs, static=example.static)
    values = {f"x{i}": o.values if i not in real else o.values.astype(dtype) for i, o in enumerate(operands)}
    values |= {f"{k}{i}": rng.uniform(-1, 1, operands[i].values.shape).astype(dtype) for k in "uv" for i in real}
    values["w"] = rng.uniform(-1, 1, ((ROWS,) if y.lead else ()) + y.shape).astype(dtype)
    program = compiled(derivatives(y, inputs, real), ROWS, dtype)
    return y, real, values, lambda given: {label: np.asarray(value) for label, value in program(given).items()}


def check(name, example, compiled, differences):
    """The value, and all derivatives of the first and second order, of the operation `name` in one example."""
    y, real, values, run = prepared(name, example, compiled)
    case, found = CASES[name], run(values)

    def numpy(meaning, given):
        arrays = [given[f"x{i}"] if o.lead else given[f"x{i}"][None] for i, o in enumerate(example.operands)]
        answer = np.asarray(meaning(example, arrays))
        return answer if y.lead else answer[0]

    def moved(word, t, which=real):
        return values | {f"x{i}": values[f"x{i}"] + t * values[f"{word}{i}"] for i in which}

    def slope(which):
        return differences(lambda t: {"": numpy(case.derived or case.numpy, moved("v", t, which))})[""]

    def alike(label, wanted):
        """What is not there is 0."""
        limit = 1e-7 * np.max(np.abs(wanted), initial=0.0) + 1e-10
        value = found.get(label, np.zeros(np.shape(wanted)))
        np.testing.assert_allclose(value, wanted, rtol=1e-7, atol=limit, err_msg=f"{label} of {name}")

    def sums_alike(label, terms, wanted):
        terms, wanted = list(terms), list(wanted)
        error, scale = abs(np.sum(terms) - np.sum([np.sum(a) for a in wanted])), sum(np.sum(np.abs(a)) for a in wanted)
        assert error <= 1e-7 * scale + 1e-10, f"{label} of {name}: {error} of {scale}"

    def product(label, word, i):
        return np.sum(found.get(f"{label} {i}", 0.0) * values[f"{word}{i}"])

    meant = numpy(case.numpy, values)
    assert found["value"].shape == meant.shape, f"value of {name}"
    np.testing.assert_allclose(found["value"], meant, rtol=1e-12, atol=1e-13, err_msg=f"value of {name}")
    if not real:
        assert set(found) == {"value"}
        return
    # The first order by differences of NumPy's own; a cotangent, of each operand alone.
    alike("forward", slope(real))
    alike("reverse over reverse w", slope(real))  # <reverse(w), v> = <w, forward(v)>, whatever w is
    for i in real:
        sums_alike(f"reverse {i}", [product("reverse", "v", i)], [values["w"] * slope([i])])
    # The second order by differences of the first.
    second = differences(lambda t: run(moved("u", t)))
    alike("forward over forward", second.get("forward", np.zeros(meant.shape)))
    for i in real:
        alike(f"forward over reverse {i}", second.get(f"reverse {i}", np.zeros(values[f"x{i}"].shape)))
    sums_alike(
        "reverse over reverse",
        [product("reverse over reverse", "u", i) for i in real],
        [second.get(f"reverse {i}", np.zeros(())) * values[f"v{i}"] for i in real],
    )


@pytest.mark.parametrize("name", CASES)
def test_an_operation_means_what_numpy_does_and_is_derived_rightly(name, compiled, differences):
    @settings(max_examples=25, deadline=None)
    @given(CASES[name].examples)
    def agrees(example):
        check(name, example, compiled, differences)

    agrees()


@pytest.mark.parametrize("name", CASES)
def test_an_operation_and_its_derivatives_stay_float32(name, compiled):
    @settings(max_examples=8, deadline=None)
    @given(CASES[name].examples)
    def stays(example):
        _, _, values, run = prepared(name, example, compiled, "float32")
        kinds = {label: value.dtype.name for label, value in run(values).items()}
        assert kinds == dict.fromkeys(kinds, "float32") | {"value": "bool" if OPS[name].boolean else "float32"}

    stays()


# The check itself.

FINE = OPS["tanh"]
WRONG = {
    "reverse of the first order": attrs.evolve(FINE, reverse=lambda y, g: [g * (1.0 - y)]),
    "forward of the first order": attrs.evolve(FINE, forward=lambda y, t: t[0] * (1.0 - y)),
    "reverse of the second order": attrs.evolve(FINE, reverse=lambda y, g: [g * (1.0 - apply("stop", y * y))]),
    "forward of the second order": attrs.evolve(FINE, forward=lambda y, t: t[0] * (1.0 - y * apply("stop", y))),
    "reverse by its cotangent": attrs.evolve(FINE, reverse=lambda y, g: [apply("stop", g) * (1.0 - y * y)]),
    "value": attrs.evolve(FINE, numpy="np.sinh"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_rule_is_caught(wrong, monkeypatch, compiled, differences):
    example = Example([Operand((2,), True, np.linspace(-1, 1, 2 * ROWS).reshape(ROWS, 2))])
    check("tanh", example, compiled, differences)
    monkeypatch.setitem(OPS, "tanh", WRONG[wrong])
    with pytest.raises(AssertionError, match="of tanh"):
        check("tanh", example, compiled, differences)


FLAT = {"count", "sign", "floor", "stop", "less", "less_equal", "equal"}


def millionth(node):
    return None if node is None else node * (1 + 1e-6)


@pytest.mark.parametrize("way", ["reverse", "forward"])
@pytest.mark.parametrize("name", sorted(set(CASES) - FLAT))
def test_a_rule_that_is_wrong_by_a_millionth_is_caught(name, way, monkeypatch, compiled, differences):
    right = OPS[name]
    wrong = {
        "reverse": lambda y, g: [millionth(part) for part in right.reverse(y, g)],
        "forward": lambda y, t: millionth(right.forward(y, t)),
    }
    monkeypatch.setitem(OPS, name, attrs.evolve(right, **{way: wrong[way]}))

    def caught(example):
        try:
            check(name, example, compiled, differences)
        except AssertionError as error:
            return name in str(error)
        return False

    assert find(
        CASES[name].examples, caught, settings=settings(max_examples=50, phases=[Phase.generate], database=None)
    )


def test_a_cotangent_that_is_not_summed_over_the_rows_is_caught(monkeypatch, compiled, differences):
    example = Example([Operand((2,), True, np.ones((ROWS, 2))), Operand((2,), False, np.ones(2))])
    check("mul", example, compiled, differences)
    wrong = attrs.evolve(OPS["mul"], reverse=lambda y, g: [g * y.inputs[1], g * y.inputs[0]])
    monkeypatch.setitem(OPS, "mul", wrong)
    with pytest.raises(AssertionError, match="reverse 1: shape"):
        check("mul", example, compiled, differences)


# Where there is no derivative, one is chosen.


@pytest.fixture(scope="session")
def derived(compiled):
    """Of a function of nodes at numbers: its value, its gradient, and its matrix of second derivatives, both ways."""

    def derive(function, *numbers):
        xs = [input_node(f"x{i}", np.shape(x), lead=False) for i, x in enumerate(numbers)]
        ones = [input_node(f"one{i}", x.shape, lead=False) for i, x in enumerate(xs)]
        gradient = reverse({function(*xs): input_node("w", (), lead=False)}, xs)
        outputs = {f"g {i}": g for i, g in enumerate(gradient)}
        pairs = [(i, j) for i in range(len(xs)) for j in range(len(xs))]
        outputs |= {f"r {i} {j}": reverse({gradient[i]: ones[i]}, [xs[j]])[0] for i, j in pairs}
        outputs |= {f"f {i} {j}": forward([gradient[i]], {xs[j]: ones[j]})[0] for i, j in pairs}
        given_ = {f"x{i}": np.asarray(x, float) for i, x in enumerate(numbers)}
        given_ |= {f"one{i}": np.ones(np.shape(x)) for i, x in enumerate(numbers)} | {"w": np.ones(())}
        found = compiled({k: v for k, v in outputs.items() if v is not None})(given_)

        def matrix(way):
            return [[np.sum(found.get(f"{way} {i} {j}", 0.0)) for j in range(len(xs))] for i in range(len(xs))]

        return [found[f"g {i}"] for i in range(len(xs))], matrix("r"), matrix("f")

    return derive


def of(name):
    return lambda *operands: apply(name, *operands)


@pytest.mark.parametrize(
    ("function", "at", "gradient", "second"),
    [
        pytest.param(of("abs"), [0], [0], [[0]], id="abs at 0"),
        pytest.param(of("sqrt"), [0], [0], [[0]], id="sqrt at 0"),
        pytest.param(lambda x: apply("sqrt", x * x), [0], [0], [[0]], id="the root of a square at 0"),
        pytest.param(lambda x: apply("maximum", x, 0.0), [0], [0.5], [[0]], id="relu at 0"),
        pytest.param(lambda x: apply("maximum", 0.0, x), [0], [0.5], [[0]], id="relu written the other way at 0"),
        pytest.param(lambda x: apply("minimum", x * x, 1.0), [1], [1], [[1]], id="half of a square"),
        pytest.param(of("maximum"), [2, 2], [0.5, 0.5], [[0, 0], [0, 0]], id="maximum of equals"),
        pytest.param(of("minimum"), [2, 2], [0.5, 0.5], [[0, 0], [0, 0]], id="minimum of equals"),
        pytest.param(of("power"), [0, 3], [0, 0], [[0, 0], [0, 0]], id="0 ** 3"),
        pytest.param(of("power"), [0, 2], [0, 0], [[2, 0], [0, 0]], id="0 ** 2"),
        pytest.param(of("power"), [0, 1], [1, 0], None, id="0 ** 1"),
        pytest.param(of("power"), [2, 0], [0, np.log(2)], [[0, 0.5], [0.5, np.log(2) ** 2]], id="2 ** 0"),
        pytest.param(of("power"), [-2, 2], [-4, np.nan], None, id="a negative number squared"),
        pytest.param(lambda x: apply("power", x, 2.0), [-2], [-4], [[2]], id="a negative number to a fixed exponent"),
        pytest.param(lambda x: apply("power", x, 0.0), [0], [0], [[0]], id="0 to the fixed exponent 0"),
        pytest.param(of("sigmoid"), [-800], [0], [[0]], id="sigmoid far below 0"),
        pytest.param(of("softplus"), [800], [1], [[0]], id="softplus far above 0"),
        pytest.param(of("logaddexp"), [800, -800], [1, 0], [[0, 0], [0, 0]], id="logaddexp of what is far apart"),
    ],
)
def test_at_a_kink_the_derivative_is_the_documented_one(function, at, gradient, second, derived):
    first, reverse_, forward_ = derived(function, *at)
    np.testing.assert_allclose(first, gradient, rtol=1e-14)
    if second is not None:
        np.testing.assert_allclose(reverse_, second, rtol=1e-14)
        np.testing.assert_allclose(forward_, second, rtol=1e-14)


def test_equal_greatest_share_what_goes_back(derived):
    function = lambda x: apply("reshape", apply("max", x, static=((-1,), False)), static=((),))  # noqa: E731
    (g,), reverse_, forward_ = derived(function, [3.0, 1.0, 3.0, 2.0, 3.0])
    np.testing.assert_allclose(g, [1 / 3, 0, 1 / 3, 0, 1 / 3], rtol=1e-15)
    assert reverse_ == forward_ == [[0]]


def test_equal_greatest_of_several_axes_and_rows_share_what_goes_back(compiled):
    x, w = input_node("x", (2, 2), lead=True), input_node("w", (1, 1), lead=False)
    y = apply("max", x, static=((-2, -1), True))
    values = np.array([[[1.0, 5], [2, 5]], [[0, 0], [0, 5]], [[5, 1], [1, 1]]])
    found = compiled({"g": reverse({y: w}, [x])[0]})({"x": values, "w": np.ones((1, 1))})
    np.testing.assert_array_equal(found["g"], np.where(values == 5, 0.25, 0.0))


@pytest.mark.parametrize("value", [-1.5, -0.0, 0.0, 2.0])
@pytest.mark.parametrize("name", ["sign", "floor", "stop"])
def test_nothing_is_derived_through_a_step_or_a_stop(name, value, compiled):
    x, w = input_node("x", (), lead=False), input_node("w", (), lead=False)
    y = apply(name, x)
    assert reverse({y: w}, [x]) == [None]
    assert forward([y], {x: w}) == [None]
    meaning = {"sign": np.sign, "floor": np.floor, "stop": np.positive}[name]
    assert compiled({"y": y})({"x": np.array(value)})["y"] == meaning(value)


# Numbers in a graph take the type of what they meet.


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: apply("power", 2.0, x), id="a power of 2"),
        pytest.param(lambda x: apply("exp", ops.expand(constant(0.0), (2,), lead=True)) * x, id="exp of zeros"),
        pytest.param(lambda x: apply("tanh", constant(0.5)) * x, id="tanh of a number"),
        pytest.param(lambda x: ops.expand(constant(0.0), (2,), lead=True), id="zeros"),
        pytest.param(lambda x: apply("concat", x, ops.expand(constant(1.0), (1,), lead=True), static=(-1,)), id="ones"),
        pytest.param(lambda x: apply("concat", x, apply("stop", x), static=(-1,)), id="a tangent of 0"),
        pytest.param(lambda x: ops.where(apply("less", x, 0.0), 1.0, -1.0), id="where of numbers"),
        pytest.param(lambda x: x * constant((1.0, 2.0)), id="a vector"),
        pytest.param(lambda x: apply("sum", x, static=((), True)) / apply("count"), id="a mean over the rows"),
        pytest.param(lambda x: x * apply("sqrt", apply("count")), id="the root of the number of rows"),
    ],
)
def test_a_number_in_a_graph_does_not_widen_float32(function, compiled):
    x, v = (input_node(name, (2,), lead=True) for name in "xv")
    y = function(x)
    w = input_node("w", y.shape, lead=y.lead)
    nodes = {"y": y, "reverse": reverse({y: w}, [x])[0], "forward": forward([y], {x: v})[0]}
    whole = {label: node for label, node in nodes.items() if node is not None}
    made = dict(zip(whole, simplified(list(whole.values())), strict=True))
    row = np.ones((ROWS, 2), "float32")
    found = compiled(made, dtype="float32")({"x": row, "v": row, "w": np.ones((ROWS,) * y.lead + y.shape, "float32")})
    assert {label: np.asarray(value).dtype.name for label, value in found.items()} == dict.fromkeys(found, "float32")
