"""One part of a model on one batch: its programs run forward over the rows, and back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np

from nanolstm.compile.backend import Runnable, tell_once
from nanolstm.compile.memory import Memory
from nanolstm.compile.numpy_target import Program
from nanolstm.compile.programs import Programs, Variant
from nanolstm.compile.steps import Steps
from nanolstm.errors import KernelError
from nanolstm.gradient.rows import Rows
from nanolstm.language.functions import Array

if TYPE_CHECKING:
    from nanolstm.compile.kernel import Bound
    from nanolstm.sequence import Part

Named = Mapping[str, Array]
_Made = TypeVar("_Made")


@attrs.define(eq=False)
class PartRun:
    """One part of a model on one batch, forward and back again.

    Names are those of `nanolstm.compile.programs`: "d x" is a cotangent, "v x" a tangent.

    Attributes:
        part: the cell and its place.
        programs: those of its step.
        variants: what they are asked for: where a kernel cannot be had, the next one.
        layout: which row is what.
        segments: the time steps in pieces; what the backward program needs is there for one piece at a time.
        fixed: parameters and learned starts, and their tangents.
        rows: what there is for each row: x, feeds, masks, tangents, cotangents.
        first: the first states (B, ...), longest sequence first, and their tangents.
        memory: of the call.
        strict: whether to raise an error where a kernel cannot be had.
    """

    part: Part
    programs: Programs
    variants: list[Variant]
    layout: Rows
    segments: list[range]
    fixed: dict[str, Array]
    rows: dict[str, Array]
    first: dict[str, Array]
    memory: Memory
    strict: bool = False
    _borders: list[dict[str, Array]] = attrs.field(factory=list, init=False)
    _kept: dict[str, Array] = attrs.field(factory=dict, init=False)

    def ahead(self, x: Named, *, derive: bool = False) -> dict[str, Array]:
        """From x of all rows (and "v x") to "output" (and "v output") of all rows, and last states, "last h".

        With a variant that records, to "value name" of all rows as well.

        With `derive`, `back` can follow: it goes on from what is kept of this run; where there are several segments,
        only their first states are, and each is run once more.
        """
        self.rows |= {name: self._turned(value) for name, value in x.items()}
        at_once = derive and len(self.segments) == 1
        program = self.compiled(derive=derive)
        states, pieces = self.first, []
        self._borders, self._kept = [], {}
        for segment in self.segments:
            self._borders.append(states)
            answer = self._run(program, segment, states)
            states = _last(answer)
            pieces.append({name: value for name, value in answer.items() if _is_of_rows(name)})
            if at_once:
                self._kept = answer
        return self._joined(pieces) | {f"last {name}": self.layout.unsorted(value) for name, value in states.items()}

    def compiled(self, *, derive: bool = False) -> Runnable:
        """The program that runs ahead, made if it is not there."""
        if derive and len(self.segments) == 1:
            return self._made(self.programs.pair).forward
        return self._made(self.programs.forward)

    def has_kernels(self, *, derive: bool) -> bool:
        """Whether what runs ahead is compiled."""
        return not isinstance(self.compiled(derive=derive), Program)

    def bind(self, given: Named, steps: Steps, memory: Memory, *, derive: bool) -> Bound:
        """The kernel that runs ahead, bound to the arrays in `given`."""
        from nanolstm.compile.kernel import Bound, Kernel

        kernel = self.compiled(derive=derive)
        assert isinstance(kernel, Kernel)
        return Bound(kernel, steps, self.part.cell.dtype, given, memory)

    def bind_back(self, given: Named, steps: Steps, memory: Memory) -> Bound:
        """The kernel that runs back, bound to the arrays in `given`."""
        from nanolstm.compile.kernel import Bound, Kernel

        kernel = self._made(self.programs.pair).backward
        assert isinstance(kernel, Kernel)
        return Bound(kernel, steps, self.part.cell.dtype, given, memory)

    def back(self, cotangents: Named) -> dict[str, Array]:
        """From "d output" of all rows to "d name" for each name that the variant asks for, and for the first states.

        With a direction, from "v d output" too, and to "v d name".
        """
        self.rows |= {name: self._turned(value) for name, value in cotangents.items()}
        pair = self._made(self.programs.pair)
        states = {cotangent(name): np.zeros_like(value) for name, value in self.first.items()}
        pieces: list[dict[str, Array]] = []
        totals: dict[str, Array] = {}
        for segment, first in zip(reversed(self.segments), reversed(self._borders), strict=True):
            kept = self._kept or self._run(pair.forward, segment, first)
            answer = self._run(pair.backward, segment, states, {name: kept[name] for name in pair.kept}, turned=True)
            states = _last(answer)
            pieces.append({name: value for name, value in answer.items() if of(name) in self.rows})
            for name in answer.keys() - pieces[-1].keys():
                if not name.startswith("last "):
                    totals[name] = totals[name] + answer[name] if name in totals else answer[name]
        return totals | self._joined(pieces[::-1]) | {n: self.layout.unsorted(value) for n, value in states.items()}

    def _run(
        self, program: Runnable, segment: range, states: Named, kept: Named | None = None, *, turned: bool = False
    ) -> dict[str, Array]:
        """One program over one segment, from its last step to its first if `turned`."""
        bounds, rows = self.layout.bounds[segment.start : segment.stop + 1], self.rows
        begin, end = bounds[[0, -1]].tolist()
        if end - begin < self.layout.count:
            bounds = bounds - begin
            rows = {name: value[begin:end] for name, value in rows.items()}
        given = {**self.fixed, **rows, **states, **(kept or {})}
        return program(Steps(bounds, self.layout.batch, turned), self.part.cell.dtype, given, self.memory)

    def _made(self, make: Callable[[Variant], _Made]) -> _Made:
        """A program of the first variant of which there is one."""
        while True:
            try:
                return make(self.variants[0])
            except KernelError as error:
                if self.strict or len(self.variants) == 1:
                    raise
                tell_once(str(error))
                del self.variants[0]

    def _joined(self, pieces: list[dict[str, Array]]) -> dict[str, Array]:
        whole = pieces[0] if len(pieces) == 1 else {n: np.concatenate([p[n] for p in pieces]) for n in pieces[0]}
        return {name: self._turned(value) for name, value in whole.items()}

    def _turned(self, rows: Array) -> Array:
        """In the order in which this part runs: a part that runs backward sees each sequence from its end."""
        return rows[self.layout.turned] if self.part.backward else rows


def _is_of_rows(name: str) -> bool:
    return name in ("output", "v output") or name.startswith("value ")


def _last(answer: Named) -> dict[str, Array]:
    return {name.removeprefix("last "): value for name, value in answer.items() if name.startswith("last ")}


def cotangent(name: str) -> str:
    """The name of the cotangent: "d h" for "h", "v d h" for "v h"."""
    return f"v d {name[2:]}" if name.startswith("v ") else f"d {name}"


def of(name: str) -> str:
    """What "d name" and "v d name" are derivatives by."""
    return name.removeprefix("v ").removeprefix("d ")
