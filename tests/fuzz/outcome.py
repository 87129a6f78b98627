"""What comes of comparing a case."""

from __future__ import annotations

import traceback

import attrs


@attrs.frozen
class Failure:
    """Two results that differ, or an error.

    Attributes:
        mode: how it was run.
        what: was compared.
        detail: where they differ, and by how much.
    """

    mode: str
    what: str
    detail: str

    @property
    def is_certain(self) -> bool:
        """Whether no rounding can explain it."""
        return "Error" in self.detail or "off by nan" in self.detail or "finite" in self.detail

    @property
    def kind(self) -> str:
        """What a smaller case has to have in common with this one to be the same failure."""
        error = self.detail.partition(":")[0]
        return f"{self.mode} {error if 'Error' in error else 'differs'}"

    def __str__(self) -> str:
        return f"{self.what}, {self.mode}: {self.detail}"


@attrs.define
class Outcome:
    """What came of a case.

    Attributes:
        failures: at most one of each mode.
        notes: what could not be compared, and why.
        seconds: by mode.
    """

    failures: list[Failure] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    seconds: dict[str, float] = attrs.field(factory=dict)


class DifferError(Exception):
    """Two results differ; the text says where."""


def told(error: BaseException) -> str:
    """An error as the detail of a failure: its type and text first."""
    lines = traceback.format_exception(error, limit=-2)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}\n{''.join(lines[-6:])}"
