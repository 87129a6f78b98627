"""A graph as data: how it prints, what simplification keeps, and that its two ways of being derived agree."""

import math

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm.cells.zoo import HOMES
from nanolstm.graph import ops
from nanolstm.graph.derive import forward, reverse
from nanolstm.graph.node import Graph, apply, constant, depending_on, in_order, input_node, replaced
from nanolstm.graph.simplify import simplified
from nanolstm.traced import trace_step

ROWS = 3


class Leaky(nl.Cell):
    """Two gates, a parameter, and local variables of which some are said twice."""

    mix: nl.Gate = nl.gate(nl.sigmoid)
    scale: nl.Array = nl.param("hidden", 0.5)

    def step(self, x, h):
        z = self.mix(x, h)
        new = np.tanh(self.scale * h)
        h = (1 - z) * h + z * new
        y = 2 * h
        return y, h


# Printing.


def test_a_graph_prints_one_line_for_each_node_in_the_authors_words():
    assert str(nl.trace(Leaky(inputs=2, hidden=3))).splitlines() == [
        "Leaky.step",
        "  x      input                        (n, 2)",
        "  h      input                        (n, 3)",
        "  mix.U  input                        (3, 2)",
        "  mix.W  input                        (3, 3)",
        "  mix.b  input                        (3)",
        "  scale  input                        (3)",
        "  t1     contract  x, mix.U, k,jk->j  (n, 3)",
        "  t2     contract  h, mix.W, k,jk->j  (n, 3)",
        "  t3     add       t1, t2             (n, 3)",
        "  t4     add       t3, mix.b          (n, 3)",
        "  z      sigmoid   t4                 (n, 3)",
        "  t5     sub       1, z               (n, 3)",
        "  t6     mul       t5, h              (n, 3)",
        "  t7     mul       scale, h           (n, 3)",
        "  new    tanh      t7                 (n, 3)",
        "  t8     mul       z, new             (n, 3)",
        "  h_2    add       t6, t8             (n, 3)",
        "  y      mul       2, h_2             (n, 3)",
        "  returns output = y, h = h_2",
    ]


@pytest.mark.parametrize("name", HOMES)
def test_every_node_of_a_shipped_cell_has_a_name_of_its_own_and_a_line(name):
    graph = nl.trace(getattr(nl.cells, name)(inputs=4, hidden=4))
    names, lines = graph.names(), str(graph).splitlines()
    assert len(set(names.values())) == len(names)
    assert {*graph.inputs.values()} <= names.keys()
    assert [line.split()[0] for line in lines[1:-1]] == [
        names[node] for node in dict.fromkeys([*graph.inputs.values(), *graph.nodes()]) if node in names
    ]


def test_a_parameter_keeps_its_key_and_an_argument_its_name_however_the_step_calls_them():
    class Renaming(nl.Cell):
        scale: nl.Array = nl.param("hidden", 0.5)

        def step(self, x, h):
            old, x, gain = h, np.tanh(x), self.scale
            h = gain * old + x
            return h, h

    graph = nl.trace(Renaming(inputs=3, hidden=3))
    assert {"x", "h", "scale"} == set(graph.inputs)
    assert {names: node for node, names in graph.names().items()}.keys() == {"x", "h", "scale", "x_2", "t1", "h_2"}


def test_a_name_that_is_taken_gets_the_next_number():
    x = input_node("x", (), lead=False)
    nodes = [attrs.evolve(apply(f, x), name="x") for f in ("exp", "sin", "cos")]
    named = Graph("test", {"x": x}, dict(zip("abc", nodes, strict=True))).names()
    assert [named[node] for node in (x, *nodes)] == ["x", "x_2", "x_3", "x_4"]


def test_numbers_print_as_they_are():
    x = input_node("x", (2,), lead=True)
    y = apply("where", apply("less", x, math.inf), constant((1.0, 2.5)), math.nan)
    z = apply("where", apply("less", apply("sum", x, static=((-1,), False)), constant((1.0,) * 7)), True, False)
    text = str(Graph("test", {"x": x}, {"y": y, "z": z, "n": constant(0.1)}))
    assert "x, inf" in text
    assert "t1, [1, 2.5], nan" in text
    assert ", [1, 1, 1, ...]" in text
    assert "True, False" in text
    assert text.endswith("returns y = t2, z = t5, n = 0.1")


def test_the_values_of_a_step_are_named_as_a_recording_names_them():
    cell = Leaky(inputs=2, hidden=3, rng=0)
    recorded = nl.Sequence(cell).record(np.ones((4, 2)))
    assert set(trace_step(cell).values) == set(recorded)


