"""How regular the times of a series are."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np


@attrs.frozen
class Spacing:
    """The steps between the rows of a series.

    Attributes:
        usual: the step that is there most often.
        others: how many steps are another.
        rows: how many rows there are.
        longest: the longest step.
        at: where it begins.
    """

    usual: Any
    others: int
    rows: int
    longest: Any
    at: Any

    @property
    def regular(self) -> bool:
        """Whether all steps are the same."""
        return self.others == 0

    def __str__(self) -> str:
        if self.regular:
            return f"{self.rows:,} rows, {self.usual} apart"
        return (
            f"{self.rows:,} rows, {self.usual} apart except for {self.others:,} ({self.others / (self.rows - 1):.0%}); "
            f"the longest step, {self.longest}, follows {self.at}. Lags, horizons and seasons count rows, not time"
        )


def spacing(index: Any) -> Spacing:
    """How far apart the rows of an ascending `index` are.

    >>> import pandas as pd
    >>> str(spacing(pd.date_range("2024-01-01", periods=3)))
    '3 rows, 1 day apart'
    """
    import pandas as pd

    if isinstance(index, pd.PeriodIndex):
        index = pd.Index(index.asi8)
    values = (
        index.to_numpy() if not getattr(index, "tz", None) else index.tz_convert("UTC").tz_localize(None).to_numpy()
    )
    steps = np.diff(values)
    kinds, counts = np.unique(steps, return_counts=True)
    usual, longest = kinds[counts.argmax()], int(steps.argmax())
    return Spacing(
        _said(usual), len(steps) - int(counts.max()), len(index), _said(steps[longest]), _said_time(index[longest])
    )


def _said(step: Any) -> str:
    import pandas as pd

    if not isinstance(step, np.timedelta64):
        return f"{step:g}"
    text = str(pd.Timedelta(step)).removesuffix(" 00:00:00").removeprefix("0 days ")
    return "1 day" if text == "1 days" else text


def _said_time(value: Any) -> str:
    return str(value).removesuffix(" 00:00:00")
