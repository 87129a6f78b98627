"""The tests that a mutant meets first: the fastest that call its function, not too many of one kind."""

import shutil
import sys

import pytest

from . import noting
from .measuring import measured
from .selection import Test, first
from .stages import PYTEST, Stage
from .workspace import Workspace


def test_the_fastest_that_call_the_function_come_first_within_the_budget():
    tests = [Test("slow", 5.0, frozenset("ab")), Test("fast", 1.0, frozenset("a")), Test("other", 0.1, frozenset("b"))]
    assert first(tests, "a", budget=10.0) == ["fast", "slow"]
    assert first(tests, "a", budget=3.0) == ["fast"]
    assert first(tests, "c") == []


def test_one_function_with_many_parameters_leaves_room_for_others():
    tests = [Test(f"t[{i}]", 0.1, frozenset("a")) for i in range(9)] + [Test("other", 1.0, frozenset("a"))]
    assert first(tests, "a", alike=2) == ["t[0]", "t[1]", "other"]


SOURCE = """
def called(x):
    return [part for part in x]

def left(x):
    return x

table = {"row": lambda x: called(x)}
"""

TESTS = """
import threading
from nanolstm.compile import source

def test_calls_a_row():
    source.table["row"]([1])

def test_calls_in_a_thread():
    thread = threading.Thread(target=source.left, args=(1,))
    thread.start()
    thread.join()

def test_fails():
    assert source.called([1]) == 2
"""


@pytest.fixture(scope="module")
def noted(tmp_path_factory):
    project = tmp_path_factory.mktemp("noted") / "project"
    for name in ("compile", "kernels", "graph", "gradient"):
        (project / "nanolstm" / name).mkdir(parents=True)
        (project / "nanolstm" / name / "__init__.py").write_text("")
    (project / "nanolstm" / "__init__.py").write_text("")
    (project / "nanolstm" / "compile" / "source.py").write_text(SOURCE)
    (project / "test_source.py").write_text(TESTS)
    (project / "tests" / "mutation").mkdir(parents=True)
    shutil.copy(noting.__file__, project / "tests" / "mutation")
    workspace = Workspace.made(project, project.parent / "workspace")
    nothing, broad = Stage("none", (sys.executable, "-c", "")), Stage("broad", (*PYTEST, "test_source.py"))
    found = measured(workspace, [nothing], broad)
    return {test.name.partition("::")[2]: test for test in found.tests}


def test_the_functions_and_lambdas_that_a_test_calls_are_noted(noted):
    assert noted["test_calls_a_row"].functions >= {f"nanolstm/compile/source.py:{line}" for line in (2, 8)}
    assert "nanolstm/compile/source.py:5" not in noted["test_calls_a_row"].functions


def test_what_is_called_in_another_thread_is_noted(noted):
    assert "nanolstm/compile/source.py:5" in noted["test_calls_in_a_thread"].functions


def test_a_test_that_fails_on_the_original_is_not_taken(noted):
    assert "test_fails" not in noted