def test_no_print_is_as_long_as_a_graph():
    graph = nl.trace(Leaky(inputs=2, hidden=3))
    assert repr(graph) == "<graph of Leaky.step: 20 nodes; print it>"
    assert repr(graph.outputs["h"]) == "<h (3,)>"


# Simplification.

x, v = (input_node(name, (2,), lead=True) for name in "xv")
p, q = (input_node(name, (2,), lead=False) for name in "pq")


def simple(*outputs):
    return simplified(list(outputs))


def names_of(*outputs):
    return sorted(node.op.name for node in in_order(outputs) if node.op.name not in ("input", "constant"))


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        pytest.param(lambda: x + 0.0, [], id="x + 0"),
        pytest.param(lambda: 0.0 + x, [], id="0 + x"),
        pytest.param(lambda: x - 0.0, [], id="x - 0"),
        pytest.param(lambda: x * 1.0, [], id="x * 1"),
        pytest.param(lambda: 1.0 * x, [], id="1 * x"),
        pytest.param(lambda: x / 1.0, [], id="x / 1"),
        pytest.param(lambda: apply("neg", -x), [], id="-(-x)"),
        pytest.param(lambda: x + (-v), ["sub"], id="x + -v"),
        pytest.param(lambda: x * 0.0, ["mul"], id="x * 0, which may be NaN"),
        pytest.param(lambda: x - x, ["sub"], id="x - x, which may be NaN"),
        pytest.param(lambda: x / x, ["div"], id="x / x, which may be NaN"),
        pytest.param(lambda: p + ops.expand(constant(0.0), (2,), lead=True), ["expand"], id="p + zeros of rows"),
        pytest.param(lambda: x + ops.expand(p, (2,), lead=True), ["add"], id="x + p repeated"),
        pytest.param(lambda: ops.expand(p, (2,), lead=True) + q, ["add", "expand"], id="p repeated + q"),
        pytest.param(lambda: x + (constant(2.0) * 3.0 - 6.0), [], id="x + a sum of numbers that is 0"),
        pytest.param(lambda: ops.where(apply("equal", constant(1.0), 1.0), x, v), [], id="a choice that is made"),
        pytest.param(lambda: ops.where(constant(False), x, p), ["expand"], id="p where False"),
        pytest.param(lambda: ops.reshaped(ops.reshaped(x, (2, 1)), (1, 2)), ["reshape"], id="reshaped twice"),
        pytest.param(lambda: ops.reshaped(ops.reshaped(x, (2, 1)), (2,)), [], id="reshaped there and back"),
    ],
)
def test_what_changes_nothing_is_left_out(what, wanted):
    y = what()
    (made,) = simple(y)
    assert names_of(made) == wanted
    assert (made.shape, made.lead) == (y.shape, y.lead)


def test_equal_nodes_are_computed_once():
    first, second = np.tanh, apply("tanh", x * p)
    first = apply("tanh", x * p)
    one, other, sum_ = simple(first, second, first + second)
    assert one is other
    assert names_of(sum_) == ["add", "mul", "tanh"]


def test_what_differs_in_anything_stays_two():
    a = apply("sum", x, static=((-1,), False)), apply("sum", x, static=((-1,), True))
    b = ops.where(apply("less", x, 0.0), True, False), ops.where(apply("less", x, 0.0), 1.0, 0.0)
    c = ops.expand(p, (2,), lead=True), ops.expand(p, (2, 2), lead=True)
    d = x + input_node("y", (2,), lead=True), x + p
    for pair in (a, b, c, d):
        one, other = simple(*pair)
        assert one is not other


def test_zero_and_minus_zero_are_two_numbers(compiled):
    nodes = dict(zip("ab", simple(p / ops.where(apply("less", p, 0.0), 1.0, 0.0), p / -0.0), strict=True))
    found = compiled(nodes)({"p": np.array([1.0, 2.0])})
    assert found["a"].tolist() == [math.inf, math.inf]
    assert found["b"].tolist() == [-math.inf, -math.inf]


def test_a_name_is_kept_where_its_value_still_is():
    named = attrs.evolve(apply("tanh", x), name="squashed")
    nameless = apply("tanh", x)
    one, other = simple(nameless * 2.0, named + 0.0)
    assert other.name == "squashed"
    assert one.inputs[0] is other


def test_a_product_reads_a_transposed_operand_as_it_lies():
    A = input_node("A", (3, 2), lead=False)
    y = ops.contract(x, apply("transpose", A, static=(1, 0)), "k", "kj", "j")
    (made,) = simple(y)
    assert names_of(made) == ["contract"]
    assert made.static == ("k", "jk", "j", True)


