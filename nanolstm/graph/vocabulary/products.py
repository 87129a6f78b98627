"""Products of vectors and matrices, each a contraction."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from nanolstm.errors import BatchError, ShapeError, UnsupportedError
from nanolstm.graph.node import Node, apply
from nanolstm.graph.ops import contract, dropped, expand
from nanolstm.graph.tracer import Call, Tracer, Tracing
from nanolstm.graph.vocabulary.elementwise import as_number, together

ROW, COLUMN, INNER = "i", "j", "k"


def factors(tracing: Tracing, call: str, *nodes: Node) -> list[Node]:
    """Operands of a product as numbers; of masks alone NumPy's answer is whether any pair holds, and no sum."""
    if len(nodes) > 1 and all(node.boolean for node in nodes):
        tracing.refuse(UnsupportedError, f"{call} of conditions", "np.sum(a & b, axis=-1) counts where both hold")
    return [as_number(node) for node in nodes]


def agree(tracing: Tracing, call: str, *named: tuple[str, Node]) -> None:
    """Refuse operands in which a letter, which names their axes, has two sizes."""
    sizes: dict[str, int] = {}
    for letters, node in named:
        for letter, size in zip(letters, node.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                shapes = " and ".join(str(node.shape) for _, node in named)
                tracing.refuse(ShapeError, f"{call} of features of shapes {shapes}", f"{sizes[letter]} is not {size}")


def matmul(tracing: Tracing, left: Any, right: Any) -> Tracer:
    """`@`. A vector with a batch axis is, to NumPy, a matrix: then only `x @ A` means what it says."""
    a, b = tracing.lift(left), tracing.lift(right)
    vectors = a.lead and len(a.shape) == 1, b.lead and len(b.shape) == 1
    if vectors[1] or (vectors[0] and (b.lead or len(b.shape) != 2) and not (not b.lead and len(b.shape) == 1)):
        tracing.refuse(
            BatchError,
            f"`@` of features of shapes {a.shape} and {b.shape}, which takes the batch for an axis of a matrix",
            "write `h @ A.T` for `A @ h`; np.matvec(C, q), np.vecmat(q, C), np.vecdot(a, b) for a matrix or vector of "
            "each example",
        )
    return product(tracing, a, b, "@")


def side_by_side(tracing: Tracing, a: Node, b: Node, own: tuple[int, int], call: str) -> None:
    """Refuse axes before the last ones of a product, as many as `own` says, that would meet the batch."""
    ends = zip((a, b), own, strict=True)
    heads = [Node(n.op, (), (), n.shape[: max(len(n.shape) - k, 0)], n.lead) for n, k in ends]
    together(tracing, heads, call)


def product(tracing: Tracing, a: Node, b: Node, call: str) -> Tracer:
    """The matrix product of the last axes; axes before them are taken side by side."""
    if not a.shape or not b.shape:
        tracing.refuse(ShapeError, f"{call} of features of shapes {a.shape} and {b.shape}", "use `*` with a number")
    a, b = factors(tracing, call, a, b)
    side_by_side(tracing, a, b, (2, 2), call)
    rows, columns = (ROW,) * (len(a.shape) > 1), (COLUMN,) * (len(b.shape) > 1)
    side = "abcdefgh"[: max(len(a.shape), len(b.shape), 2) - 2]
    left = "".join([*side[len(side) - max(len(a.shape) - 2, 0) :], *rows, INNER])
    right = "".join([*side[len(side) - max(len(b.shape) - 2, 0) :], INNER, *columns])
    agree(tracing, call, (left, a), (right, b))
    return tracing.given(contract(a, b, left, right, "".join([*side, *rows, *columns])))


def gufunc(left: str, right: str, result: str) -> Call:
    """np.matvec and its kin: products of the last axes of each example, axes before them side by side."""

    def call(tracing: Tracing, first: Any, second: Any) -> Tracer:
        a, b = factors(tracing, "a product", tracing.lift(first), tracing.lift(second))
        if len(a.shape) < len(left) or len(b.shape) < len(right):
            tracing.refuse(ShapeError, f"a product of features of shapes {a.shape} and {b.shape}", "an axis is missing")
        side_by_side(tracing, a, b, (len(left), len(right)), "a product")
        heads = a.shape[: len(a.shape) - len(left)], b.shape[: len(b.shape) - len(right)]
        shape = np.broadcast_shapes(*heads)
        # What one example has once and the other for each head is repeated; the letters then stand for both.
        if a.lead == b.lead or heads[0] == heads[1]:
            a, b = (expand(n, (*shape, *n.shape[len(h) :]), n.lead) for n, h in zip((a, b), heads, strict=True))
        side = "abcdefgh"[: len(shape)]
        own = [side[len(side) - len(n.shape) + len(w) :] for n, w in ((a, left), (b, right))]
        agree(tracing, "a product", (own[0] + left, a), (own[1] + right, b))
        return tracing.given(contract(a, b, own[0] + left, own[1] + right, side + result))

    return call


def dot(tracing: Tracing, left: Any, right: Any) -> Tracer:
    a, b = tracing.lift(left), tracing.lift(right)
    if b.lead or len(b.shape) > 2:
        tracing.refuse(
            BatchError,
            f"np.dot of features of shapes {a.shape} and {b.shape}, which puts the axes of the second behind",
            "write np.vecdot(a, b), np.matvec(A, v), or `h @ A.T`",
        )
    return product(tracing, a, b, "np.dot")


def outer(tracing: Tracing, *_: Any) -> Tracer:
    tracing.refuse(
        BatchError, "np.outer, which flattens the batch into the vectors", "write a[..., :, None] * b[..., None, :]"
    )


def rows_dotted(tracing: Tracing, nodes: Sequence[Node], words: list[str], result: str) -> tuple[list[str], str]:
    """`words` and `result` with `...` in the place of the letter that stands for the rows of a loss."""
    firsts = {word[:1] for node, word in zip(nodes, words, strict=False) if node.lead}
    if not tracing.whole or len(firsts) != 1 or not all(letter.isalpha() for letter in firsts):
        return words, result
    (rows,) = firsts
    dotted = [f"...{word[1:]}" if node.lead else word for node, word in zip(nodes, words, strict=False)]
    answer = f"...{result[1:]}" if result[:1] == rows else result
    return (words, result) if any(rows in word for word in [*dotted, answer]) else (dotted, answer)


def einsum(tracing: Tracing, subscripts: Any, *values: Any, **options: Any) -> Tracer:
    """np.einsum of one or two operands, with `...` for the batch."""
    if not isinstance(subscripts, str) or not 1 <= len(values) <= 2 or "->" not in subscripts:
        tracing.refuse(UnsupportedError, "this form of np.einsum", 'write "...i,...i->...", two operands at most')
    nodes = factors(tracing, "np.einsum", *map(tracing.lift, values))
    if not set(subscripts) <= {*ascii_letters, *" .,->"}:
        tracing.refuse(UnsupportedError, f"np.einsum({subscripts!r})", "the names of axes are letters of ASCII")
    words, result = subscripts.replace(" ", "").split("->")
    letters, result = rows_dotted(tracing, nodes, words.split(","), result)
    for node, word in zip(nodes, letters, strict=True):
        if node.lead != word.startswith("..."):
            tracing.refuse(
                BatchError,
                f"np.einsum({subscripts!r}): `...` stands for the batch",
                'write "...i,ji->...j" for h @ A.T',
            )
    lead = result.startswith("...")
    letters, result = [word.replace("...", "") for word in letters], result.replace("...", "")
    if any(len(set(word)) != len(word) or len(word) != len(n.shape) for word, n in zip(letters, nodes, strict=True)):
        tracing.refuse(ShapeError, f"np.einsum({subscripts!r}) of {[n.shape for n in nodes]}", "a letter for each axis")
    if lead != any(node.lead for node in nodes) and not tracing.whole:
        tracing.refuse(BatchError, f"np.einsum({subscripts!r}) sums over the batch", "begin the result with `...`")
    for i, word in enumerate(letters):  # a letter that stands nowhere else is summed over by itself
        others = set(result).union(*letters[:i], *letters[i + 1 :])
        alone = [letter for letter in word if letter not in others]
        if alone:
            axes = tuple(word.index(letter) - len(word) for letter in alone)
            nodes[i] = dropped(apply("sum", nodes[i], static=(axes, False)), axes)
            letters[i] = "".join(letter for letter in word if letter not in alone)
    if len(nodes) == 1:
        node = apply("transpose", nodes[0], static=tuple(letters[0].index(letter) for letter in result))
        return tracing.given(node if node.lead == lead else apply("sum", node, static=((), True)))
    agree(tracing, f"np.einsum({subscripts!r})", *zip(letters, nodes, strict=True))
    a, b = nodes
    if not lead and a.lead != b.lead:  # the rows of one alone are summed over
        a, b = (apply("sum", n, static=((), True)) if n.lead else n for n in (a, b))
    return tracing.given(contract(a, b, letters[0], letters[1], result, lead))


PRODUCTS: dict[Any, Call] = {
    np.matmul: matmul,
    np.vecdot: gufunc("k", "k", ""),
    np.matvec: gufunc("ik", "k", "i"),
    np.vecmat: gufunc("k", "kj", "j"),
    np.dot: dot,
    np.outer: outer,
    np.einsum: einsum,
}
