"""What a kernel adds up over all rows after the time loop: the gradients of parameters."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from nanolstm.compile.index import Affine, Index, flat
from nanolstm.compile.writer import VARIABLES, Writer
from nanolstm.graph.node import Node


@attrs.define(eq=False)
class SumsWriter(Writer):
    """Writes the sums: products of matrices where they are such, else row after row.

    Each thread computes its share of every result, and each element is added up in one order, whoever does it.

    Attributes:
        sizes: of each product, the shape of its result.
    """

    sizes: list[tuple[int, int]] = attrs.field(factory=list, init=False)

    def write(self, name: str, about: str) -> list[str]:
        """The whole function; nothing if there is nothing to add up."""
        if not self.plan.sums:
            return []
        self.line("announce(signals)")
        for node in self.plan.sums:
            total = self.declare(self.names[node], f"{self.dtype}[::1]", self.names[node])
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
            if not self._as_product(total, operands, result):
                self._row_by_row(total, operands, result)
        arguments = {
            "signals": "int64[:, ::1]",
            "rows": "int64",
            "part": "int64",
            "parts": "int64",
            "scratch": f"{self.dtype}[::1]",
        }
        return self.function(name, arguments, about)

    def _as_product(self, total: str, operands: Sequence[tuple[Node, str]], result: str) -> bool:
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
        (x, x_width, x_at), (y, y_width, y_at) = self._whole(a, left), self._whole(b, right)
        m, n = a.shape[left.index(own[0])], b.shape[right.index(new[0])]
        if x_at.terms.get(own[0], 1) != 1 or y_at.terms.get(new[0], 1) != 1:
            return False
        self.used.add("sums_of_products")
        self.sizes.append((m, n))
        starts = [str(x_at.const), str(y_at.const), "0"]
        if heads:
            (head,) = heads
            strides = (x_at.terms.get(head, 0), y_at.terms.get(head, 0), m * n)
            starts = [f"{start} + head * {stride}" for start, stride in zip(starts, strides, strict=True)]
        with self.block(*(f"for head in range({a.shape[left.index(z)]}):" for z in heads)):
            self.line(f"sums_of_products({x}, {starts[0]}, {x_width}, {m}, {y}, {starts[1]}, {y_width}, {n}, rows,")
            self.line(f"                 {total}, {starts[2]}, {n}, part, parts, scratch, 0)")
        return True

    def _row_by_row(self, total: str, operands: Sequence[tuple[Node, str]], result: str) -> None:
        size = {z: n for x, word in operands for z, n in zip(word, x.shape, strict=True)}
        letters = [*result, *(z for z in size if z not in result)]
        names = dict(zip(letters, VARIABLES, strict=False))
        where = {z: Affine() if size[z] == 1 else Affine(0, {names[z]: 1}) for z in letters}
        place = flat(tuple(where[z] for z in result), tuple(size[z] for z in result))
        long = [z for z in result if size[z] != 1]
        shared = long[-1] if long else None
        bounds = {z: "low, high" if z == shared else str(size[z]) for z in letters if size[z] != 1}
        if shared:
            self.line(f"low, high = part * {size[shared]} // parts, (part + 1) * {size[shared]} // parts")
        heads = [] if shared else ["if part == 0:"]
        summed = [z for z in bounds if z not in result]
        with self.block(*heads):
            with self.loops([bounds[z] for z in long], [names[z] for z in long]):
                self.line(f"{total}[{place}] = {self.number(0.0)}")
            with self.block("for g in range(rows):"):
                words = [self._element(x, tuple(where[z] for z in word)) for x, word in operands]
                order = [*summed, *long]
                with self.loops([bounds[z] for z in order], [names[z] for z in order]):
                    self.line(f"{total}[{place}] += {' * '.join(words)}")

    def _element(self, x: Node, index: Index) -> str:
        if not x.lead:
            return self.read(x, index)
        array, _, at = self._whole_at(x, index)
        self.line(f"{array}_r = {array}[g]")
        if not x.boolean:
            return f"{array}_r[{at}]"
        self.used.add("select")
        return f"select({array}_r[{at}], {self.number(1.0)}, {self.number(0.0)})"

    def _whole(self, node: Node, letters: str) -> tuple[str, int, Affine]:
        sizes = zip(letters, node.shape, strict=True)
        return self._whole_at(node, tuple(Affine() if size == 1 else Affine(0, {z: 1}) for z, size in sizes))

    def _whole_at(self, node: Node, index: Index) -> tuple[str, int, Affine]:
        """The array of a value of all rows, its width, and the place of its element `index` in a row."""
        base, at = self.address(node, index)
        array, row, width = self.memory(base)
        if row != "g + r":
            raise NotImplementedError("what is added up over all rows is not kept")
        return array, width, at


_WHOSE = ((True, True), (True, False), (False, True))
