"""What text becomes in generated source, and that no variable bears a word of the source itself."""

import ast
import io
import math
import re
import tokenize
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import nanolstm as nl
from nanolstm.compile import emit, numba_target, programs
from nanolstm.compile.numpy_target import NumPyTarget, program
from nanolstm.compile.programs import Programs, Variant
from nanolstm.compile.source_text import comment, docstring, file_stem, identifier, number, printable
from nanolstm.compile.writer import WORDS
from nanolstm.errors import KernelError
from nanolstm.graph.node import input_node
from nanolstm.traced import programs_of, trace_loss

ANY = st.text(st.characters(categories=None))
"""Surrogates as well."""


@given(st.lists(ANY, min_size=1))
@example(['"""', "\\", '\\"', "\n\r\0\ud800\u2028", '"'])
def test_the_value_of_a_docstring_is_the_text_that_it_was_made_of(lines):
    source = docstring(*lines)
    assert ast.literal_eval(source) == "\n".join(lines)
    assert source.splitlines() == source.split("\n")
    assert source.count("\n") == len(lines) - 1
    source.encode()


@given(ANY)
def test_a_comment_is_one_comment_and_nothing_else(text):
    tokens = [*tokenize.generate_tokens(io.StringIO(f"{comment(text)}\nx = 1\n").readline)]
    assert [token.type for token in tokens[:2]] == [tokenize.COMMENT, tokenize.NL]
    assert ast.dump(ast.parse(f"{comment(text)}\nx = 1\n")) == ast.dump(ast.parse("\nx = 1\n"))
    comment(text).encode()


@given(ANY)
def test_printable_text_is_left_as_it_is(text):
    assert printable(text).isprintable()
    assert (printable(text) == text) == text.isprintable()


@given(ANY, ANY)
@example("\ufb01", "fi")
@example("\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}")
@example("①", "1")
@example("a\u0301", "á")
def test_an_identifier_is_the_variable_that_python_makes_of_it(one, other):
    for word in (identifier(one), identifier(other)):
        if word:
            (target,) = ast.parse(f"own_{word} = 1").body[0].targets
            assert target.id == f"own_{word}" == unicodedata.normalize("NFKC", target.id)
    assert identifier(identifier(one)) == identifier(one)


@pytest.mark.parametrize(
    "word", ["h", "\N{GREEK SMALL LETTER BETA}", "hidden_state2", "x__y", "变量", "\u043d\u043e\u0432\u044b\u0439"]
)
def test_an_identifier_stays_what_the_author_called_it(word):
    assert identifier(word) == word


@given(
    st.lists(
        st.sampled_from(
            ["\ufb01", "fi", "\xb5", "\u03bc", "1", "if", "\uff49\uff46", "own_1_", "", "t1", "h_t", "np", "²"]
        )
    )
)
def test_no_two_nodes_have_one_variable(names):
    nodes = [input_node(name, (1,), lead=True) for name in names]
    found = emit.identifiers(nodes, {"np"})
    assert len(set(found.values())) == len(nodes)
    for word in found.values():
        assert ast.parse(f"{word} = 1").body[0].targets[0].id == word


@given(st.floats() | st.booleans())
def test_a_number_is_the_number_that_it_was(value):
    found = eval(number(value), {"np": np})
    assert type(found) is type(value)
    assert (
        math.isnan(found) if value != value else found == value and math.copysign(1, found) == math.copysign(1, value)
    )


@given(ANY)
@example("L" * 300)
@example("Ж" * 300)
@example("../..")
def test_a_file_is_called_by_a_few_ascii_letters(title):
    assert re.fullmatch(r"\w{1,40}", file_stem(title), re.ASCII)


def names_in(source):
    """Every word of a source that stands for something: names, arguments, functions, what is imported."""
    nodes = [*ast.walk(ast.parse(source))]
    found = {node.id for node in nodes if isinstance(node, ast.Name)}
    found |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    found |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return found | {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}


@pytest.fixture
def sources(monkeypatch):
    """From graphs to pairs of a source and the variables in it that are called by the names of nodes."""
    variables, of_nodes = set(), emit.identifiers

    def recorded(nodes, reserved):
        found = of_nodes(nodes, reserved)
        variables.update(found.values())
        return found

    def stopped(runs, kernel):
        asked.extend(runs)
        raise KernelError("it is not compiled")

    asked = []
    monkeypatch.setattr(emit, "identifiers", recorded)
    monkeypatch.setattr(numba_target, "identifiers", recorded)
    monkeypatch.setattr(programs, "made", stopped)

    def find(make, target):
        asked.clear()
        with pytest.raises(KernelError, match="not compiled"):
            make()
        for runs in [asked] if target == "kernels" else [[run] for run in asked]:
            variables.clear()
            (run, *_) = runs
            text = numba_target.written(runs, "float32")[0] if target == "kernels" else ""
            yield text or program(run.graph, run.carried).source.text, {*variables}

    return find


@pytest.mark.parametrize("target", ["kernels", "numpy"])
@pytest.mark.parametrize("variant", [{}, {"restarts": True, "cuts": True}, {"record": True}, {"along": True}])
@pytest.mark.parametrize("kind", ["LSTM", "MGU2", "SLSTM", "MLSTM", "LRU", "LMU"])
def test_no_variable_of_a_cell_bears_a_word_of_the_source(kind, variant, target, sources):
    cell = getattr(nl.cells, kind)(inputs=4, hidden=4, rng=0)
    wrt = frozenset(cell.parameters)
    asked = Variant(wrt=wrt, **{name: wrt if name == "along" else on for name, on in variant.items()})
    found = programs_of(cell)
    fresh = Programs(found.graph, found.states, found.values)
    words_are_reserved(sources(lambda: fresh.pair(asked), target), target)


@pytest.mark.parametrize("target", ["kernels", "numpy"])
@pytest.mark.parametrize("loss", ["rmse", "huber", "cross_entropy", "quantile(q=(0.1, 0.9))"])
def test_no_variable_of_a_loss_bears_a_word_of_the_source(loss, target, sources):
    one = nl.loss(loss)
    found = Programs(trace_loss(one, 4 * one.columns, np.dtype(float)))
    make = found.halves if target == "kernels" else found.joint
    words_are_reserved(sources(lambda: make(Variant(wrt=frozenset({"prediction"}))), target), target)


def words_are_reserved(found, target):
    reserved = WORDS if target == "kernels" else {*emit.RESERVED, *NumPyTarget().names}
    for source, variables in found:
        words = names_in(source) - variables
        assert len(words) > 5
        for word in words:
            node = input_node(word, (1,), lead=True)
            assert emit.identifiers([node], reserved)[node] != word
