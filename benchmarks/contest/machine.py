"""What it is measured on: versions, processor, and the environment of a process that measures."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("numpy", "numba", "torch", "jax", "onnxruntime")
RIVALS = {"torch": ("torch",), "jax": ("jax",), "onnxruntime": ("onnxruntime", "onnx")}
"""Who needs which modules."""

UNWANTED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Settings that help an old OpenBLAS on some machines and slow down the one that NumPy brings today."""

COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NANOLSTM_NUM_THREADS",
    "NPROC",  # XLA
)


def rivals() -> tuple[str, ...]:
    """Those that are installed."""
    return tuple(name for name, modules in RIVALS.items() if all(map(find_spec, modules)))


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def environment(threads: int) -> dict[str, str]:
    """Of a process that measures on that many threads."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    path = [str(Path(__file__).parents[1]), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | dict.fromkeys(COUNTS, str(threads)) | {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def versions() -> dict[str, str]:
    """Of Python, of nanolstm with a digest of its sources, and of the packages that are installed."""
    found = {"python": platform.python_version(), "nanolstm": f"{metadata.version('nanolstm')} ({_sources()})"}
    for name in PACKAGES:
        if find_spec(name):
            found[name] = metadata.version(name)
    return found


def processor() -> str:
    """Its name, as far as the system says it, and its widest vectors."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    flags = fields.get("flags", "").split()
    widest = next((name for flag, name in {"avx512f": "AVX-512", "avx2": "AVX2"}.items() if flag in flags), "")
    return ", ".join(filter(None, [fields.get("model name", platform.machine()), widest]))


def _sources() -> str:
    spec = find_spec("nanolstm")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:10]
