"""The source: from a request to a frame with a time index."""

import numpy as np
import pandas as pd
from nanolstm.errors import InputError, NoDataError, UnknownSymbolError

SYMBOLS = {"waves": 30, "tides": 12}
"""What can be asked for; here, how many days a wave takes."""


def load(request):
    """Daily levels that rise and fall: waves or tides.

    Args:
        request: `symbol` is one of them; the option `height` is 1 unless given.

    Returns:
        A frame with the column level, one row a day from 2020 to 2023.

    Raises:
        UnknownSymbolError: no such symbol.
        NoDataError: no day in the window.
        InputError: an option that there is not.
    """
    # An error says what came and what there is; nanolstm.errors has one for each case.
    if request.symbol not in SYMBOLS:
        known = ", ".join(SYMBOLS)
        raise UnknownSymbolError(f"no symbol {request.symbol!r}; there are: {known}")
    options = dict(request.options)
    height = options.pop("height", 1.0)
    if options:
        raise InputError(f"no option {min(options)!r}; there is: height")

    # Read a file, ask a database or a server here.
    days = pd.date_range("2020-01-01", "2023-12-31", name="day")
    angle = 2 * np.pi * np.arange(len(days)) / SYMBOLS[request.symbol]
    frame = pd.DataFrame({"level": height * np.sin(angle)}, index=days)

    # The window: `start` is in it, `end` is not, and either may be None.
    inside = np.full(len(days), True)
    if request.start:
        inside &= days >= pd.Timestamp(request.start)
    if request.end:
        inside &= days < pd.Timestamp(request.end)
    if not inside.any():
        first, last = days[0].date(), days[-1].date()
        raise NoDataError(f"there are levels from {first} to {last}")
    return frame[inside]
