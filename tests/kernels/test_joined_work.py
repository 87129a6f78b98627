"""What a kernel does at once: products of the same vector are one, and so are loops over the same features."""

import ast
from collections import Counter

import pytest

import nanolstm as nl


def functions(cell):
    """The functions of the source of `cell`, by name."""
    tree = ast.parse(nl.kernel_source(cell))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def calls(function):
    return Counter(ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))


def loops(function, over):
    """How many loops there are over so many features in a loop over rows."""

    def found(tree, times):
        return [n for n in ast.walk(tree) if isinstance(n, ast.For) and ast.unparse(n.iter) == f"range({times})"]

    return sum(len(found(rows, over)) for rows in found(function, "n"))


@pytest.fixture(scope="module")
def lstm():
    return functions(nl.cells.LSTM(inputs=20, hidden=24, rng=0))


def test_four_gates_share_one_product_with_x_and_one_with_the_state(lstm):
    assert calls(lstm["forward_steps"])["product"] == 2
    assert calls(lstm["backward_steps"])["product"] == 1


def test_gradients_of_all_matrices_on_one_vector_are_one_sum_of_products(lstm):
    assert calls(lstm["backward_steps"])["sums_of_products"] == 2


def test_gradients_of_all_biases_are_one_sum(lstm):
    assert calls(lstm["backward_steps"])["get"] == 1


def test_all_that_is_done_element_by_element_is_one_loop_over_features(lstm):
    assert loops(lstm["forward_steps"], 24) == 1
    assert loops(lstm["backward_steps"], 24) == 1


def test_a_gate_after_another_product_has_a_product_of_its_own(cell):
    gru = functions(cell("GRU", inputs=20, hidden=24))
    assert calls(gru["forward_steps"])["product"] == 3


def test_weights_are_joined_and_packed_once_a_call_not_once_a_step(lstm):
    (before,) = (node for node in lstm["forward"].body if isinstance(node, ast.FunctionDef) and node.name == "before")
    assert calls(before)["call.pack"] == 2
    assert calls(lstm["forward_steps"])["call.pack"] == 0
