"""Mutants are valid programs that differ from the original in one place, of the kind that is named."""

import ast
import itertools
from pathlib import Path

import pytest

from .drawing import Sources, drawn
from .mutants import changes, mutant
from .operators import OPERATORS
from .tree import Tree

PROJECT = Path(__file__).parents[2]

EXAMPLES = {
    "constant off by one": ("x = y[2]", {"x = y[3]", "x = y[1]"}),
    "boolean flipped": ("x = f(y, True)", {"x = f(y, False)"}),
    "default changed": ("def f(x, size=3, /, *, deep=False):\n    return x", {"size=4", "deep=True"}),
    "arithmetic replaced": ("x = -(a * b)\nx += f(c)", {"x = (a * b)", "-((a + b))", "x -= f(c)", "x = f(c)"}),
    "term dropped": ("x = a + b", {"x = a", "x = b"}),
    "bound removed": ("x = np.maximum(a, b)", {"x = a", "x = b", "x = np.minimum(a, b)"}),
    "comparison replaced": ("x = a < b", {"x = (a <= b)"}),
    "condition negated": ("if a:\n    f()", {"if (not a):"}),
    "operand dropped": ("x = a and b", {"x = a\n", "x = b\n", "x = (a or b)"}),
    "arguments swapped": ("x = f(a, b, c)", {"x = f(b, a, c)", "x = f(a, c, b)"}),
    "elements swapped": ("x = y[a, b]", {"x = y[(b, a)]"}),
    "element removed": ("x = f({1: a, 2: b})", {"x = f({2: b})", "x = f({1: a})"}),
    "axis changed": ("x = np.sum(y, axis=-1)", {"x = np.sum(y, axis=(-2))"}),
    "slice shifted": (
        "x = y[a:, ::n]",
        {"x = y[a + 1:, ::n]", "x = y[a:-1, ::n]", "x = y[a:, 1::n]", "x = y[a:, :-1:n]"},
    ),
    "iteration reversed": ("for x in y:\n    f(x)", {"for x in reversed(list(y)):"}),
    "statement dropped": (
        "def f(x):\n    x = 2 * x\n    g(x)\n    y = x\n    return y",
        {"x):\n    pass", "pass\n    y"},
    ),
    "statements swapped": ("def f(x):\n    x = 2 * x\n    y = x\n    return y", {"y = x\n    x = 2 * x"}),
    "emitted text changed": ("x = f'for {t} in range({n} + 1):  # 2 - 1'", {"{n} - 1", "{n} + 2"}),
}


def of_kind(kind, source):
    tree = Tree.of(source + "\n")
    return [made for change in changes(tree) if change.kind == kind and (made := mutant("file.py", tree, change))]


@pytest.fixture(scope="module")
def sources():
    return Sources.found(PROJECT)


@pytest.fixture(scope="module")
def some(sources):
    few = Sources(dict(itertools.islice(sources.files.items(), None, None, 5)))
    return list(itertools.islice(drawn(few, seed=3), 40))


def test_every_kind_has_an_example():
    assert list(EXAMPLES) == list(OPERATORS)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_operator_makes_the_mutants_of_its_example_and_no_others(kind):
    source, expected = EXAMPLES[kind]
    made = of_kind(kind, source)
    for text in expected:
        assert any(text in found.source for found in made), text
    assert all(any(text in found.source for text in expected) for found in made)


@pytest.mark.parametrize(
    "source",
    [
        '"""One 1 < 2."""',
        "def f(x: Union[1, 2]) -> Literal[3]:\n    'Gives 1.'\n    return x",
        "import a\nfrom b import c",
        "def f(x):\n    raise ValueError(f'{x + 1} is less than {2 * x}')",
        "def f(x):\n    assert x, 1 + x",
        "class A:\n    def __repr__(self):\n        return f(1, 2)",
        "if TYPE_CHECKING:\n    x = f(1)",
        "__all__ = [*a, *b]",
        "Place: TypeAlias = 'tuple[int, 2]'",
        "Array = np.ndarray[Any, Any]",
        "x = [y for y in zip(a, strict=True)]",
        "def f(x):\n    text = ' and '.join(x[1:])\n    raise ValueError(text)",
        "class A:\n    x: dict[str, int] = field(factory=dict, init=False, repr=False)",
    ],
    ids=lambda source: source.splitlines()[0],
)
def test_text_types_imports_and_assertions_are_left_alone(source):
    kinds = {change.kind for change in changes(Tree.of(source))}
    assert kinds <= {"iteration reversed"}


@pytest.mark.parametrize(
    "source",
    ["x = 'less is 1 more'", "x = f'{a} of 2 rows are 1'", "x = f'{a:.3f}'", "x = 'int'"],
)
def test_prose_and_formats_are_not_taken_for_emitted_code(source):
    assert not of_kind("emitted text changed", source)


def test_a_mutant_that_only_spells_the_same_program_differently_is_none():
    assert not of_kind("arguments swapped", "x = f(1, 1)")
    assert not of_kind("arithmetic replaced", "x = 2 + 0")
    assert [found.after for found in of_kind("term dropped", "x = 2 + 0")] == ["0"]


def test_mutants_are_valid_programs_that_differ_from_the_original(some):
    for found in some:
        compile(found.source, found.file, "exec")
        assert ast.dump(ast.parse(found.source)) != ast.dump(ast.parse(found.original))


def test_the_diff_names_the_file_and_shows_only_the_change(some):
    for found in some:
        lines = found.diff.splitlines()
        assert lines[0] == f"--- {found.file}"
        assert any(line.startswith("-") for line in lines[2:])
        assert any(line.startswith("+") for line in lines[2:])


def test_a_comment_next_to_a_change_survives():
    (found,) = of_kind("boolean flipped", "x = [\n    True,  # why\n]")
    assert found.source == "x = [\n    False,  # why\n]\n"
