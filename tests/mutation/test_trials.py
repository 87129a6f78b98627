"""A fault planted in a toy package is found, one that no stage looks at is not, and the run goes on where it ended."""

import sys

import attrs
import pytest

from . import selection, trials
from .drawing import Sources, drawn
from .equivalents import Equivalents
from .measuring import measured
from .results import append, read, report
from .stages import Stage
from .trials import Draw, all_tried
from .workspace import Workspace, importers

SUMS = "def total(numbers):\n    found = 0\n    for x in numbers:\n        found += x\n    return found\n"


def stage(name, code):
    return Stage(name, (sys.executable, "-W", "ignore", "-c", code))


STAGES = (
    stage("imports nothing", "pass"),
    stage("looks", "from nanolstm.compile.sums import total\nassert total([1, 2]) == 3"),
)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    for name in ("compile", "kernels", "graph", "gradient"):
        (folder / "nanolstm" / name).mkdir(parents=True)
        (folder / "nanolstm" / name / "__init__.py").write_text("")
    (folder / "nanolstm" / "__init__.py").write_text("")
    (folder / "nanolstm" / "compile" / "sums.py").write_text(SUMS)
    return folder


@pytest.fixture
def workspace(project, tmp_path):
    return Workspace.made(project, tmp_path / "workspace")


def draws_of(project):
    sources = Sources.found(project)
    return [Draw(0, i, sources.digest, found) for i, found in enumerate(drawn(sources, 0))]


def tried_all(project, workspace, stages=STAGES):
    draws = draws_of(project)
    return list(all_tried(draws, [workspace], stages, measured(workspace, stages)))


def test_every_fault_of_a_tested_function_is_killed_by_the_stage_that_looks(project, workspace):
    results = tried_all(project, workspace)
    by_order = [result for result in results if result.kind == "iteration reversed"]
    others = [result for result in results if result not in by_order]
    assert len(others) >= 2
    assert {(result.status, result.killed_by) for result in others} == {("killed", "looks")}
    assert [result.status for result in by_order] == ["survived"] * len(by_order)


def test_a_stage_that_does_not_import_the_file_is_left_out(project, workspace):
    assert all("imports nothing" not in result.stages for result in tried_all(project, workspace))


RELIES_ON_ANOTHER = """
from nanolstm.compile.sums import total
made = []

def test_first():
    made.append(total([1, 2]))

def test_second():
    assert made == [3]
"""


@pytest.mark.parametrize(("chosen", "killed"), [(("first", "second"), "nearest"), (("second",), "looks")])
def test_a_failure_that_the_original_has_too_is_no_kill(chosen, killed, project, tmp_path):
    (project / "test_toy.py").write_text(RELIES_ON_ANOTHER)
    workspace = Workspace.made(project, tmp_path / "workspace")
    (draw,) = (draw for draw in draws_of(project) if draw.mutant.kind == "constant off by one")
    called = frozenset({draw.mutant.called})
    near = [selection.Test(f"test_toy.py::test_{name}", i, called) for i, name in enumerate(chosen)]
    original = attrs.evolve(measured(workspace, STAGES), tests=tuple(near))
    assert trials.tried(draw, workspace, STAGES, original).killed_by == killed


def test_the_project_and_the_copy_are_as_before_after_a_mutant(project, workspace):
    tried_all(project, workspace)
    for folder in (project, workspace.project):
        assert (folder / "nanolstm" / "compile" / "sums.py").read_text() == SUMS


def test_a_mutant_that_never_ends_is_killed_after_its_time(project, workspace, monkeypatch):
    monkeypatch.setattr(trials, "LEAST", 0.5)
    file = project / "nanolstm" / "compile" / "sums.py"
    file.write_text("def total(numbers):\n    while False:\n        pass\n    return sum(numbers)\n")
    workspace = Workspace.made(project, workspace.folder)
    results = tried_all(project, workspace)
    assert ("boolean flipped", "timeout") in {(result.kind, result.status) for result in results}


def test_a_stage_that_fails_on_the_original_is_an_error(workspace):
    with pytest.raises(RuntimeError, match="'broken' fails on the original"):
        measured(workspace, [stage("broken", "raise SystemExit(3)")])


def test_measuring_again_takes_what_is_known(workspace):
    first = measured(workspace, STAGES)
    assert measured(workspace, STAGES) == first
    assert measured(workspace, STAGES[:1]).stages.keys() == {"imports nothing"}


def test_a_folder_with_other_files_is_not_taken_for_a_workspace(project, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="name a new folder"):
        Workspace.made(project, tmp_path / "mine")


def test_a_file_that_the_project_has_no_more_leaves_the_copy(project, workspace):
    (project / "nanolstm" / "compile" / "sums.py").unlink()
    workspace = Workspace.made(project, workspace.folder)
    assert not (workspace.project / "nanolstm" / "compile" / "sums.py").exists()


def test_machine_code_of_what_imports_the_mutant_is_made_anew_and_put_back(project, workspace):
    folder = workspace.project / "nanolstm" / "compile"
    (folder / "uses.py").write_text("from nanolstm.compile import sums\n")
    (folder / "apart.py").write_text("import math\n")
    assert importers(folder / "sums.py") == {"sums", "uses"}
    kept = folder / "__pycache__"
    kept.mkdir()
    names = {f"{module}.f-1.py311.nbi" for module in ("sums", "uses", "apart")}
    for name in names:
        (kept / name).write_text("")
    with workspace.mutated("nanolstm/compile/sums.py", SUMS + "\n"):
        assert {path.name for path in kept.iterdir()} == {"apart.f-1.py311.nbi"}
        (kept / "sums.f-1.py311.nbi").write_text("of the mutant")
    assert {path.name for path in kept.iterdir()} == names
    assert (kept / "sums.f-1.py311.nbi").read_text() == ""


def test_results_are_read_again_and_an_incomplete_line_is_dropped(project, workspace, tmp_path):
    results = tried_all(project, workspace)
    file = tmp_path / "results.jsonl"
    for result in results:
        append(file, result)
    file.write_text(file.read_text() + '{"seed": 0, "dr')
    assert sorted(read(file), key=lambda r: r.draw) == sorted(results, key=lambda r: r.draw)


def test_the_report_counts_kills_shows_survivors_and_leaves_equivalents_out(project, workspace):
    results = tried_all(project, workspace)
    survivors = [result for result in results if result.status == "survived"]
    text = report(results, Equivalents({}))
    assert text.startswith(f"{len(results) - len(survivors)} of {len(results)} mutants killed; 0 named")
    assert all(result.diff in text for result in survivors)
    excused = Equivalents({results[0].key: {results[0].function: "speed alone"}})
    assert f"of {len(results) - 1} mutants killed; 1 named as equivalent" in report(results, excused)
