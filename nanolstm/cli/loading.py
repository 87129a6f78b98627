"""What the arguments ask for, and the shipped sample where Yahoo does not answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanolstm import plugins
from nanolstm.errors import InputError, SourceUnavailableError, one_line

if TYPE_CHECKING:
    from nanolstm.cli.options import Options
    from nanolstm.data.request import Data, DataRequest

NOTEBOOK = {"symbol": "AAPL", "start": "2022-01-01", "end": "2024-01-31"}
"""What the notebook loads: two years of one stock; `end` is exclusive."""

PATIENCE = 6.0
"""Seconds that Yahoo is given before the shipped sample takes its place; importing yfinance comes on top."""


def make_request(
    symbol: str | None, source: str | None, start: str | None, end: str | None, **rest: Any
) -> DataRequest:
    """The request that the arguments mean: without a source Yahoo is asked, without a window for the notebook's."""
    from nanolstm.data.request import DataRequest

    if source is None and symbol is not None:
        meant = "files" if Path(symbol).is_file() else symbol
        if meant in plugins.shared.registry("sources"):
            raise InputError(f"without --source, {symbol!r} would be asked of Yahoo; write --source {meant}")
    name, _, options = plugins.lookup("sources", source or "yfinance")
    if name == "yfinance":
        symbol = symbol or NOTEBOOK["symbol"]
        if start is None and end is None:
            start, end = NOTEBOOK["start"], NOTEBOOK["end"]
    return DataRequest(source=name, symbol=symbol, start=start, end=end, options=options, **rest)


def load(request: DataRequest, *, fall_back: bool) -> tuple[DataRequest, Data, str | None]:
    """Load what is requested; where nobody named a source and Yahoo fails, the shipped sample in its place.

    Only the notebook's own series has a stand-in: another symbol or window that cannot be had is an error.
    """
    import attrs

    from nanolstm.loading import load_data

    asked = {"symbol": request.symbol, "start": str(request.start), "end": str(request.end)}
    if not (fall_back and asked == NOTEBOOK):
        return request, load_data(request), None
    try:
        return request, load_data(attrs.evolve(request, timeout=PATIENCE)), None
    except SourceUnavailableError as error:
        sample = attrs.evolve(request, source="sample", start=None, end=None)
        if "sample" not in plugins.shared.registry("sources"):
            raise
        data = load_data(sample)
        reason = one_line(error)
        sys.stderr.write(f"nanolstm: Yahoo did not answer, so this is the shipped sample, AAPL 2000-2013 ({reason})\n")
        return sample, data, f"yfinance, which failed: {reason}"


def load_options(options: Options, columns: tuple[str, ...], *, refresh: bool) -> tuple[DataRequest, Data, str | None]:
    """The data that a run is about: the request that was answered, the answer, and instead of what."""
    wanted = make_request(
        options.symbol,
        options.source,
        options.start,
        options.end,
        columns=tuple(dict.fromkeys((*columns, options.target))),
        missing=options.missing,
        refresh=refresh,
    )
    return load(wanted, fall_back=options.source is None)
