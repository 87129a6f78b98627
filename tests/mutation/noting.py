"""A plugin of pytest that notes which functions of the compiler each test calls, and how long the test takes.

It is loaded by `-p tests.mutation.noting` when the original is measured. What is called in machine code, or in another
process, is not seen.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

import pytest

VARIABLE = "MUTATION_CALLS"
"""The environment variable that names the file to write to."""


class Calls:
    """The functions that were called since the last test ended."""

    def __init__(self, project: Path) -> None:
        """Of the files below `project`."""
        self.project = f"{project}{os.sep}"
        self.tests: list[dict[str, object]] = []
        self.seen: dict[int, CodeType] = {}

    def trace(self, frame: FrameType, event: str, argument: object) -> None:
        """Note a call; without an answer Python does not trace the lines of the function."""
        code = frame.f_code
        self.seen[id(code)] = code

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace one test with its fixtures, but for those that an earlier one has made."""
        self.seen, begin = {}, time.perf_counter()
        threading.settrace(self.trace)
        sys.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.tests.append(
                {
                    "name": item.nodeid,
                    "seconds": time.perf_counter() - begin,
                    "functions": sorted(set(self._functions())),
                    "passed": not getattr(item, "failed", False),
                }
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Note whether a test, or a fixture of its own, did not pass."""
        report = yield
        if not report.passed:  # type: ignore[attr-defined]
            item.failed = True  # type: ignore[attr-defined]
        return report

    def pytest_sessionfinish(self) -> None:
        """Append what was noted, one test a line."""
        with Path(os.environ[VARIABLE]).open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(test) + "\n" for test in self.tests)

    def _functions(self) -> Iterator[str]:
        for code in self.seen.values():
            if code.co_filename.startswith(self.project):
                yield f"{code.co_filename.removeprefix(self.project)}:{code.co_firstlineno}"


def pytest_configure(config: pytest.Config) -> None:
    """Begin to note, where the variable is set."""
    if VARIABLE in os.environ:
        config.pluginmanager.register(Calls(config.rootpath))
