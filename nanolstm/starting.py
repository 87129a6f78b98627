"""Files to start from: a cell with its test, and a plugin that can be installed.

They are made of the files in `nanolstm/templates`, in which `MyCell`, `my_cell`, `my-name`, `my_name` and `MyName`
stand for the name that is asked for, in its spellings. They are written whole or not at all, and never over a file.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import attrs

from nanolstm import plugins
from nanolstm.errors import FileAccessError, InputError

_LONGEST = 40
_OFFICIAL = "nanolstm"


@attrs.frozen
class Started:
    """What was written.

    Attributes:
        folder: where.
        paths: the files in it.
        cell: the name of the cell among them.
    """

    folder: Path
    paths: tuple[Path, ...]
    cell: str


def start_cell(name: str, into: Path) -> Started:
    """Write a cell of that name and its test into a folder: `MyCell` is `my_cell.py` and `test_my_cell.py`.

    Raises:
        InputError: the name is none of a class, or its file would hide a module; or a file is there already.
        FileAccessError: the operating system refuses; nothing was written.
    """
    module = module_of(name)
    return _written(_rendered("cell", {"MyCell": name, "my_cell": module}), into, name)


def start_plugin(name: str, into: Path) -> Started:
    """Write the distribution of a plugin: `river` is the folder `nanolstm-river` with the module `nanolstm_river`.

    Raises:
        InputError: the name is none of a plugin, or a plugin has it; or the folder is there already.
        FileAccessError: the operating system refuses; nothing was written.
    """
    words = plugin_words(name)
    snake, kebab, camel = "_".join(words), "-".join(words), "".join(word.capitalize() for word in words)
    folder = into / f"{_OFFICIAL}-{kebab}"
    if folder.exists() or folder.is_symlink():
        raise InputError(_there_already(folder))
    rendered = _rendered("plugin", {"my-name": kebab, "my_name": snake, "MyName": camel})
    return _written({Path(folder.name) / path: text for path, text in rendered.items()}, into, f"{camel}Cell")


def module_of(name: str) -> str:
    """The module that a class is written to: `MyLSTMCell` is `my_lstm_cell`.

    Raises:
        InputError: the name is none of a class in CamelCase, or its module would hide another one.
    """
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or keyword.iskeyword(name) or hasattr(builtins, name):
        suggested = "".join(part[0].upper() + part[1:] for part in re.findall(r"[A-Za-z][A-Za-z0-9]*", name))
        raise InputError(
            f"{name!r} is no name of a cell; write it in CamelCase, with letters and digits, as a class of its own: "
            f"{_other(suggested) if hasattr(builtins, suggested) else suggested or 'MyCell'}"
        )
    _refuse_long(name)
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", "_", name).lower()
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or _is_installed(module):
        raise InputError(
            f"{name!r} would be written to {module}.py, which Python could not import or would take for another "
            f"module; choose another name, such as {_other(name)}"
        )
    return module


def plugin_words(name: str) -> list[str]:
    """The words of a plugin's name, which may begin with `nanolstm-`.

    Raises:
        InputError: it is no name, or a plugin or a module has it already.
    """
    short = re.sub(rf"^{_OFFICIAL}[-_]", "", name)
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", short):
        raise InputError(
            f"{name!r} is no name of a plugin; write it in small letters and digits, with - or _ between words: "
            "river-levels"
        )
    _refuse_long(short)
    words = re.split("[-_]", short)
    snake = "_".join(words)
    plugins.shared.load()
    if snake in plugins.shared.plugins:
        raise InputError(f"there is a plugin {plugins.shared.plugins[snake]} already; choose another name")
    if _is_installed(f"{_OFFICIAL}_{snake}"):
        raise InputError(f"there is a module {_OFFICIAL}_{snake} already; choose another name")
    return words


def _other(name: str) -> str:
    return f"{name}Cell"


def _refuse_long(name: str) -> None:
    if len(name) > _LONGEST:
        raise InputError(f"{name!r} has {len(name)} letters; expected {_LONGEST} at most")


def _is_installed(module: str) -> bool:
    """Whether a library has that name; a file in the working folder is no library."""
    with contextlib.suppress(ImportError, ValueError):
        found = importlib.util.find_spec(module)
        return found is not None and Path(found.origin or "").parent.resolve() != Path.cwd()
    return False


def _rendered(template: str, names: Mapping[str, str]) -> dict[Path, str]:
    """The files of a template by their paths, both with names in place of what stands for them."""
    places = re.compile("|".join(map(re.escape, names)))

    def named(text: str) -> str:
        return places.sub(lambda found: names[found[0]], text)

    root = files(_OFFICIAL) / "templates" / template
    return {Path(named(path)): named(file.read_text(encoding="utf-8")) for path, file in _files_below(root)}


def _files_below(folder: Traversable, path: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _files_below(entry, f"{path}{entry.name}/")
        else:
            yield path + entry.name, entry


def _written(texts: Mapping[Path, str], into: Path, cell: str) -> Started:
    """Write files into a folder: all of them, or none."""
    if not into.is_dir():
        raise InputError(f"there is no folder {into}; make it first")
    paths = [into / path for path in texts]
    taken = [path for path in paths if path.exists() or path.is_symlink()]
    if taken:
        raise InputError(_there_already(taken[0]))
    made: list[Path] = []
    try:
        for path, text in zip(paths, texts.values(), strict=True):
            for folder in reversed([above for above in path.parents if not above.exists()]):
                folder.mkdir()
                made.append(folder)
            with path.open("x", encoding="utf-8", newline="\n") as file:  # never over one that has come meanwhile
                made.append(path)
                file.write(text)
    except BaseException as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise FileAccessError(f"{error.filename or into} cannot be written: {error.strerror or error}") from error
        raise
    return Started(into, tuple(texts), cell)


def _there_already(path: Path) -> str:
    return f"{path} is there already, and nothing was written; choose another name, or another folder with --into"
