"""Mutants of a file: every change that an operator offers, and the text of the file that has one."""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType

import attrs

from .identity import key_of
from .operators import OPERATORS, Replacement
from .tree import Tree


@attrs.frozen(eq=False)
class Change:
    """One change of one node: what kind of fault it is, and what the node is replaced by."""

    kind: str
    node: ast.AST
    replacement: Replacement

    @property
    def place(self) -> tuple[int, int]:
        """Where the changed node begins: no two mutants of a draw share it."""
        return self.node.lineno, self.node.col_offset  # type: ignore[attr-defined]


@attrs.frozen
class Mutant:
    """One file with one fault.

    Attributes:
        file: its path in the project, with slashes.
        source: its whole text.
        called: the function around it, as `noting` writes it; "" outside of functions.
        key: what the fault is called wherever the file lies and however its names are changed; see `identity`.
    """

    file: str
    line: int
    function: str
    called: str
    kind: str
    before: str
    after: str
    key: str
    source: str = attrs.field(repr=False)
    original: str = attrs.field(repr=False)

    @property
    def diff(self) -> str:
        """What differs, as a unified diff with little around it."""
        lines = difflib.unified_diff(
            self.original.splitlines(), self.source.splitlines(), self.file, self.file, lineterm="", n=2
        )
        return "\n".join(lines)


def changes(tree: Tree) -> Iterator[Change]:
    """All that could be changed in a file, in its order."""
    for node in tree.mutable:
        if hasattr(node, "lineno"):
            for kind, operator in OPERATORS.items():
                for replacement in operator(node, tree):
                    yield Change(kind, node, replacement)


def mutant(file: str, tree: Tree, change: Change) -> Mutant | None:
    """The mutant of `change`; None where the text does not say what the tree does, or the program is the same."""
    first, last = _anchors(tree, change)
    try:
        after, expected = _text(tree, change, first)
    except ValueError:  # an f-string that Python 3.11 cannot write
        return None
    text = tree.source.encode()
    start, end = (_offset(text, *at) for at in (_begin(first), _end(last)))
    source = (text[:start] + after.encode() + text[end:]).decode()
    if not _is(source, expected) or _program(source) == _program(tree.source):
        return None
    return Mutant(
        file=file,
        line=change.place[0],
        function=tree.function(change.node),
        called=f"{file}:{called}" if (called := tree.called(change.node)) else "",
        kind=change.kind,
        before=text[start:end].decode(),
        after=after,
        key=key_of(tree, change.node, change.kind, change.replacement),
        source=source,
        original=tree.source,
    )


def _anchors(tree: Tree, change: Change) -> tuple[ast.AST, ast.AST]:
    """The first and the last node whose text is replaced.

    What stands inside an f-string has no place in the text in Python 3.11: the whole string is replaced.
    """
    if isinstance(change.replacement, list):
        position = tree.positions[change.node]
        following = getattr(position.parent, position.field)[position.index + 1]  # type: ignore[operator]
        return change.node, following
    strings = [a for a in tree.above(change.node) if isinstance(a, ast.JoinedStr)]
    anchor = strings[-1] if strings else change.node
    return anchor, anchor


def _text(tree: Tree, change: Change, anchor: ast.AST) -> tuple[str, str]:
    """What stands in place of `anchor` after the change, and the dump of the whole tree."""
    with _made(tree, change):
        expected = ast.dump(tree.root)
        if isinstance(change.replacement, list):
            indent = " " * change.place[1]
            lines = [line for statement in change.replacement for line in ast.unparse(statement).splitlines()]
            return f"\n{indent}".join(lines), expected
        changed = change.replacement if anchor is change.node else anchor
        text = ast.unparse(changed)
        return (f"({text})" if isinstance(changed, COMPOUND) else text), expected


COMPOUND = (ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Lambda, ast.Await, ast.NamedExpr)
"""Expressions that mean something else next to a stronger operator, unless they stand in parentheses."""


@contextmanager
def _made(tree: Tree, change: Change) -> Iterator[None]:
    """The tree with the change, for as long as the block runs."""
    position = tree.positions[change.node]
    if isinstance(change.replacement, list):
        block = getattr(position.parent, position.field)
        original = list(block)
        at = position.index or 0
        block[at : at + len(change.replacement)] = change.replacement
        try:
            yield
        finally:
            block[:] = original
    else:
        position.put(change.replacement)
        try:
            yield
        finally:
            position.put(change.node)


def _begin(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]


def _end(node: ast.AST) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]


def _offset(text: bytes, line: int, column: int) -> int:
    """Where a place is in `text`, in bytes, as the columns of syntax trees are."""
    return sum(map(len, text.splitlines(keepends=True)[: line - 1])) + column


def _is(source: str, expected: str) -> bool:
    try:
        return ast.dump(ast.parse(source)) == expected
    except SyntaxError:
        return False


def _program(source: str) -> object:
    """What Python runs of `source`, without line numbers: equal for programs that differ in spelling alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            return _essence(compile(source, "", "exec"))
        except SyntaxError:  # what only the compiler refuses, such as `continue` outside of a loop
            return None


def _essence(code: CodeType) -> object:
    constants = tuple(_essence(c) if isinstance(c, CodeType) else (type(c), repr(c)) for c in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants
