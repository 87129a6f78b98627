"""A copy of the project in which one file at a time is mutated, and in which nothing of the user's is touched.

All mutants live at the same path: what Numba has compiled of an unchanged file is found again by its path and time of
modification. Caches of kernels are warmed once, by the original, and each mutant is given a copy.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from .drawing import Sources
from .stages import Stage

LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", "__pycache__", "*.egg-info", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
    *("build", "dist", "site"),
)

ABOUT = "about.json"
"""What a workspace was measured with; where it is, a folder is a workspace."""

MEMORY = 16 * 2**20
"""How many KiB of address space a command may map."""

SITE = """\
import atexit, os, sys

def write():
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    here = {os.path.relpath(file) for file in files if file and file.startswith(os.getcwd())}
    with open(os.environ["MUTATION_IMPORTS"], "a") as out:
        out.writelines(name + "\\n" for name in sorted(here))

if "MUTATION_IMPORTS" in os.environ:
    atexit.register(write)
"""
"""Run by Python at its start: notes at its end which files of the project were imported."""


@attrs.frozen
class Outcome:
    """What a command did.

    Attributes:
        status: "passed", "failed" or "timeout".
        output: its last lines.
    """

    status: str
    seconds: float
    output: str


@attrs.frozen
class Baseline:
    """What a stage does on the original: how long it takes with cold caches, and which files it imports."""

    seconds: float
    imports: frozenset[str]


@attrs.frozen
class Workspace:
    """A folder with a copy of the project, the caches warmed for it, and those of the mutant being tried."""

    folder: Path

    @classmethod
    def made(cls, project: Path, folder: Path) -> Workspace:
        """A workspace in `folder`, which is new, empty or a workspace: what is compiled in one is kept.

        Raises:
            ValueError: `folder` holds something else.
        """
        workspace = cls(folder)
        if folder.exists() and any(folder.iterdir()) and not (folder / ABOUT).exists():
            raise ValueError(f"{folder} holds files, and is no workspace of this tool; name a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ABOUT).touch()
        for name in ("warm", "cache", "home", "tmp", "site"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "site" / "sitecustomize.py").write_text(SITE)
        before = Sources.found(workspace.project) if workspace.project.exists() else None
        workspace._copy(project)
        if before != Sources.found(project):
            for compiled in workspace.project.rglob("__pycache__"):
                shutil.rmtree(compiled)
        return workspace

    def _copy(self, project: Path) -> None:
        """Make the copy what the project is now, whatever an interrupted run has left."""
        shutil.copytree(project, self.project, ignore=LEFT_OUT, dirs_exist_ok=True)
        for path in sorted(self.project.rglob("*"), reverse=True):
            if "__pycache__" not in path.parts and not (project / path.relative_to(self.project)).exists():
                path.rmdir() if path.is_dir() else path.unlink()

    def copied(self, folder: Path) -> Workspace:
        """Another workspace with the same caches."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Workspace(folder)

    @property
    def project(self) -> Path:
        """The copy of the project."""
        return self.folder / "project"

    def measured(self, stages: Sequence[Stage]) -> dict[str, Baseline]:
        """Each stage on the original, which warms the caches; not again where nothing has changed since.

        Raises:
            RuntimeError: a stage fails without a mutant, so that its failures would say nothing.
        """
        about = {"project": self._digest(), "stages": [[stage.name, *stage.command] for stage in stages]}
        known = json.loads((self.folder / ABOUT).read_text() or "{}")
        if known.get("about") != about:
            known = {"about": about, "baselines": {stage.name: self._baseline(stage) for stage in stages}}
            (self.folder / ABOUT).write_text(json.dumps(known))
        return {name: Baseline(seconds, frozenset(files)) for name, (seconds, files) in known["baselines"].items()}

    def _baseline(self, stage: Stage) -> tuple[float, list[str]]:
        imports = self.folder / "imports.txt"
        imports.write_text("")
        outcome = self.run(stage, timeout=1800, cache="warm", noting=imports)
        if outcome.status != "passed":
            raise RuntimeError(
                f"stage {stage.name!r} fails on the original: {shlex.join(stage.command)}\n{outcome.output}"
            )
        return outcome.seconds, sorted(set(imports.read_text().splitlines()))

    def _digest(self) -> str:
        whole = hashlib.sha256()
        for path in sorted(self.project.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                whole.update(f"{path.relative_to(self.project)}\0".encode() + path.read_bytes())
        return whole.hexdigest()

    @contextmanager
    def mutated(self, file: str, source: str) -> Iterator[None]:
        """The project with another text in one file, and caches that a mutant may spoil, while the block runs."""
        path = self.project / file
        original, times = path.read_bytes(), path.stat()
        with self._machine_code_apart(path):
            path.write_text(source, encoding="utf-8")
            shutil.copytree(self.folder / "warm", self.folder / "cache", dirs_exist_ok=True)
            try:
                yield
            finally:
                path.write_bytes(original)
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
                for name in ("cache", "tmp"):
                    shutil.rmtree(self.folder / name, ignore_errors=True)
                    (self.folder / name).mkdir()

    @contextmanager
    def _machine_code_apart(self, path: Path) -> Iterator[None]:
        """Without the machine code that Numba keeps next to `path` of what the mutant changes, to be put back after.

        Numba looks at the file of a function alone: what is inlined from another is stale without notice.
        """
        kept = path.parent / "__pycache__"
        if not any(kept.glob("*.nbi")):
            yield
            return
        aside = self.folder / "machine code"
        shutil.copytree(kept, aside)
        for module in importers(path):
            for file in kept.glob(f"{module}.*.nb[ic]"):
                file.unlink()
        try:
            yield
        finally:
            shutil.rmtree(kept)
            aside.rename(kept)

    def run(self, stage: Stage, timeout: float, cache: str = "cache", noting: Path | None = None) -> Outcome:
        """Run a stage; one that takes longer than `timeout` seconds is ended, with all that it has started."""
        begin = time.monotonic()
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"ulimit -v {MEMORY}; exec {shlex.join(stage.command)}"],
            cwd=self.project,
            env=self._environment(cache, noting),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        try:
            output, _ = process.communicate(timeout=timeout)
            status = "failed" if process.returncode else "passed"
        except subprocess.TimeoutExpired:
            status = "timeout"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if status == "timeout":
            output, _ = process.communicate()
        return Outcome(status, time.monotonic() - begin, output[-4000:])

    def _environment(self, cache: str, noting: Path | None) -> dict[str, str]:
        kept = {name: v for name, v in os.environ.items() if not name.startswith(("NANOLSTM_", "NUMBA_", "XDG_"))}
        project, home = self.project, self.folder / "home"
        return (
            kept
            | {
                "PYTHONPATH": os.pathsep.join(map(str, (project, project / "plugins", self.folder / "site"))),
                "NANOLSTM_CACHE": str(self.folder / cache),
                "NANOLSTM_TEST_CACHE": str(self.folder / cache),
                "HOME": str(home),
                "XDG_CACHE_HOME": str(home / "cache"),
                "TMPDIR": str(self.folder / "tmp"),
            }
            | ({"MUTATION_IMPORTS": str(noting)} if noting else {"PYTHONDONTWRITEBYTECODE": "1"})
        )


def importers(path: Path) -> set[str]:
    """The modules next to `path` that import it, themselves or through others, and itself."""
    imports = {other.stem: _imported(other) for other in path.parent.glob("*.py")}
    found = {path.stem}
    while more := {module for module, names in imports.items() if names & found} - found:
        found |= more
    return found


def _imported(path: Path) -> set[str]:
    """The last words of all modules and names that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name.split(".")[-1] for alias in node.names}
            found.add((getattr(node, "module", None) or "").split(".")[-1])
    return found
