"""The fixed fast set: commands in the order in which a mutant meets them; the first that fails kills it.

The order is that of kills per second, as `--report` counts them. A stage that does not import the mutated file is left
out for that mutant. Ahead of all stages stand the fastest tests that call the mutated function, and behind them all of
those tests, out of the stages and of `BROAD`; see `selection.py`.
"""

from __future__ import annotations

import sys

import attrs

PYTEST = (sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", "--tb=line")


@attrs.frozen
class Stage:
    """One command, run in the folder of the mutated project."""

    name: str
    command: tuple[str, ...]

    @property
    def noting(self) -> tuple[str, ...]:
        """The command as it is run on the original, with notes of which test calls which function."""
        if self.command[: len(PYTEST)] != PYTEST:
            return self.command
        return (*PYTEST, "-p", "tests.mutation.noting", *self.command[len(PYTEST) :])


def tests(name: str, *arguments: str) -> Stage:
    """A stage of pytest: the tests run in the order given, and the first failure ends it."""
    return Stage(name, (*PYTEST, "-x", *arguments))


STAGES = (
    Stage("random cells", (sys.executable, "-m", "tests.mutation.random_cells", "7", "47")),
    tests("graphs", "tests/graph", "tests/test_derivatives.py"),
    tests("parts of kernels", "tests/kernels/test_products.py", "tests/kernels/test_elementary.py"),
    tests("kernels", "tests/kernels/test_against_numpy.py", "tests/kernels/test_small.py"),
)

BROAD = Stage(
    "broad",
    (
        *PYTEST,
        *("tests/kernels", "tests/language", "tests/test_sequence.py", "tests/test_ensemble.py"),
        *("tests/test_losses_called.py", "tests/test_dropout.py", "tests/test_checking.py", "tests/zoo"),
        *("tests/train", "tests/compare"),
    ),
)
"""Further tests, each by itself: which of them a mutant meets is decided by what they call."""
