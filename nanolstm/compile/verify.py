"""Checks of a planned kernel: each value is written before it is read, and stands where it is still there then.

They run on every kernel before it is compiled, and know nothing of how a plan is made: they follow its stages in the
order in which the kernel runs them. A plan that fails is a fault of nanolstm; it becomes a KernelError, never a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from nanolstm.compile.index import Affine, Index
from nanolstm.compile.schedule import Schedule, Stage
from nanolstm.compile.task import Task, bare, is_product, origin, reads
from nanolstm.graph.node import Node, Shape

Moment: TypeAlias = tuple[int, int, int]
"""When something is done in a block of steps: stage, place in it (below 0: a product of all rows), place in that."""


class PlanFault(NotImplementedError):  # noqa: N818  (as KernelError reports it, no error of its own)
    """A kernel that would compute wrong numbers is not made."""

    def __init__(self, what: str) -> None:
        """Because of `what`."""
        super().__init__(f"the verifier refuses the plan, a fault of nanolstm that is worth a report: {what}")


@attrs.define(eq=False)
class _Run:
    """A plan in the order in which a kernel runs it.

    Attributes:
        plan: the plan.
        must: nodes that stand in memory, views among them.
        row_of: the row of its array in which a stored value stands: "g + r", "b + r", "p + r" or "thread".
        names: what a value is called in the text.
        done: when each task of a node is run.
    """

    plan: Schedule
    must: frozenset[Node]
    row_of: Callable[[Node], str]
    names: Mapping[Node, str]
    done: dict[Node, list[Moment]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        for number, stage in enumerate(self.plan.everywhere):
            for node, moment in _written(number, stage):
                self.done.setdefault(node, []).append(moment)

    def part(self, moment: Moment) -> int:
        """0 ahead of the time loop, 1 in it, 2 behind it."""
        stage, ahead = moment[0], len(self.plan.ahead)
        return (stage >= ahead) + (stage >= ahead + len(self.plan.stages))

    def check(self) -> None:
        """Follow every read."""
        for number, stage in enumerate(self.plan.everywhere):
            for place, node in enumerate(stage.products, -len(stage.products)):
                for operand in node.inputs:
                    if operand.lead:
                        base, _ = origin(operand, self.must)
                        self._require(base.lead, base, "a product reads rows of it, and it is one for all rows")
                        self._read(base, (number, place, 0), None, aligned=False)
            for place, nest in enumerate(stage.nests):
                for task_number, task in enumerate(nest.tasks):
                    for base, aligned in reads(task, self.must):
                        self._read(base, (number, place, task_number), task, aligned=aligned)
        for node in self.plan.sums:
            for operand in node.inputs:
                if operand.lead:
                    self._summed(operand)
        for state, new in self.plan.states.items():
            self._require(new in self.done, new, f"the new value of {state} is computed in no stage")
            self._require(
                all(self.part(m) == 1 for m in self.done[new]), new, f"it is the new {state}, outside of the time loop"
            )

    def _read(self, base: Node, now: Moment, task: Task | None, *, aligned: bool) -> None:
        """`base` is read by `task`, or by a product of all rows, which reads memory."""
        if not base.lead or base.op.name == "constant":
            return
        if base.op.name == "input":
            if base.name in self.plan.states:
                self._old_state(base, now, aligned=aligned)
            return
        self._require(base in self.done, base, "it is computed in no stage")
        same_nest = [m for m in self.done[base] if m[:2] == now[:2]]
        self._require(all(m < now for m in self.done[base]), base, "it is read before it is complete")
        if same_nest and task is not None:
            whole = len(self.done[base]) == 1 and base.op.name not in ("sum", "max", "concat", "place")
            self._require(aligned and whole, base, "other elements of it are read in the loop that computes it")
            return
        same_row = self.done[base][-1][0] == now[0] and task is not None and not is_product(base)
        if base not in self.plan.stored:
            self._require(same_row and not bare(base.shape), base, "it is read from memory and not written there")
            return
        row = self.row_of(base)
        if row == "thread":
            self._require(same_row, base, "it stands in memory for one row, and is read after the next")
        elif row == "p + r":
            inside = self.part(now) == 1 and all(self.part(m) == 1 for m in self.done[base])
            self._require(inside, base, "it stands in memory for one step, and is read outside of the time loop")

    def _old_state(self, state: Node, now: Moment, *, aligned: bool) -> None:
        """A state as it comes in is read: it must still be there."""
        self._require(self.part(now) == 1, state, "a state is read outside of the time loop")
        new = self.plan.states[state.name]
        for moment in self.done.get(new, []):
            # A loop writes an element at its end, behind all that reads it there.
            here = moment[:2] == now[:2] and aligned and len(self.done[new]) == 1 and not is_product(new)
            self._require(now < moment or here, state, "it is read after its new value took its place")

    def _summed(self, operand: Node) -> None:
        """`operand` is added up over the rows of a block."""
        base, _ = origin(operand, self.must)
        self._require(base.lead, base, "rows of it are added up, and it is one for all rows")
        if base.op.name == "input":
            self._require(base.name not in self.plan.states, base, "a state is added up as it comes in")
        else:
            self._require(base in self.done, base, "it is added up and computed in no stage")
            kept = base in self.plan.stored and self.row_of(base) in ("b + r", "g + r")
            self._require(kept, base, "it is added up over the rows of a block, and not kept for them")

    def _require(self, condition: bool, node: Node, what: str) -> None:
        if not condition:
            raise PlanFault(f"{self.names.get(node, node.name or node.op.name)}: {what}")


def _written(number: int, stage: Stage) -> Iterator[tuple[Node, Moment]]:
    for place, node in enumerate(stage.products, -len(stage.products)):
        yield node, (number, place, 0)
    for place, nest in enumerate(stage.nests):
        for task_number, task in enumerate(nest.tasks):
            yield task.node, (number, place, task_number)


def check_order(
    plan: Schedule, must: frozenset[Node], row_of: Callable[[Node], str], names: Mapping[Node, str]
) -> None:
    """Check that each value is written before it is read, and still there, in any order of slices and blocks.

    Raises:
        PlanFault: which value is not.
    """
    _Run(plan, must, row_of, names).check()


def check_within(place: Affine, width: int, ranges: Mapping[str, int], what: str) -> None:
    """Check that `place` stays within a row of `width` elements while each variable runs from 0 to below its range.

    Raises:
        PlanFault: it does not, or it depends on a variable of no loop.
    """
    unknown = sorted(place.terms.keys() - ranges.keys())
    if unknown:
        raise PlanFault(f"{what}[{place}]: no loop over {', '.join(unknown)}")
    if 0 in (ranges[name] for name in place.terms):
        return  # a loop over nothing
    ends = [factor * (ranges[name] - 1) for name, factor in place.terms.items()]
    low, high = place.const + sum(min(0, end) for end in ends), place.const + sum(max(0, end) for end in ends)
    if low < 0 or high >= width:
        raise PlanFault(f"{what}[{place}] reaches from {low} to {high} in a row of {width}")


def check_strides(
    address: Callable[[Index], Affine], shape: Shape, start: int, strides: Sequence[int], width: int, what: str
) -> None:
    """Check that the elements of a value stand where a product with these strides reads them.

    Raises:
        PlanFault: one does not.
    """
    if 0 in shape:
        return
    corners = [tuple((size - 1) * (axis == at) for at, size in enumerate(shape)) for axis in range(len(shape))]
    for corner in ((0,) * len(shape), *corners, tuple(size - 1 for size in shape)):
        there = address(tuple(Affine(place) for place in corner))
        read = start + sum(at * stride for at, stride in zip(corner, strides, strict=True))
        if there.terms or there.const != read or not 0 <= read < width:
            raise PlanFault(f"{what}: a product reads element {corner} at {read}, which stands at {there} of {width}")
