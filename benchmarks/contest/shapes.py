"""The shapes that everything is measured at."""

from __future__ import annotations

Shape = tuple[int, int, int, int]
"""B sequences of T steps, M inputs, H hidden units."""

SHAPES: tuple[Shape, ...] = (
    (1, 522, 2, 3),
    (1, 1000, 16, 64),
    (1, 100, 8, 32),
    (32, 100, 8, 32),
    (32, 100, 32, 128),
    (64, 100, 64, 256),
    (64, 50, 512, 512),
    (256, 50, 64, 128),
)
QUICK: tuple[Shape, ...] = ((1, 20, 2, 3), (3, 10, 4, 8))
"""To see that everything works."""
