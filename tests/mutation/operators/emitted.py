"""Faults of code that is written as text: an operator, a comparison, an index in a string from which source is made."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ..tree import Tree

TOKENS = [
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " + "),
    (r" < ", " <= "),
    (r" <= ", " < "),
    (r" == ", " != "),
    (r" & ", " | "),
    (r" \| ", " & "),
    (r" \+= ", " = "),
    (r" \+= ", " -= "),
    (r"\bmin\(", "max("),
    (r"\bmax\(", "min("),
    (r"\bTrue\b", "False"),
    (r"\bFalse\b", "True"),
    (r"\bnot ", ""),
]
"""What is replaced in emitted code, as regular expressions, and by what; numbers are changed by one besides."""

NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
PLACEHOLDER = re.compile(r"\{[^{}]*\}")
HOLE = "x"


def changed(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    """A piece of text that is code, with one token replaced."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return
    parent = tree.parent(node)
    whole = _joined(parent) if isinstance(parent, ast.JoinedStr) else PLACEHOLDER.sub(HOLE, node.value)
    if not is_code(whole):
        return
    end = _code_ends(node.value)
    for pattern, instead in TOKENS:
        for found in re.finditer(pattern, node.value[:end]):
            yield ast.Constant(node.value[: found.start()] + instead + node.value[found.end() :])
    for found in NUMBER.finditer(node.value[:end]):
        yield ast.Constant(node.value[: found.start()] + str(int(found[0]) + 1) + node.value[found.end() :])


def is_code(text: str) -> bool:
    """Whether `text` is one line of Python, or a piece of one; prose, and what is made of prose, is not."""
    text = text[: _code_ends(text)].strip()
    if "\n" in text:
        return False
    attempts = (text, f"{HOLE}{text}", f"{text}{HOLE}", f"{HOLE}{text}{HOLE}", f"{text} pass", f"{HOLE}({text})")
    return any(_parses(attempt) for attempt in attempts)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _code_ends(text: str) -> int:
    """Where a comment begins."""
    return text.find("#") if "#" in text else len(text)


def _joined(node: ast.JoinedStr) -> str:
    pieces = (part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)
    return "".join(str(piece) for piece in pieces)
