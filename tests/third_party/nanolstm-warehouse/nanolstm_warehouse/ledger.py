"""Around every load of every source: it is entered into a ledger, here and on disk if the environment names a file."""

import os
from pathlib import Path

loads = []
"""(source, symbol, rows or sequences) of each load so far; the source's error in place of a number where it failed."""


def entered(request):
    """To be delegated to from a wrapper of `nanolstm_load_data`."""
    try:
        answer = yield
    except Exception as error:
        _enter(request, type(error).__name__)
        raise
    _enter(request, len(getattr(answer, "x", answer)))
    return answer


def _enter(request, outcome):
    loads.append((request.source, request.symbol, outcome))
    if path := os.environ.get("WAREHOUSE_LEDGER"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{request.source} {request.symbol} {outcome}\n")
