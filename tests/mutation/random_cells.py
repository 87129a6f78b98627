"""A stage: random cells of `tests/fuzz`, one after the other without machine code, up to the first that fails.

`python -m tests.mutation.random_cells 0 40` runs the seeds from 0 up to 40.
"""

# ruff: noqa: T201 (what it prints says what killed a mutant)
from __future__ import annotations

import sys

from tests.fuzz.hunt import hunted


def main(first: int, last: int) -> int:
    """1 as soon as a seed fails."""
    for seed in range(first, last):
        found = hunted(seed, {"machine": False, "known": None, "shrink": 0.0})
        if found.failures:
            print(f"FAILED seed {seed}: {found.failures[0]}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
