"""What a part is asked to measure."""

from __future__ import annotations

import attrs

from contest.shapes import QUICK, SHAPES, Shape


@attrs.frozen
class Settings:
    """Options that change what is measured.

    Args:
        threads: of everybody.
        dtypes: "float32", "float64".
        seconds: for each entry, all contestants together; slow ones take longer.
        quick: small shapes, to see that everything works.
        rivals: the packages there are among torch, jax and onnxruntime.
    """

    threads: int
    dtypes: tuple[str, ...] = attrs.field(converter=tuple)
    seconds: float
    quick: bool
    rivals: tuple[str, ...] = attrs.field(converter=tuple)

    @property
    def on(self) -> str:
        """In words."""
        return f"{self.threads} thread{'s' * (self.threads != 1)}"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """(B, T, M, H)."""
        return QUICK if self.quick else SHAPES
