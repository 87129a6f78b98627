"""Run by Python at its start: at its end, write down which files of the project it has imported."""

import atexit
import os
import sys
from pathlib import Path


def _write(file: str, project: str) -> None:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    here = sorted({os.path.relpath(found, project) for found in files if found and found.startswith(project)})
    with Path(file).open("a", encoding="utf-8") as out:
        out.writelines(f"{name}\n" for name in here)


if "MUTATION_IMPORTS" in os.environ:
    atexit.register(_write, os.environ["MUTATION_IMPORTS"], str(Path.cwd()))
