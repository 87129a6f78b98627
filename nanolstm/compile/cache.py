"""Compiled kernels on disk: one folder each, with the source that can be read and what Numba made of it.

A folder is made under another name and then renamed, so that it is there as a whole or not at all, whoever else is
making the same one. Every file in it has a checksum: Numba would run whatever stands there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import threading
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from nanolstm.errors import KernelWarning

_SUMS = "checksums.json"
_loaded: dict[str, ModuleType] = {}
_lock = threading.Lock()


def folder() -> Path:
    """Where kernels are kept: in the cache folder of the user, or in that of the variable `NANOLSTM_CACHE`."""
    import platformdirs

    given = os.environ.get("NANOLSTM_CACHE")
    return Path(given) / "kernels" if given else platformdirs.user_cache_path("nanolstm") / "kernels"


def loaded(name: str, text: str) -> ModuleType:
    """The module of the source `text`, compiled, from the cache if it is there.

    Raises:
        NumbaError: the source does not compile.
    """
    key = hashlib.sha256(f"{_circumstances()}\n{text}".encode()).hexdigest()[:16]
    with _lock:
        if key not in _loaded:
            place = folder() / f"{name}-{key}"
            module = _from_disk(place, name, key) or _made(place, name, key, text)
            _enter_directly(module)
            _loaded[key] = module
        return _loaded[key]


@cache
def _circumstances() -> str:
    """Whatever else decides what is compiled: versions, the processor, what the kernels call."""
    import llvmlite.binding
    import numba

    import nanolstm

    sources = sorted((Path(__file__).parent.parent / "kernels").glob("*.py"))
    parts = [
        nanolstm.__version__,
        numba.__version__,
        sys.version,
        llvmlite.binding.get_host_cpu_name(),
        os.environ.get("NANOLSTM_VECTOR_BITS", ""),
        os.environ.get("NUMBA_CPU_NAME", ""),
        os.environ.get("NUMBA_CPU_FEATURES", "") or llvmlite.binding.get_host_cpu_features().flatten(),
        *(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources),
    ]
    return "\n".join(parts)


def _from_disk(place: Path, name: str, key: str) -> ModuleType | None:
    if not place.is_dir():
        return None
    try:
        sums = json.loads((place / _SUMS).read_text())
        if sums == _checksums(place):
            return _imported(place / f"{name}.py", f"nanolstm_kernel_{name}_{key}")
    except (OSError, ValueError):
        pass
    shutil.rmtree(place, ignore_errors=True)
    return None


def _made(place: Path, name: str, key: str, text: str) -> ModuleType:
    _announce(name)
    module = f"nanolstm_kernel_{name}_{key}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
        try:
            (making / f"{name}.py").write_text(text)
            made = _imported(making / f"{name}.py", module)
            (making / _SUMS).write_text(json.dumps(_checksums(making)))
            try:
                making.rename(place)
            except OSError:
                if not place.is_dir():  # where it is, another process was faster
                    raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        warnings.warn(
            f"compiled kernels cannot be kept in {place.parent} ({error}); they are compiled again in each process. "
            "NANOLSTM_CACHE names another folder",
            KernelWarning,
            stacklevel=2,
        )
        return _in_memory(name, module, text)
    return made


def _in_memory(name: str, module: str, text: str) -> ModuleType:
    made = sys.modules[module] = ModuleType(module)
    exec(compile(text, f"<{name}>", "exec"), made.__dict__)
    return made


def _imported(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where Numba looks for it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _enter_directly(module: ModuleType) -> None:
    """In place of Numba's functions, what they call in the end: the types of the arguments are known here."""
    for name, function in list(vars(module).items()):
        if hasattr(function, "overloads") and function.overloads:
            (result,) = function.overloads.values()
            setattr(module, f"_{name}_compiled", function)  # which must live on
            setattr(module, name, result.entry_point)


def _checksums(place: Path) -> dict[str, str]:
    files = (path for path in sorted(place.rglob("*")) if path.is_file() and path.name != _SUMS)
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _announce(name: str) -> None:
    if sys.stderr.isatty():
        print(f"nanolstm: compiling {name}, once", file=sys.stderr, flush=True)  # noqa: T201


def clear() -> Any:
    """Forget what is loaded, as a new process would have."""
    _loaded.clear()
