"""Blocks of steps, and what is added up over the rows of one while they are in the cache: gradients of parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from nanolstm.compile.index import Affine, Index, flat, is_contiguous
from nanolstm.compile.kernel_steps import StepsWriter, is_small
from nanolstm.compile.schedule import Stage
from nanolstm.compile.verify import check_strides
from nanolstm.compile.writer import VARIABLES
from nanolstm.graph.node import Node, in_order


@attrs.define(eq=False)
class KernelWriter(StepsWriter):
    """Writes the time loop, and blocks of steps around it where something is done for all rows of one at once.

    That is what goes ahead of the loop, what goes behind it, and sums, which grow after each block.

    Each slice of the batch has sums of its own, which do not depend on who computes it.

    Attributes:
        sizes: of each product, the shape of its result.
    """

    sizes: list[tuple[int, int]] = attrs.field(factory=list, init=False)

    def steps(self) -> None:
        """All steps of a slice, and the sums over them."""
        plan = self.plan
        if not plan.in_blocks:
            StepsWriter.steps(self)
            return
        for node in plan.sums:
            total, size = self.names[node], math.prod(node.shape)
            self.stands(self.declare(total, f"{self.dtype}[:, ::1]", total), "part", size)
            self.line(f"{total}_r = {total}[part]")
            with self.loops([size], ["j"]):
                self.line(f"{total}_r[j] = {self.number(0.0)}")
        if plan.sums and not self.backward:
            raise NotImplementedError("a kernel that runs forward adds up over all rows")
        self.declare("room", "int64", "call.room")
        if self.backward:
            self.line("end = bounds.shape[1] - 1")
            with self.block("while end > 0:"):
                self.line("begin = end - 1")
                with self.block("while begin > 0 and bounds[part, end] - bounds[part, begin - 1] <= room:"):
                    self.line("begin -= 1")
                self._block("range(end - 1, begin - 1, -1)")
                self.line("end = begin")
        else:
            self.line("begin = 0")
            with self.block("while begin < bounds.shape[1] - 1:"):
                self.line("end = begin + 1")
                room = "bounds[part, end + 1] - bounds[part, begin] <= room"
                with self.block(f"while end < bounds.shape[1] - 1 and {room}:"):
                    self.line("end += 1")
                self._block("range(begin, end)")
                self.line("begin = end")

    def _block(self, order: str) -> None:
        """The steps from `begin` up to `end`, which `order` says, and what is done for all their rows."""
        plan = self.plan
        self.line("top = bounds[part, begin]")
        self.line("rows = bounds[part, end] - top")
        self._all_rows(plan.ahead, 0)
        if plan.stages:
            self.loop(order)
        self._all_rows(plan.behind, len(plan.ahead) + len(plan.stages))
        for node in plan.sums:
            self._sum(node)

    def _all_rows(self, stages: Sequence[Stage], first: int) -> None:
        """What is done for all rows of a block, from the stage of number `first` on."""
        if stages:
            for line in ("g = top", "n = rows", "b = thread * room"):
                self.line(line)
            self.over_rows = True
            self.stages(stages, first)
            self.over_rows = False

    def work(self) -> int:
        """About how many operations a row takes."""
        return StepsWriter.work(self) + sum(2 * m * n for m, n in self.sizes)

    def _sum(self, node: Node) -> None:
        words = [name for name, answer in self.plan.answers.items() if not answer.lead and node in in_order([answer])]
        self.comment(f"{self.names[node]}, of which come {', '.join(words)}")
        if node.op.name == "contract":
            left, right, result, _ = node.static
            operands = list(zip(node.inputs, (left, right), strict=True))
        elif node.op.name == "sum":
            (x,) = node.inputs
            letters = "".join(chr(ord("a") + i) for i in range(len(x.shape)))
            kept = zip(letters, x.shape, node.shape, strict=False)
            operands, result = [(x, letters)], "".join(z for z, size, left in kept if size == left)
        else:
            raise NotImplementedError(f"no kernel computes {node.op.name} over all rows")
        if not self._as_product(node, operands, result):
            self._row_by_row(node, operands, result)

    def _as_product(self, node: Node, operands: Sequence[tuple[Node, str]], result: str) -> bool:
        """Write a product of two matrices, or of two for each head, if it is one."""
        if len(operands) != 2 or not all(x.lead for x, _ in operands):
            return False
        (a, left), (b, right) = operands
        heads, own, new = ([z for z in result if (z in left) == x and (z in right) == y] for x, y in _WHOSE)
        if len(heads) > 1 or len(own) != 1 or len(new) != 1 or len(result) != len({*left, *right}):
            return False
        if list(result) == [*heads, *new, *own]:
            a, b, left, right, own, new = b, a, right, left, new, own
        if list(result) != [*heads, *own, *new]:
            return False
        (x, x_row, x_width, x_at), (y, y_row, y_width, y_at) = self._whole(a, left), self._whole(b, right)
        m, n = a.shape[left.index(own[0])], b.shape[right.index(new[0])]
        if not (is_contiguous(x_at, own[0], m) and is_contiguous(y_at, new[0], n)):
            return False
        self._check_strides(a, left, heads, x_at, x_width)
        self._check_strides(b, right, heads, y_at, y_width)
        self.sizes.append((m, n))
        # All products are known only when everything is written, and arguments when it is bound.
        self.declare("scratch", f"{self.dtype}[:, ::1]", "call.scratch")
        if is_small(m, n) and not heads:
            self._small(node, operands, result)
            return True
        self.used.add("sums_of_products")
        starts = [_place(x_row, x_width, x_at.const), _place(y_row, y_width, y_at.const)]
        starts.append(f"part * {math.prod(node.shape)}")
        if heads:
            (head,) = heads
            strides = (x_at.stride(head), y_at.stride(head), m * n)
            starts = [f"{start} + head * {stride}" for start, stride in zip(starts, strides, strict=True)]
        with self.block(*(f"for head in range({a.shape[left.index(z)]}):" for z in heads)):
            self.line(f"sums_of_products({x}, {starts[0]}, {x_width}, {m}, {y}, {starts[1]}, {y_width}, {n}, rows,")
            self.line(f"                 {self.names[node]}, {starts[2]}, {n}, scratch, thread * scratch.shape[1])")
        return True

    def _check_strides(self, operand: Node, letters: str, heads: Sequence[str], at: Affine, width: int) -> None:
        strides = [at.stride(letter) if letter in heads else 1 for letter in letters]
        check_strides(
            lambda index: self.address(operand, index)[1],
            operand.shape,
            at.const,
            strides,
            width,
            operand.name or operand.op.name,
        )

    def _small(self, node: Node, operands: Sequence[tuple[Node, str]], result: str) -> None:
        """Write a small product: first of a block, as that of large ones is, and then added to the sum."""
        size = math.prod(node.shape)
        self.line("scratch_r = scratch[thread]")
        with self.loops([size], ["j"]):
            self.line(f"scratch_r[j] = {self.number(0.0)}")
        self._add_rows("scratch_r[{}]", operands, result)
        with self.loops([size], ["j"]):
            self.line(f"{self.names[node]}_r[j] += scratch_r[j]")

    def _row_by_row(self, node: Node, operands: Sequence[tuple[Node, str]], result: str) -> None:
        name = self.names[node]
        if math.prod(node.shape) != 1:
            self._add_rows(f"{name}_r[{{}}]", operands, result)
            return
        # One number of many: first of a block, so that small ones are not added to a large one.
        self.line(f"{name}_j = {self.number(0.0)}")
        self._add_rows(f"{name}_j", operands, result)
        self.line(f"{name}_r[0] += {name}_j")

    def _add_rows(self, word: str, operands: Sequence[tuple[Node, str]], result: str) -> None:
        """Add to each element of `result`, which `word` is of its place, the products of all rows of a block."""
        size = {z: n for x, letters in operands for z, n in zip(letters, x.shape, strict=True)}
        letters = [*result, *(z for z in size if z not in result)]
        names = dict(zip(letters, VARIABLES, strict=False))
        where = {z: Affine() if size[z] == 1 else Affine(0, {names[z]: 1}) for z in letters}
        place = flat(tuple(where[z] for z in result), tuple(size[z] for z in result))
        order = [z for z in (*(z for z in letters if z not in result), *result) if size[z] != 1]
        with self.each_row("rows"):
            with self.ranging([size[z] for z in order], [names[z] for z in order]):
                words = [self._element(x, tuple(where[z] for z in letters)) for x, letters in operands]
            with self.loops([size[z] for z in order], [names[z] for z in order]):
                total = word.format(place)
                self.line(f"{total} = plus({total}, {self.term(words)})")

    def _element(self, x: Node, index: Index) -> str:
        if not x.lead:
            return self.read(x, index)
        array, row, width, at = self._whole_at(x, index)
        self.used.add("get")
        word = f"get({self.counted(array, row, width, at)})"
        if not x.boolean:
            return word
        self.used.add("select")
        return f"select({word}, {self.number(1.0)}, {self.number(0.0)})"

    def _whole(self, node: Node, letters: str) -> tuple[str, str, int, Affine]:
        sizes = zip(letters, node.shape, strict=True)
        return self._whole_at(node, tuple(Affine() if size == 1 else Affine(0, {z: 1}) for z, size in sizes))

    def _whole_at(self, node: Node, index: Index) -> tuple[str, str, int, Affine]:
        """The array of a value of all rows, the first row of the block, its width, and the place in a row."""
        base, at = self.address(node, index)
        array, row, width = self.memory(base)
        first = {"g + r": "top", "b + r": "thread * room"}.get(row)
        if first is None:
            raise NotImplementedError("what is added up over all rows is not kept")
        return array, first, width, at


def _place(row: str, width: int, offset: int) -> str:
    """The place of an element of a row, in an array of `width`."""
    return f"{row} * {width}" + (f" + {offset}" if offset else "")


_WHOSE = ((True, True), (True, False), (False, True))