@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, True, False, 0.0, -0.0, 1e-320, 1e308, (1.0, math.nan)]
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_number_of_any_kind_is_the_same_number_in_a_program(number, dtype, compiled):
    node = constant(number)
    (made,) = simple(ops.where(apply("less", x, 0.0), node, 2.0 if not isinstance(number, bool) else not number))
    values = np.array([[-1.0, -1.0]] * ROWS, dtype)
    found = compiled({"y": made}, dtype=dtype)({"x": values})["y"]
    with np.errstate(over="ignore"):
        wanted = np.broadcast_to(np.asarray(number, bool if isinstance(number, bool) else dtype), (ROWS, 2))
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    assert np.array_equal(np.signbit(found * 1.0), np.signbit(wanted * 1.0))


# Random compositions.

UNARY = ["neg", "exp", "tanh", "sigmoid", "softplus", "sin", "cos", "erf", "abs", "sqrt", "expm1", "stop"]
BINARY = ["add", "sub", "mul", "maximum", "minimum", "logaddexp"]
KINDS = [*["unary"] * 2, *["binary"] * 3, *["product"] * 2, "div", "where", "move", "reduce"]
NUMBERS = [0.0, 1.0, -1.0, 0.5, 2.0]


class Composition:
    """A node that shows itself as a graph; written as a tree, it would be endless."""

    def __init__(self, node):
        self.node = node

    def __repr__(self):
        return str(Graph("composition", {}, {"y": self.node}))


@st.composite
def compositions(draw):
    """An expression of x (2), m (2, 2) for each row, and p (2), A (2, 2), s for all, built of random operations."""
    m, A = input_node("m", (2, 2), lead=True), input_node("A", (2, 2), lead=False)
    values = [x, p, m, A, input_node("s", (), lead=False), *map(constant, NUMBERS)]

    def pick():
        return draw(st.sampled_from(values))

    def meeting():
        """Two that may meet: of a rank, or the one with fewer axes for all rows."""
        a, b = pick(), pick()
        fits = len(a.shape) == len(b.shape) or not (a if len(a.shape) < len(b.shape) else b).lead
        return (a, b) if fits else (a, a)

    for _ in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(KINDS))
        a, b = meeting()
        if kind == "unary":
            name = draw(st.sampled_from(UNARY))
            a = apply("tanh", a) if name in ("exp", "expm1") else a
            values.append(apply(name, a * a + 0.3 if name == "sqrt" else a))
        elif kind == "binary":
            values.append(apply(draw(st.sampled_from(BINARY)), a, b))
        elif kind == "div":
            values.append(a / (b * b + 1.0))
        elif kind == "where":
            values.append(ops.where(apply("less", a, draw(st.sampled_from(NUMBERS))), a, b))
        elif kind == "reduce" and a.shape:
            axes = draw(st.sampled_from([(-1,), tuple(range(-len(a.shape), 0))]))
            name, over_rows = draw(st.sampled_from(["sum", "max"])), a.lead and draw(st.booleans())
            values.append(ops.expand(apply(name, a, static=(axes, over_rows)), a.shape, a.lead))
        elif kind == "move" and a.shape:
            back = ops.sliced(a, -1, 1, 2, -1)
            joined = apply("concat", ops.sliced(a, -1, 1, 1), ops.sliced(back, -1, 1, 1), static=(-1,))
            turned = apply("transpose", a, static=(1, 0)) if len(a.shape) == 2 else ops.reshaped(
                ops.reshaped(back, (1, 2)), (2,))  # fmt: skip
            values.append(draw(st.sampled_from([back, joined, turned, ops.expand(a, a.shape, lead=True)])))
        elif kind == "product":
            square = draw(st.sampled_from([node for node in values if node.shape == (2, 2)]))
            flat = draw(st.sampled_from([node for node in values if node.shape == (2,)]))
            turned = apply("transpose", square, static=(1, 0))
            values.append(ops.contract(flat, draw(st.sampled_from([square, turned])), "k", "jk", "j"))
    return Composition(values[-1] + 0.0 * p)


VALUES = np.random.default_rng(5)
INPUTS = {"x": (ROWS, 2), "m": (ROWS, 2, 2), "p": (2,), "A": (2, 2), "s": ()}
AT = {name: VALUES.normal(size=shape) for name, shape in INPUTS.items()}
AT |= {f"{word} {name}": VALUES.normal(size=shape) for word in ("v", "u") for name, shape in INPUTS.items()}


