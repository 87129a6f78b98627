"""A source file as a syntax tree: where each node stands, and which nodes a mutation may touch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

import attrs

Function = ast.FunctionDef | ast.AsyncFunctionDef

UNTOUCHED = (
    *(ast.Import, ast.ImportFrom, ast.Raise, ast.Assert, ast.Global, ast.Nonlocal),
    *(ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.arguments, ast.arg, ast.alias),
)
"""Nodes that are never replaced; `Raise` and `Assert` with everything below them, which is mostly error text."""

TEXT_METHODS = {"__repr__", "__str__", "__rich_repr__"}
MODULE_NAMES = {"__all__", "__slots__", "__version__"}


@attrs.frozen
class Position:
    """Where a node stands in its parent: `getattr(parent, field)`, or element `index` of that list."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        """Store `node` here."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


@attrs.frozen(eq=False)
class Tree:
    """The syntax tree of one file.

    Attributes:
        source: the text of the file.
        root: its module.
        positions: where each node below the root stands.
    """

    source: str
    root: ast.Module
    positions: dict[ast.AST, Position]

    @classmethod
    def of(cls, source: str) -> Tree:
        """The tree of `source`."""
        root = ast.parse(source)
        positions = {}
        for parent in ast.walk(root):
            for field, value in ast.iter_fields(parent):
                if isinstance(value, ast.AST):
                    positions[value] = Position(parent, field, None)
                elif isinstance(value, list):
                    positions |= {v: Position(parent, field, i) for i, v in enumerate(value) if isinstance(v, ast.AST)}
        return cls(source, root, positions)

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that holds `node`, or None for the module."""
        position = self.positions.get(node)
        return position.parent if position else None

    def field(self, node: ast.AST) -> str:
        """The field of the parent that holds `node`."""
        return self.positions[node].field

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """The parents of `node`, the nearest first."""
        found = self.parent(node)
        while found is not None:
            yield found
            found = self.parent(found)

    def scope(self, node: ast.AST) -> ast.AST:
        """The outermost function around `node`, else its class, else the module."""
        around = [node, *self.above(node)]
        functions = [a for a in around if isinstance(a, Function)]
        if functions:
            return functions[-1]
        return next(a for a in around if isinstance(a, ast.ClassDef | ast.Module))

    def function(self, node: ast.AST) -> str:
        """The qualified name of what `node` belongs to, "" at module level."""
        named = [a.name for a in (node, *self.above(node)) if isinstance(a, Function | ast.ClassDef)]
        return ".".join(reversed(named))

    def called(self, node: ast.AST) -> int | None:
        """The first line of the innermost function or lambda around `node`, as Python numbers it; None outside."""
        for around in self.above(node):
            if isinstance(around, Function):
                return min([around.lineno, *(decorator.lineno for decorator in around.decorator_list)])
            if isinstance(around, ast.Lambda):
                return around.lineno
        return None

    def is_text(self, node: ast.AST) -> bool:
        """Whether `node` assigns a name that only error texts read."""
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            return False
        function = next((a for a in self.above(node) if isinstance(a, Function)), None)
        name = node.targets[0].id
        found = [n for n in ast.walk(function or node) if isinstance(n, ast.Name) and n.id == name]
        read = [n for n in found if isinstance(n.ctx, ast.Load)]
        return function is not None and bool(read) and all(map(self._is_in_text, read))

    def _is_in_text(self, node: ast.AST) -> bool:
        return any(
            isinstance(a, ast.Raise) or (isinstance(a, ast.Call) and (refuses(a) or _makes_text(word(a.func))))
            for a in self.above(node)
        )

    @cached_property
    def mutable(self) -> list[ast.AST]:
        """Every node that may be replaced, in source order."""
        return list(_mutable(self.root, self))


def _mutable(node: ast.AST, tree: Tree) -> Iterator[ast.AST]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_excluded(child, field, node) and not tree.is_text(child):
                if not isinstance(child, UNTOUCHED):
                    yield child
                yield from _mutable(child, tree)


def _is_excluded(node: ast.AST, field: str, parent: ast.AST) -> bool:
    """Whether `node` and all below it is text, a type or an import."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Raise() | ast.Assert():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring, that of an attribute, or an ellipsis
            return True
        case ast.FunctionDef(name=name) if name in TEXT_METHODS:
            return True
        case ast.If(test=test) if any(word(part) == "TYPE_CHECKING" for part in ast.walk(test)):
            return True
        case ast.Assign(targets=[target]) if word(target) in MODULE_NAMES:
            return True
        case ast.AnnAssign(annotation=annotation) if any(word(part) == "TypeAlias" for part in ast.walk(annotation)):
            return True
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_class(name) and _is_type(value):
            return True
        case ast.Call(func=func) if _makes_text(word(func)):
            return True
        case ast.keyword(arg="strict", value=ast.Constant(value=True)):  # of zip: an assertion
            return True
        case ast.keyword(arg="init" | "repr", value=ast.Constant()) if word(getattr(parent, "func", None)) == "field":
            return True  # what a constructor may be given besides, and what is printed
    if field in {"annotation", "returns", "type_params", "format_spec"}:
        return True
    if isinstance(parent, ast.Call) and node in parent.args:
        return refuses(parent) or (word(parent.func) == "cast" and node is parent.args[0])
    return False


def refuses(call: ast.Call) -> bool:
    """Whether `call` raises: it is given a class of errors, and the text of one."""
    return any(word(argument).endswith("Error") for argument in call.args) and word(call.func) != "isinstance"


def _is_class(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def _is_type(node: ast.expr) -> bool:
    """Whether `node` can be the alias of a type, such as `np.ndarray[Any, Any]` or `A | B`."""
    named = (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Tuple, ast.List, ast.Load)
    return isinstance(node, ast.Subscript | ast.BinOp) and all(
        isinstance(part, named) or (isinstance(part, ast.Constant) and part.value in (None, ...))
        for part in ast.walk(node)
    )


def _makes_text(function: str) -> bool:
    return function.endswith(("Error", "Warning")) or function in {"warn", "print", "TypeVar", "NewType"}


def word(node: ast.AST | None) -> str:
    """The last word of a dotted name: "max" of `np.max`; "" of anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""
