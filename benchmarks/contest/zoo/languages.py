"""The operations of a graph as both libraries have them; what they do not share stands with each."""

from __future__ import annotations

from collections.abc import Sequence

from contest.zoo.written import Writing
from nanolstm.graph.node import Node


def infix(sign: str) -> Writing:
    return lambda _, a, __: f"{a[0]} {sign} {a[1]}"


def call(function: str) -> Writing:
    return lambda _, a, __: f"{function}({', '.join(a)})"


def reduction(function: str, keep: str) -> Writing:
    return lambda node, a, _: f"{function}({a[0]}, {node.static[0]}, {keep}=True)"


def part(node: Node, a: Sequence[str], _: int) -> str:
    axis, start, count, step = node.static
    stop = start + count * step
    by = f":{step}" if step != 1 else ""
    return f"{a[0]}[..., {start}:{stop}{by}{', :' * (-1 - axis)}]"


def reshape(node: Node, a: Sequence[str], rows: int) -> str:
    sizes = ", ".join(map(str, node.shape))
    return f"{a[0]}.reshape(*{a[0]}.shape[:{rows}], {sizes})" if rows else f"{a[0]}.reshape({sizes})"


def contract(node: Node, a: Sequence[str], _: int) -> str:
    """As a product where it is one, and else in letters."""
    (x, y), (left, right, result, _) = node.inputs, node.static
    if not y.lead and (len(left), len(result)) == (1, 1) and right == left + result:
        return f"{a[0]} @ {a[1]}"
    for matrix, vector, (m, v), (one, other) in ((x, y, (left, right), a), (y, x, (right, left), a[::-1])):
        if matrix.lead and vector.lead and len(m) == len(v) + 1 and m[:-2] == v[:-1] == result[:-1]:
            if m[-1] == v[-1] and m[-2] == result[-1]:
                return f"({one} @ {other}[..., None])[..., 0]"
            if m[-2] == v[-1] and m[-1] == result[-1]:
                return f"({other}[..., None, :] @ {one})[..., 0, :]"
    words = [f"{'...' * operand.lead}{letters}" for operand, letters in ((x, left), (y, right))]
    return f"xp.einsum('{','.join(words)}->{'...' * node.lead}{result}', {', '.join(a)})"


SHARED: dict[str, Writing] = {
    "add": infix("+"),
    "sub": infix("-"),
    "mul": infix("*"),
    "div": infix("/"),
    "power": infix("**"),
    "less": infix("<"),
    "less_equal": infix("<="),
    "equal": infix("=="),
    "neg": lambda _, a, __: f"-{a[0]}",
    **{name: call(f"xp.{name}") for name in ("exp", "expm1", "log", "log1p", "tanh", "sqrt", "abs", "sign")},
    **{name: call(f"xp.{name}") for name in ("sin", "cos", "floor", "where", "logaddexp")},
    "sigmoid": call("sigmoid"),
    "softplus": call("softplus"),
    "slice": part,
    "reshape": reshape,
    "contract": contract,
}
