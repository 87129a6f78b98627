"""A fresh environment with somebody else's plugin installed into it."""

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import attrs
import pytest

collect_ignore = ["nanolstm-warehouse"]  # its own tests run where it is installed

PROJECT = Path(__file__).parent / "nanolstm-warehouse"
KEPT = ("NANOLSTM_BACKEND", "NANOLSTM_CACHE")
"""What holds for all tests: few of them are about kernels, and none writes to the cache of the user."""


@attrs.define
class Environment:
    """A Python of its own, which sees nanolstm and what that needs, and in which something is installed beside."""

    python: Path

    def run(self, *words, cwd, **variables):
        left_out = ("NANOLSTM_", "PYTHON", "WAREHOUSE_")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(left_out) or k in KEPT}
        return subprocess.run(
            [self.python, *map(str, words)],
            cwd=cwd,
            env=clean | {"PYTHONIOENCODING": "utf-8", "COLUMNS": "200"} | {k: str(v) for k, v in variables.items()},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def nanolstm(self, *words, cwd, **variables):
        return self.run("-P", "-m", "nanolstm.cli", *words, cwd=cwd, **variables)

    def json(self, *words, cwd, **variables):
        """What a command prints with --json, and what it says on standard error."""
        done = self.nanolstm(*words, "--json", cwd=cwd, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """An environment that has nanolstm-warehouse, built and installed by pip from its own project, and no network."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # What the running environment has is seen through a .pth file; addsitedir also follows .pth files that it holds, by
    # which nanolstm is found where it is installed editable.
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    seen = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    lines = [f"import site; site.addsitedir({path!r})\n" for path in seen]
    (Path(paths["purelib"]) / "running_environment.pth").write_text("".join(lines), encoding="utf-8")

    project = tmp_path_factory.mktemp("project") / PROJECT.name
    for file in PROJECT.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            copy = project / file.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    install = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    environment = Environment(python)
    done = environment.run("-m", "pip", *install, project, cwd=folder, PIP_REQUIRE_VIRTUALENV="0")
    assert done.returncode == 0, done.stderr
    assert (Path(paths["purelib"]) / "nanolstm_warehouse").is_dir()
    return environment