def everything(y):
    """`y`, its tangent, its cotangents, and their tangents, by name."""
    inputs = [node for node in in_order([y]) if node.op.name == "input"]

    def along(word):
        return {node: input_node(f"{word} {node.name}", node.shape, lead=node.lead) for node in inputs}

    w = input_node("w", y.shape, lead=y.lead)
    outputs = {"y": y, "forward": forward([y], along("v"))[0]}
    back = dict(zip([node.name for node in inputs], reverse({y: w}, inputs), strict=True))
    outputs |= {f"reverse {name}": g for name, g in back.items()}
    there = [name for name, g in back.items() if g is not None]
    tangents = forward([back[name] for name in there], along("u"))
    outputs |= {f"second {name}": t for name, t in zip(there, tangents, strict=True)}
    return {label: node for label, node in outputs.items() if node is not None}


def weights(y):
    return np.random.default_rng(6).normal(size=((ROWS,) if y.lead else ()) + y.shape)


@settings(max_examples=150, deadline=None)
@given(compositions())
def test_simplification_changes_no_value_and_no_derivative(compiled, composition):
    y = composition.node
    whole = everything(y)
    fewer = dict(zip(whole, simplified(list(whole.values())), strict=True))
    assert len(in_order(fewer.values())) <= len(in_order(whole.values()))
    assert all((fewer[k].shape, fewer[k].lead) == (whole[k].shape, whole[k].lead) for k in whole)
    values = AT | {"w": weights(y)}
    found, wanted = compiled(fewer)(values), compiled(whole)(values)
    for label, value in wanted.items():
        scale = np.max(np.abs(value), initial=1.0)
        np.testing.assert_allclose(found[label], value, rtol=1e-9, atol=1e-11 * scale, err_msg=label)


@settings(max_examples=150, deadline=None)
@given(compositions())
def test_forward_and_reverse_agree(compiled, composition):
    y = composition.node
    found = compiled(everything(y))(AT | {"w": weights(y)})
    ahead = weights(y) * found.get("forward", 0.0)
    back = [np.sum(found[f"reverse {n}"] * AT[f"v {n}"]) for n in INPUTS if f"reverse {n}" in found]
    scale = np.sum(np.abs(ahead)) + np.sum(np.abs(back)) + 1.0
    assert abs(np.sum(ahead) - sum(back)) <= 1e-11 * scale


@settings(max_examples=100, deadline=None)
@given(compositions())
def test_second_derivatives_are_symmetric(compiled, composition):
    """u H v = v H u, with H of the sum of w * y."""
    y = composition.node
    values = AT | {"w": weights(y)}
    turned = values | {f"u {n}": AT[f"v {n}"] for n in INPUTS} | {f"v {n}": AT[f"u {n}"] for n in INPUTS}
    run = compiled(everything(y))
    one, other = (
        [found[f"second {n}"] * given_[f"v {n}"] for n in INPUTS if f"second {n}" in found]
        for given_, found in ((values, run(values)), (turned, run(turned)))
    )
    scale = sum(np.sum(np.abs(part)) for part in (*one, *other)) + 1.0
    assert abs(sum(map(np.sum, one)) - sum(map(np.sum, other))) <= 1e-11 * scale


# Walks.


def test_nodes_come_after_their_operands_each_once():
    a = apply("tanh", x)
    b = a * a + x
    assert in_order([b, a]) == [x, a, b.inputs[0], b]


def test_a_graph_deeper_than_pythons_stack_is_walked_derived_and_simplified():
    y = x
    for _ in range(3000):
        y = apply("tanh", y)
    g = reverse({y: v}, [x])
    assert len(in_order(simplified([*g, *forward([y], {x: v})]))) > 9000


def test_what_depends_on_a_source_is_found():
    a, b = apply("tanh", x), apply("tanh", p)
    c = a + b
    assert depending_on([x], in_order([c])) == {x, a, c}


def test_replacement_leaves_what_it_does_not_touch_as_it_is():
    a, b = apply("tanh", x), apply("tanh", p)
    (c,) = replaced([a + b], {x: v})
    assert c.inputs[0].inputs == (v,)
    assert c.inputs[1] is b


def test_a_cotangent_may_be_given_within_the_graph_and_is_added():
    a = apply("tanh", x)
    (g,) = reverse({a * p: v, a: v}, [a])
    assert names_of(g) == ["add", "mul"]


def test_nothing_flows_where_nothing_depends():
    assert reverse({apply("tanh", x): v}, [p]) == [None]
    assert forward([apply("tanh", p)], {x: v}) == [None]


@pytest.mark.parametrize("name", ["input", "expand", "reshape", "slice", "transpose"])
def test_an_answer_shares_no_memory_with_what_came_in(name, compiled):
    A = input_node("A", (2, 3), lead=False)
    static = {"expand": ((2, 3), True), "reshape": ((6,),), "slice": (-1, 0, 2, 1), "transpose": (1, 0)}
    y = A if name == "input" else apply(name, A, static=static[name])
    value = np.ones((2, 3))
    assert not np.shares_memory(compiled({"y": y})({"A": value})["y"], value)
