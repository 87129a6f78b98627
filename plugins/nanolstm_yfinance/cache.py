"""Answers kept on disk: one CSV file for each symbol, interval and window.

The first line of a file holds the checksum of the rest, so that a file which was cut off or changed is never believed.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import re
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from nanolstm_yfinance.prices import PRICES, TYPES

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm_yfinance.query import Query

FORMAT = "# nanolstm-yfinance 1"
ABANDONED = 3600
"""Seconds after which an unfinished file is the rest of a process that was killed."""


def cache_folder() -> Path:
    """The folder of everything that nanolstm keeps: `NANOLSTM_CACHE`, or the user's cache folder."""
    import platformdirs

    named = os.environ.get("NANOLSTM_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("nanolstm"))


def folder() -> Path:
    """Where this source keeps its answers."""
    return cache_folder() / "yfinance"


def path(query: Query) -> Path:
    """The file of `query`: readable, the same on every system, and told apart by a hash of all that was asked."""
    asked = f"{query.symbol} {query.interval} {query.start} {query.end}"
    readable = re.sub(r"[^A-Z0-9]+", "_", query.symbol)[:40].strip("_")
    name = f"{readable}-{query.interval}-{query.start or 'first'}-{query.end}"
    return folder() / f"{name}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.csv"


def find(query: Query) -> pd.DataFrame | None:
    """The kept answer, equal to the fresh one to the last bit; None if there is none that can be used."""
    import pandas as pd

    if not query.past:
        return None
    try:
        first, _, body = path(query).read_text(encoding="utf-8").partition("\n")
        if first != _first_line(body):
            return None
        head, *rows = csv.reader(body.splitlines())
        values = dict(zip(head, zip(*rows, strict=True), strict=True))
        days = pd.DatetimeIndex(pd.to_datetime(values["Date"], format="ISO8601"), name="Date").as_unit("ns")
        # Python reads a float back exactly; pandas' own fast parser may be off by one in the last place.
        prices = {name: [float(text) for text in values[name]] for name in PRICES}
        volume = [int(text) for text in values["Volume"]]
        return pd.DataFrame({**prices, "Volume": volume}, index=days).astype(TYPES)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(query: Query, frame: pd.DataFrame) -> None:
    """Keep an answer whose window is over. Where that fails, warn: the load itself has not failed."""
    if not query.past:
        return
    body = frame.to_csv(lineterminator="\n", na_rep="nan")
    try:
        _write(path(query), f"{_first_line(body)}\n{body}")
    except OSError as error:
        warnings.warn(
            f"the prices of {query.symbol} could not be kept in {folder()} ({error}); they will be asked for again. "
            f"Set NANOLSTM_CACHE to a folder that can be written to",
            stacklevel=3,
        )


def _first_line(body: str) -> str:
    return f"{FORMAT} {hashlib.sha256(body.encode()).hexdigest()}"


def _write(target: Path, text: str) -> None:
    """Write all or nothing: another process sees the old file or the new one, never a part."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for part in target.parent.glob(f".{target.stem}-*.part"):
        with contextlib.suppress(OSError):
            if part.stat().st_mtime < time.time() - ABANDONED:
                part.unlink()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
