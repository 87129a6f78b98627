"""Windows: what a forecast sees of a series, and what it is to say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import attrs
import numpy as np

from nanolstm.data.calendar import CYCLES
from nanolstm.errors import InputError, UnknownNameError, nearest

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def _names(value: str | Iterable[str]) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (value,)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"Windows: {name!r} is no name of a column; columns are named by text: 'price'")
    return names


@attrs.frozen(kw_only=True)
class Windows:
    """The shape of a forecast: how many rows it sees, of which columns, and how many rows it looks ahead.

    ```python
    import nanolstm as nl

    nl.Windows(targets="Adj Close", past="Volume", calendar="weekday", context=20, horizon=5)
    ```

    Args:
        targets: the columns that are forecast; their past is always seen.
        context: how many rows are seen, the last of which is the origin of the forecast.
        horizon: how many rows after the origin are forecast.
        stride: the training windows begin every so many rows.
        past: columns that are known up to the origin only.
        future: columns that are known for the rows to be forecast too (a price list, a holiday).
        calendar: cycles of the calendar, known for all times: `minute`, `hour`, `weekday`, `day` (of the month),
            `month`, `quarter`, `day_of_year`; each gives two features, the sine and the cosine of its phase.

    Raises:
        InputError: a size that is none, no target, a column in two places.
        UnknownNameError: no such cycle.
    """

    targets: tuple[str, ...] = attrs.field(converter=_names)
    context: int
    horizon: int = 1
    stride: int = 1
    past: tuple[str, ...] = attrs.field(default=(), converter=_names)
    future: tuple[str, ...] = attrs.field(default=(), converter=_names)
    calendar: tuple[str, ...] = attrs.field(default=(), converter=_names)

    def __attrs_post_init__(self) -> None:
        for name in ("context", "horizon", "stride"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"Windows({name}={value!r}): expected a number of rows, an int from 1 on")
        if not self.targets:
            raise InputError("Windows(targets=()): name at least one column to forecast")
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise InputError(
                    f"Windows: column {column!r} stands twice among targets, past and future; a target's past is "
                    "always seen, and a future column's too"
                )
        for name in self.calendar:
            if name not in CYCLES:
                raise UnknownNameError(f"no calendar feature {name!r}; {nearest(name, CYCLES, 'calendar features')}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a frame that are used: targets, past, future."""
        return (*self.targets, *self.past, *self.future)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class WindowData:
    """Windows as arrays, in scaled units: what a model is fitted on, and what it is asked.

    Attributes:
        context: what is seen, (n, context, M): targets, past, future columns, calendar; `inputs` names them.
        future: what is known of the rows to come, (n, horizon, F): future columns, calendar.
        target: what is to be said, (n, horizon, N).
        inputs: the M names of the features of `context`; the last F of them are those of `future`.
        targets: the N names of the targets.
        series: the name of each window's series, (n,).
        origin: the row of each window's last context row in its series, (n,).
        known: the time of that row, (n,): all of the context is from then or before.
        times: the times of the targets, (n, horizon).
    """

    context: Array
    future: Array
    target: Array
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    series: Array
    origin: Array
    known: Any
    times: Any

    def __len__(self) -> int:
        return len(self.origin)

    def take(self, which: Any) -> WindowData:
        """Some of the windows: a slice, or an array of indices or booleans."""
        arrays: dict[str, Any] = {name: getattr(self, name)[which] for name in _PER_WINDOW}
        return attrs.evolve(self, **arrays)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {getattr(self, name).shape}" for name in ("context", "future", "target"))
        return f"WindowData({shapes})"


_PER_WINDOW = ("context", "future", "target", "series", "origin", "known", "times")


def join(parts: list[WindowData]) -> WindowData:
    """The windows of several series, one after the other."""
    if len(parts) == 1:
        return parts[0]
    arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _PER_WINDOW}
    return attrs.evolve(parts[0], **arrays)
