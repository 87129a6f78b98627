"""One part of a model on one batch: its programs run forward over the rows, and back again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import numpy as np

from nanolstm.compile.backend import Runnable
from nanolstm.compile.memory import Memory
from nanolstm.compile.numpy_target import Program
from nanolstm.compile.programs import Pair
from nanolstm.compile.steps import Steps
from nanolstm.gradient.rows import Rows
from nanolstm.language.functions import Array

if TYPE_CHECKING:
    from nanolstm.compile.kernel import Bound
    from nanolstm.sequence import Part

Named = Mapping[str, Array]


@attrs.frozen(eq=False)
class Runnables:
    """The programs of a part for one kind of run, all of them kernels or none.

    Attributes:
        forward: from rows and first states to outputs and last states; None where the pair does it.
        pair: the same so that the backward program can follow, and that; None where nothing is derived.
    """

    forward: Runnable | None
    pair: Pair | None

    @property
    def ahead(self) -> Runnable:
        """What runs first."""
        if self.forward is not None:
            return self.forward
        assert self.pair is not None
        return self.pair.forward

    @property
    def are_kernels(self) -> bool:
        """Whether they are compiled."""
        return not isinstance(self.ahead, Program)


@attrs.define(eq=False)
class PartRun:
    """One part of a model on one batch, forward and back again.

    Names are those of `nanolstm.compile.programs`: "d x" is a cotangent, "v x" a tangent.

    Attributes:
        part: the cell and its place.
        programs: those of its step.
        layout: which row is what; where it has several pieces, what the backward program needs is there for one of
            them at a time.
        fixed: parameters and learned starts, and their tangents.
        rows: what there is for each row: x, feeds, masks, tangents, cotangents.
        first: the first states (B, ...), longest sequence first, and their tangents.
        memory: of the call.
    """

    part: Part
    programs: Runnables
    layout: Rows
    fixed: dict[str, Array]
    rows: dict[str, Array]
    first: dict[str, Array]
    memory: Memory
    _borders: list[dict[str, Array]] = attrs.field(factory=list, init=False)
    _kept: dict[str, Array] = attrs.field(factory=dict, init=False)

    def ahead(self, x: Named) -> dict[str, Array]:
        """From x of all rows (and "v x") to "output" (and "v output") of all rows, and last states, "last h".

        With a variant that records, to "value name" of all rows as well.

        `back` can follow if there is a pair of programs: it goes on from what is kept of this run; where there are
        several pieces, only their first states are, and each is run once more.
        """
        self.rows |= {name: self._turned(value) for name, value in x.items()}
        states, found = self.first, []
        self._borders, self._kept = [], {}
        for piece in range(len(self.layout.pieces)):
            self._borders.append(states)
            answer = self._run(self.programs.ahead, piece, states)
            states = _last(answer)
            found.append({name: value for name, value in answer.items() if _is_of_rows(name)})
            if self.programs.forward is None:
                self._kept = answer
        return self._joined(found) | {f"last {name}": self.layout.unsorted(value) for name, value in states.items()}

    def numbers(self) -> list[Array]:
        """All its parameters, in as few arrays as there are."""
        cell = self.part.cell
        return [cell.parameters.flat, cell.frozen.flat]

    def bind(self, given: Named, steps: Steps, memory: Memory) -> Bound:
        """The kernel that runs ahead, bound to the arrays in `given`."""
        return self._bound(self.programs.ahead, given, steps, memory)

    def bind_back(self, given: Named, steps: Steps, memory: Memory) -> Bound:
        """The kernel that runs back, bound to the arrays in `given`."""
        assert self.programs.pair is not None
        return self._bound(self.programs.pair.backward, given, steps, memory)

    def _bound(self, kernel: Runnable, given: Named, steps: Steps, memory: Memory) -> Bound:
        from nanolstm.compile.kernel import Bound, Kernel

        assert isinstance(kernel, Kernel)
        return Bound(kernel, steps, self.part.cell.dtype, given, memory)

    def back(self, cotangents: Named) -> dict[str, Array]:
        """From "d output" of all rows to "d name" for each name that the variant asks for, and for the first states.

        With a direction, from "v d output" too, and to "v d name".
        """
        self.rows |= {name: self._turned(value) for name, value in cotangents.items()}
        pair = self.programs.pair
        assert pair is not None
        states = {cotangent(name): np.zeros_like(value) for name, value in self.first.items()}
        found: list[dict[str, Array]] = []
        totals: dict[str, Array] = {}
        for piece, first in reversed([*enumerate(self._borders)]):
            kept = self._kept or self._run(pair.forward, piece, first)
            answer = self._run(pair.backward, piece, states, {name: kept[name] for name in pair.kept}, turned=True)
            states = _last(answer)
            found.append({name: value for name, value in answer.items() if of(name) in self.rows})
            for name in answer.keys() - found[-1].keys():
                if not name.startswith("last "):
                    totals[name] = totals[name] + answer[name] if name in totals else answer[name]
        return totals | self._joined(found[::-1]) | {n: self.layout.unsorted(value) for n, value in states.items()}

    def _run(
        self, program: Runnable, piece: int, states: Named, kept: Named | None = None, *, turned: bool = False
    ) -> dict[str, Array]:
        """One program over one piece, from its last step to its first if `turned`."""
        here, rows = self.layout.pieces[piece], self.rows
        if here.end - here.begin < self.layout.count:
            rows = {name: value[here.begin : here.end] for name, value in rows.items()}
        given = {**self.fixed, **rows, **states, **(kept or {})}
        return program(self.layout.steps(piece, backward=turned), self.part.cell.dtype, given, self.memory)

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
