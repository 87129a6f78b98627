"""The tests that a mutant meets first: those that call the mutated function, the fastest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs

BUDGET = 15.0
"""How many seconds the tests together take on the original that a mutant meets first."""

LONG = 240.0
"""The same of those that it meets last, if the fixed stages have not killed it."""

ALIKE, LONG_ALIKE = 3, 30
"""How many tests of one function, with other parameters, are among those that a mutant meets first, and last."""


@attrs.frozen
class Test:
    """One test on the original: how long it takes, and the functions that it calls, as "file:line"."""

    __test__ = False  # no class of tests

    name: str
    seconds: float
    functions: frozenset[str]


def calling(tests: Iterable[Test], function: str) -> list[Test]:
    """Those that call `function`, the fastest first."""
    return sorted((test for test in tests if function in test.functions), key=lambda test: test.seconds)


def first(tests: Iterable[Test], function: str, budget: float = BUDGET, alike: int = ALIKE) -> list[str]:
    """The names of the fastest tests that call `function`, within `budget` seconds."""
    names: list[str] = []
    of_function: Counter[str] = Counter()
    for test in calling(tests, function):
        whole = test.name.partition("[")[0]
        if of_function[whole] < alike and test.seconds <= budget:
            of_function[whole] += 1
            budget -= test.seconds
            names.append(test.name)
    return names
