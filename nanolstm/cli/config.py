"""Runs as TOML files: read by `--config`, written beside a saved model and by `--write-config`."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nanolstm.errors import InputError, UnknownNameError, nearest

FITTED = "fitted"
"""The table that says what a saved model was fitted on: no option, and so passed over by `--config`."""

OF_EVALUATE = ("folds", "refit")
"""What only `nanolstm evaluate` has: its file is a run's too, which passes over them."""


def read_toml(path: Path) -> dict[str, Any]:
    """What the file says.

    Raises:
        InputError: it is not there, cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}") from None


def read_config(path: Path, known: Iterable[str]) -> dict[str, Any]:
    """The options that the file names, with `-` or `_` in their names, as Typer takes them.

    Raises:
        InputError: it cannot be read, or a value is no option's.
        UnknownNameError: an option that the command does not have; the nearest is suggested.
    """
    # How the answer is printed is said on the line, which is read before any plugin can print.
    known = [name for name in known if name not in ("config", "help", "as_json")]
    options = {}
    for key, value in read_toml(path).items():
        name = key.replace("-", "_")
        if name == FITTED or (name in OF_EVALUATE and name not in known):
            continue
        if name not in known:
            raise UnknownNameError(f"{path}: no option {key!r}; {nearest(name, known, 'options')}")
        if isinstance(value, dict | list):
            raise InputError(f"{path}: {key} is {value!r}; expected one value, as on the command line")
        # A date without quotes is one in TOML, and a number may stand where text is asked for.
        options[name] = value if isinstance(value, bool | int | float) else _text(value)
    return options


def write_config(path: Path, told: Mapping[str, Any]) -> None:
    """Write options, and tables of them, whole or not at all.

    Raises:
        FileAccessError: the operating system refuses.
    """
    import tomli_w

    from nanolstm.store.atomic import replacing

    with replacing(path) as file:
        file.write(tomli_w.dumps(dict(told)).encode())


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
