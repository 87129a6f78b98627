"""A copy of the project in which one file at a time is mutated, and in which nothing of the user's is touched.

All mutants live at the same path: what Numba has compiled of an unchanged file is found again by its path and time of
modification. Caches of kernels are warmed once, by the original, and each mutant is given a copy.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from .drawing import Sources

LEFT_OUT = shutil.ignore_patterns(
    *(".git", ".venv", "__pycache__", "*.egg-info", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"),
    *("build", "dist", "site"),
)

ABOUT = "about.json"
"""What a workspace was measured with; where it is, a folder is a workspace."""

WARM = "warm"
"""The folder of the kernels of the original."""

SITE = Path(__file__).parent / "startup"
"""A folder in which Python finds `sitecustomize`, which it runs at its start."""

LATER = 2 * 10**9
"""By how many nanoseconds a mutant is younger than the original: Python compares whole seconds, and sizes."""

MEMORY = 16 * 2**20
"""How many KiB of address space a command may map."""


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
        for name in (WARM, "cache", "home", "tmp"):
            (folder / name).mkdir(exist_ok=True)
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

    @property
    def digest(self) -> str:
        """A hash of the whole copy: what was measured holds for one state of it."""
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
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + LATER))
            shutil.copytree(self.folder / WARM, self.folder / "cache", dirs_exist_ok=True)
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

    def run(
        self, command: Sequence[str], timeout: float, cache: str = "cache", more: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run a command; one that takes longer than `timeout` seconds is ended, with all that it has started.

        Args:
            command: the words of it.
            timeout: its limit in seconds.
            cache: the folder of kernels that it uses: that of a mutant, or the warm one of the original.
            more: environment variables for it.
        """
        begin = time.monotonic()
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"ulimit -v {MEMORY}; exec {shlex.join(command)}"],
            cwd=self.project,
            env=self._environment(cache) | dict(more or {}),
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

    def _environment(self, cache: str) -> dict[str, str]:
        kept = {name: v for name, v in os.environ.items() if not name.startswith(("NANOLSTM_", "NUMBA_", "XDG_"))}
        return kept | {
            "PYTHONPATH": os.pathsep.join(map(str, (self.project, self.project / "plugins", SITE))),
            "PYTHONDONTWRITEBYTECODE": "1" if cache != WARM else "",
            "NANOLSTM_CACHE": str(self.folder / cache),
            "NANOLSTM_TEST_CACHE": str(self.folder / cache),
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(self.folder / "home" / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
        }


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
