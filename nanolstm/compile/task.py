"""What has to be done for a node of a step: a product of all rows, or tasks for each row, each for all its elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

from nanolstm.compile import plan
from nanolstm.graph.node import Node, Shape

VIEWS = (*plan.VIEWS, "expand")
"""Operations that are another way to read their operand."""


@attrs.frozen
class Task:
    """Something that is done for each element of a shape.

    `each` computes an elementwise node, `part` puts operand `at` of a concatenation (or the operand of `place`) where
    it belongs, `blank` fills what is to be added to or placed into, `reduce` and `contract` add up.
    """

    kind: Literal["each", "part", "blank", "reduce", "contract"]
    node: Node
    at: int = 0

    @property
    def shape(self) -> Shape:
        """What it loops over."""
        whole = self.node.inputs[self.at].shape if self.kind in ("part", "reduce") else self.node.shape
        return bare(whole)


def bare(shape: Shape) -> Shape:
    """`shape` without axes of length 1."""
    return tuple(size for size in shape if size != 1)


def is_product(node: Node) -> bool:
    """Whether it multiplies a vector of each row (or several, or one for each head) with a matrix of parameters."""
    if node.op.name == "products":
        return True
    if node.op.name != "contract" or not node.lead:
        return False
    (x, matrix), (left, right, result, _) = node.inputs, node.static
    if not x.lead or matrix.lead or not left or not right:
        return False
    heads = [letter for letter in left if letter in right and letter in result]
    own = [letter for letter in left if letter not in right]
    summed = [letter for letter in left if letter in right and letter not in result]
    new = [letter for letter in right if letter not in left]
    return (
        len(summed) == 1
        and len(new) == 1
        and len(heads) + len(own) <= 1
        and list(left) == heads + own + summed
        and list(result) == heads + own + new
        and list(right) in ([*heads, *new, *summed], [*heads, *summed, *new])
    )


def is_outer(node: Node) -> bool:
    """Whether it is a contraction that sums over nothing: element by element, a product."""
    if node.op.name != "contract":
        return False
    left, right, result, _ = node.static
    return set(left) | set(right) == set(result) and node.lead


def origin(node: Node, stored: frozenset[Node]) -> tuple[Node, bool]:
    """What a view reads in the end, and whether element for element."""
    aligned = True
    while node.op.name in VIEWS and node not in stored:
        aligned = aligned and _keeps_order(node)
        node = node.inputs[0]
    return node, aligned


def _keeps_order(view: Node) -> bool:
    """Whether each element of a view is the element of its operand at the same place."""
    return view.op.name in ("reshape", "expand") and bare(view.shape) == bare(view.inputs[0].shape)


def tasks_of(node: Node) -> list[Task]:
    """What has to be done for a node that is no product."""
    if node.op.name == "concat":
        return [Task("part", node, i) for i in range(len(node.inputs))]
    if node.op.name == "place":
        return [Task("blank", node), Task("part", node)]
    if node.op.name in ("sum", "max"):
        return [Task("reduce", node)] if not bare(node.shape) else [Task("blank", node), Task("reduce", node)]
    if node.op.name == "contract" and not is_outer(node):
        return [Task("blank", node), Task("contract", node)]
    return [Task("each", node)]


def reads(task: Task, stored: frozenset[Node]) -> Iterator[tuple[Node, bool]]:
    """What a task reads in the end, and whether element for element: where it is at, and nowhere else."""
    node = task.node
    for number, operand in enumerate(read_by(task)):
        base, aligned = origin(operand, stored)
        if is_outer(node):
            left, right, result, _ = node.static
            letters = (left, right)[number]
            aligned = aligned and letters == "".join(z for z in result if z in letters)
        elif node.op.name in VIEWS:
            aligned = aligned and _keeps_order(node)
        yield base, aligned and task.kind != "contract" and bare(base.shape) == task.shape


def read_by(task: Task) -> Iterator[Node]:
    """The operands that a task reads."""
    if task.kind == "part":
        yield task.node.inputs[task.at]
    elif task.kind != "blank":
        yield from task.node.inputs
