"""Columns that hold what a forecast is to say: the commonest leak, made before any library sees the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.data.windows import Windows

if TYPE_CHECKING:
    import pandas as pd

ALIKE = 1 - 1e-10
"""From this correlation on, one column is another but for a linear change of units."""


def hindsight(frame: pd.DataFrame, windows: Windows) -> Iterator[str]:
    """A sentence about each column that is a target of later rows, so that a context would hold the answer.

    A column known in the past is compared with the targets 1 to `horizon` rows later, one known in the future also with
    those of its own row. A target that its own past determines (a straight line) is passed over.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"price": [1.0, 5.0, 2.0, 8.0, 3.0], "next": [5.0, 2.0, 8.0, 3.0, 4.0]})
    >>> (found,) = hindsight(frame, Windows(targets="price", past="next", context=2))
    >>> found.partition(":")[0]
    "Column 'next' is 'price' 1 row later, to the last digit"
    """
    for target in windows.targets:
        said = frame[target].to_numpy()
        for column in (*windows.past, *windows.future):
            known = frame[column].to_numpy()
            for later in range(0 if column in windows.future else 1, windows.horizon + 1):
                if _alike(known, said, later) and not (later and _alike(said, said, later)):
                    when = f"{later} row{'s' * (later > 1)} later" if later else "of the same row"
                    yield (
                        f"Column {column!r} is {target!r} {when}, to the last digit: unless it is known by then, all "
                        "that is scored has seen the answer."
                    )
                    break


def _alike(one: Any, other: Any, later: int) -> bool:
    one, other = one[: len(one) - later], other[later:]
    if len(one) < 3 or not np.ptp(one) or not np.ptp(other):
        return False
    return bool(abs(np.corrcoef(one, other)[0, 1]) > ALIKE)
