"""Which rows are trained on, which validate, which are held out: always by time, the future after the past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from nanolstm.errors import InputError

Size = int | float | None


@attrs.frozen(kw_only=True)
class Fold:
    """One split of a timeline, as ranges of its rows, each after the one before.

    Attributes:
        train: what is fitted, scalers included.
        validation: what may decide when to stop; empty unless asked for.
        test: where the first step of each scored forecast lies.
    """

    number: int
    train: range
    validation: range
    test: range


def count_rows(value: Size, rows: int, name: str) -> int:
    """A size as a number of rows: an int is one, a float a share of all rows."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value < 0
        or (isinstance(value, float) and value >= 1)
    ):
        raise InputError(
            f"Splits({name}={value!r}): expected a number of rows (an int), or a share of all rows (0.2 for a fifth)"
        )
    return value if isinstance(value, int) else round(value * rows)


@attrs.frozen(kw_only=True)
class Splits:
    """How a series is cut into training, validation and test rows, once or walking forward.

    ```python
    import nanolstm as nl

    nl.Splits(folds=1, test=0.2, validation=0.1)       # one split: 70 % train, 10 % validate, 20 % are held out
    nl.Splits(folds=8, test=20)                        # eight tests of 20 rows, each trained on all rows before it
    nl.Splits(folds=8, test=20, train=250)             # the window slides: the 250 rows before each test
    nl.Splits(folds=4, test="2012-01-01", refit=False) # fitted once, before 2012
    ```

    Each test comes after the one before, without overlap, and the last one ends with the data. The rows are cut as
    scikit-learn's `TimeSeriesSplit` does; sizes are numbers of rows (ints), or shares of all rows (floats below 1).

    Args:
        folds: how many tests there are.
        test: rows of each test; or the time at which the first one begins, the rest then being shared among the folds
            (those that remain go to the first training part). None for `rows // (folds + 1)`.
        train: rows of each training part, validation included, which then slides; None for all there are before the
            test: it expands.
        validation: rows at the end of the training part that are not trained on.
        gap: rows between the training part and the test that neither sees as targets.
        every: a forecast is made every so many rows of a test.
        refit: whether each fold is fitted anew; False fits the first only; an int fits every so many folds.

    Raises:
        InputError: a size that is none.
    """

    folds: int = 5
    test: Any = None
    train: Size = None
    validation: int | float = 0
    gap: int = 0
    every: int = 1
    refit: bool | int = True

    def __attrs_post_init__(self) -> None:
        for name, least in (("folds", 1), ("gap", 0), ("every", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"Splits({name}={value!r}): expected an int from {least} on")
        if not isinstance(self.refit, int) or (not isinstance(self.refit, bool) and self.refit < 1):
            raise InputError(f"Splits(refit={self.refit!r}): expected True, False, or an int from 1 on")
        for name in ("train", "validation"):
            if getattr(self, name) is not None:
                count_rows(getattr(self, name), 1, name)

    def fits(self, number: int) -> bool:
        """Whether fold `number` is fitted anew."""
        return number == 0 or (self.refit is not False and number % int(self.refit) == 0)

    def cut(self, timeline: Any) -> Iterator[Fold]:
        """The folds of an ascending `timeline`, an index of all times that there are.

        Raises:
            InputError: there are too few rows for them.
        """
        rows = len(timeline)
        size = self._test_rows(timeline)
        train = None if self.train is None else count_rows(self.train, rows, "train")
        held = count_rows(self.validation, rows, "validation")
        first = rows - self.folds * size - self.gap
        if size < 1 or min(first, first if train is None else train) <= held:
            raise InputError(
                f"{rows} rows are too few for {self}: {self.folds} tests of {size} rows, a gap of {self.gap} and "
                f"{held} rows of validation leave {max(first - held, 0)} rows to train on in the first fold"
            )
        # As TimeSeriesSplit cuts, which refuses a single fold.
        for number in range(self.folds):
            begin = rows - (self.folds - number) * size
            end = begin - self.gap
            start = 0 if train is None else max(end - train, 0)
            yield Fold(
                number=number,
                train=range(start, end - held),
                validation=range(end - held, end),
                test=range(begin, begin + size),
            )

    def _test_rows(self, timeline: Any) -> int:
        rows = len(timeline)
        if self.test is None:
            return rows // (self.folds + 1)
        if isinstance(self.test, int | float):
            return count_rows(self.test, rows, "test")
        try:
            begin = int(timeline.searchsorted(_as_time(self.test, timeline)))
        except (TypeError, ValueError):
            raise InputError(
                f"Splits(test={self.test!r}): expected a number of rows, a share of them, or a time of the index, "
                f"which runs from {timeline[0]} to {timeline[-1]}"
            ) from None
        return (rows - begin) // self.folds


def _as_time(value: Any, timeline: Any) -> Any:
    import pandas as pd

    if isinstance(timeline, pd.PeriodIndex):
        return pd.Period(value, freq=timeline.freqstr)
    time = pd.Timestamp(value)
    return time.tz_localize(timeline.tz) if getattr(timeline, "tz", None) and time.tz is None else time
