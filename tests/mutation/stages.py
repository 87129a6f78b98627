"""The fixed fast set: commands in the order in which a mutant meets them; the first that fails kills it.

The order is that of kills per second, as `--report` counts them. A stage that does not import the mutated file is left
out for that mutant.
"""

from __future__ import annotations

import sys

import attrs

PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", "--tb=line")


@attrs.frozen
class Stage:
    """One command, run in the folder of the mutated project."""

    name: str
    command: tuple[str, ...]


def tests(name: str, *arguments: str) -> Stage:
    """A stage of pytest: the tests run in the order given, and the first failure ends it."""
    return Stage(name, (*PYTEST, *arguments))


STAGES = (
    tests("graphs", "tests/graph"),
    tests("derivatives", "tests/test_derivatives.py"),
    tests("kernels", "tests/kernels/test_against_numpy.py"),
    tests("parts of kernels", "tests/kernels/test_products.py", "tests/kernels/test_elementary.py"),
)
