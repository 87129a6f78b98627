"""The source: daily stock levels, which a formula stands in for."""

import numpy as np
import pandas as pd

from nanolstm.errors import InputError, NoDataError, UnknownSymbolError, nearest

ARTICLES = {"bolts": 30, "nuts": 45}
"""Every article, and after how many days it is delivered again."""

DAYS = pd.date_range("2020-01-01", "2023-12-31", name="day")


def load(request):
    """Daily stock levels of an article: bolts or nuts.

    Args:
        request: `symbol` is the article; the option `unit` is how many pieces are in a box, 1 unless told.

    Returns:
        A frame with the columns level and sold, in boxes, one row a day from 2020 to 2023.

    Raises:
        UnknownSymbolError: no such article.
        NoDataError: no day in the window.
        InputError: an unknown option.
    """
    if request.symbol not in ARTICLES:
        raise UnknownSymbolError(f"no article {request.symbol!r}; {nearest(str(request.symbol), ARTICLES, 'articles')}")
    options = dict(request.options)
    unit = options.pop("unit", 1)
    if options:
        raise InputError(f"the warehouse has no option {min(options)!r}; it has: unit")
    period = ARTICLES[request.symbol]
    age = np.arange(len(DAYS)) % period
    sold = 10 + 5 * np.sin(2 * np.pi * np.arange(len(DAYS)) / 7)
    frame = pd.DataFrame({"level": (20.0 * (period - age)) / unit, "sold": sold / unit}, index=DAYS)
    inside = np.full(len(DAYS), True)
    if request.start:
        inside &= pd.Timestamp(request.start) <= DAYS
    if request.end:
        inside &= pd.Timestamp(request.end) > DAYS
    if not inside.any():
        raise NoDataError(f"the warehouse kept its books from {DAYS[0].date()} to {DAYS[-1].date()}")
    return frame[inside]
