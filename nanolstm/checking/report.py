"""What a check found: rows that are a table, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np


@attrs.frozen
class Row:
    """One thing that was checked.

    Attributes:
        what: the method of a model, or the step before it.
        over: what it was run over.
        error: the largest relative error; None where there is nothing to measure.
        allowed: how large it may be.
        passed: whether it is not larger.
        where: at which parameter, input or state the error is largest.
        reason: why there is no error that could be trusted.
    """

    what: str
    over: str
    error: float | None
    allowed: float | None
    passed: bool
    where: str = ""
    reason: str = ""

    def cells(self) -> tuple[str, str, str, str, str]:
        """The columns of a table beside `passed`."""
        error, allowed = ("" if n is None else f"{n:.1e}" if n else "0" for n in (self.error, self.allowed))
        return self.what, self.over, error, allowed, self.where


@attrs.frozen
class Report:
    """What [`check`][nanolstm.check] found; printed, it is a table.

    Attributes:
        cell: the cell that was checked, with its sizes.
        rows: everything that was checked.
        nodes: how many operations, inputs and constants the graph of the step has.
        unread: the names of the parameters that the step does not read.
        advice: what to write instead of parameters that are not read, and what to make of gradients that are zero.
        zero_gradients: what the step reads and no gradient reaches: parameters, "x", feeds, "initial h".
    """

    cell: str
    rows: tuple[Row, ...]
    nodes: int
    unread: tuple[str, ...] = ()
    advice: str = ""
    zero_gradients: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every row passed."""
        return all(row.passed for row in self.rows)

    def verdict(self) -> str:
        """What came of it, each reason once, and what to do about parameters that are not read."""
        failed = sum(not row.passed for row in self.rows)
        found = f"{failed} of {len(self.rows)} checks failed." if failed else f"All {len(self.rows)} checks passed."
        return "\n".join([found, *self._reasons(), *([self.advice] if self.advice else [])])

    def _reasons(self) -> Iterator[str]:
        for reason in dict.fromkeys(row.reason for row in self.rows if row.reason):
            rows = [f"{row.what} ({row.over})" for row in self.rows if row.reason == reason]
            yield f"{rows[0]}{f' and {len(rows) - 1} more' if rows[1:] else ''}: {reason}"

    def facts(self) -> dict[str, Any]:
        """All of it as plain values; an error that is no number is None."""
        rows = [attrs.asdict(row) for row in self.rows]
        for row in rows:
            if row["error"] is not None and not np.isfinite(row["error"]):
                row["error"] = None
        whole = {"cell": self.cell, "ok": self.ok, "nodes": self.nodes}
        return {
            **whole,
            "rows": rows,
            "unread": list(self.unread),
            "zero_gradients": list(self.zero_gradients),
            "advice": self.advice,
        }

    def __str__(self) -> str:
        head = ("", "what", "over", "error", "allowed", "at")
        lines = [head, *(("ok" if row.passed else "FAILED", *row.cells()) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        laid = ["  ".join(word.ljust(n) for word, n in zip(line, widths, strict=True)).rstrip() for line in lines]
        return "\n".join([self.cell, *laid, self.verdict()])
