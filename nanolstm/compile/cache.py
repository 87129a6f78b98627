"""Compiled kernels on disk: one folder each, with the source that can be read and what Numba made of it.

A folder is made under another name and then renamed, so that it is there as a whole or not at all, whoever else is
making the same one. Every file in it has a checksum: Numba would run whatever stands there. What Numba made stands
beside the source, whatever Numba's own settings say, since elsewhere the checksums would not cover it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from nanolstm.errors import KernelWarning

_SUMS = "checksums.json"
_PLACES = 8
"""Folders that are tried for one kernel, should others hold what can be neither used nor removed."""

_loaded: dict[str, ModuleType] = {}
_lock = threading.Lock()


def _after_fork() -> None:
    """A child is not to wait for a thread that was compiling in its parent."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def folder() -> Path:
    """Where kernels are kept: in the cache folder of the user, or in that of the variable `NANOLSTM_CACHE`."""
    import platformdirs

    given = os.environ.get("NANOLSTM_CACHE")
    return (Path(given).expanduser() if given else platformdirs.user_cache_path("nanolstm")) / "kernels"


def loaded(name: str, text: str) -> ModuleType:
    """The module of the source `text`, compiled, from the cache if it is there.

    Raises:
        NumbaError: the source does not compile.
    """
    key = hashlib.sha256(f"{_circumstances()}\n{text}".encode()).hexdigest()[:16]
    with _lock:
        if key not in _loaded:
            module = _found_or_made(folder() / f"{name}-{key}", name, key, text)
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


def _found_or_made(place: Path, name: str, key: str, text: str) -> ModuleType:
    """Load the kernel from `place`; else compile it and keep it there, or next to what cannot be removed from there."""
    try:
        for number in range(1, _PLACES + 1):
            there = place if number == 1 else place.with_name(f"{place.name}-{number}")
            found = _from_disk(there, name, key)
            if found is not None:
                return found
            is_no_folder = os.path.lexists(there) and not there.is_dir()
            if _vacated(there):
                made = _made(there, name, key, text)
                if is_no_folder:
                    _warn(f"{there} was not the folder of a kernel, and has been replaced by one")
                elif there != place:
                    _warn(f"{place} can be neither used nor removed; its kernel is kept in {there}")
                return made
        raise FileExistsError(f"{place} can be neither used nor removed")
    except OSError as error:
        _warn(
            f"compiled kernels cannot be kept in {place.parent} ({error}); they are compiled again in each process. "
            "NANOLSTM_CACHE names another folder"
        )
        return _executed(text, f"<{name}>", _module_name(name, key))


def _from_disk(place: Path, name: str, key: str) -> ModuleType | None:
    """The kernel in `place`; None where there is none, or one that is damaged in whatever way."""
    try:
        if (place / _SUMS).is_file() and json.loads((place / _SUMS).read_bytes()) == _checksums(place):
            source = place / f"{name}.py"
            return _executed(source.read_text(encoding="utf-8"), str(source), _module_name(name, key))
    except Exception:  # noqa: BLE001  # what is damaged may raise anything: OSError, RecursionError, UnpicklingError
        pass
    return None


def _vacated(place: Path) -> bool:
    """Remove what is in `place`: a damaged folder, a file, a link. Returns whether nothing is left there."""
    if not os.path.lexists(place):
        return True
    aside = place.with_name(f".stale-{secrets.token_hex(8)}")
    try:
        place.rename(aside)  # first, so that no process finds a half of it
    except OSError:
        return False
    if aside.is_symlink() or not aside.is_dir():
        aside.unlink(missing_ok=True)
    else:
        shutil.rmtree(aside, ignore_errors=True)
    return True


def _made(place: Path, name: str, key: str, text: str) -> ModuleType:
    """Compile the kernel and keep it in `place`, where nothing is yet.

    Raises:
        OSError: it cannot be kept there.
    """
    _announce(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
    try:
        (making / f"{name}.py").write_text(text, encoding="utf-8")
        made = _executed(text, str(making / f"{name}.py"), _module_name(name, key))
        (making / _SUMS).write_text(json.dumps(_checksums(making)))
        try:
            making.rename(place)
        except OSError:
            if not place.is_dir():  # where it is, another process was faster
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return made


def _warn(text: str) -> None:
    warnings.warn(text, KernelWarning, stacklevel=2)


def _module_name(name: str, key: str) -> str:
    return f"nanolstm_kernel_{name}_{key}"


def _executed(text: str, file: str, name: str) -> ModuleType:
    """The module of `text`, not imported, which would write a file into its folder that has no checksum."""
    _keep_beside_the_source()
    module = sys.modules[name] = ModuleType(name)  # where Numba looks for it
    try:
        exec(compile(text, file, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@cache
def _keep_beside_the_source() -> None:
    """Tell Numba to keep what it makes of a kernel in the kernel's folder, also where that can only be read.

    Its own ways are a folder that NUMBA_CACHE_DIR names, and one of the user's where this one cannot be written to.
    """
    from numba.core.caching import CacheImpl, InTreeCacheLocator

    class BesideKernels(InTreeCacheLocator):  # type: ignore[misc]
        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> Any:
            if not py_func.__module__.startswith("nanolstm_kernel_") or py_file.startswith("<"):
                return None
            found = cls(py_func, py_file)
            with suppress(OSError):  # what is there can be read
                Path(found.get_cache_path()).mkdir(exist_ok=True)
            return found

    CacheImpl._locator_classes.insert(0, BesideKernels)


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
