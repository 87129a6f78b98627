"""What comes before the first result: importing nanolstm, compiling a cell, loading what was compiled before."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from contest.cells import CELLS
from contest.entry import Entry
from contest.settings import Settings

TIMES = 5
IMPORT = "import time; begin = time.perf_counter(); import nanolstm{more}; print(time.perf_counter() - begin)"
NEW, CACHED, WITH_NUMBA = "new", "from the cache", "Numba there"


def run(settings: Settings) -> Iterator[Entry]:
    """Imports, then each cell in one precision."""
    yield Entry("import", "import nanolstm", {"median": _imported("")})
    yield Entry("import", "and nanolstm.Sequence", {"median": _imported("; nanolstm.Sequence")})
    first, second, *_ = CELLS
    dtype = settings.dtypes[0]
    group = f"first use, {dtype}"
    with tempfile.TemporaryDirectory() as cache:
        for name in (first, second) if settings.quick else CELLS:
            label = f"{name}, empty cache" if name == first else name
            yield Entry(group, label, _first_uses(name, dtype, cache), cell=name, dtype=dtype)
    with tempfile.TemporaryDirectory() as cache:
        _first_use(second, dtype, cache)
        yield Entry(group, first, _first_uses(first, dtype, cache), cell=first, dtype=dtype)


def _first_uses(name: str, dtype: str, cache: str) -> dict[str, float]:
    return {
        NEW: _first_use(name, dtype, cache),
        CACHED: statistics.median(_first_use(name, dtype, cache) for _ in range(3)),
        WITH_NUMBA: statistics.median(_first_use(name, dtype, cache, "numba") for _ in range(3)),
    }


def _first_use(name: str, dtype: str, cache: str, before: str = "") -> float:
    job = json.dumps({"cell": name, "dtype": dtype, "before": before})
    return _printed([sys.executable, "-m", "contest.first_use", job], cache)


def _imported(more: str) -> float:
    command = [sys.executable, "-c", IMPORT.format(more=more)]
    return statistics.median(_printed(command, "") for _ in range(TIMES))


def _printed(command: list[str], cache: str) -> float:
    environment = os.environ | ({"NANOLSTM_CACHE": cache} if cache else {})
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return float(done.stdout.split()[-1])
