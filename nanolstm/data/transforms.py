"""Changes instead of levels: differences and log returns, and the way back, to the last bits.

A *level* is a number of the series itself, a price. What a model sees in its context is the change from `lag` rows
before. What it predicts, `step` rows ahead, is the change from the last level that is known when the forecast is made:
one step of the inverse leads back, however far ahead, so that no error adds up, and a quantile of the change becomes
the same quantile of the level, which sums of quantiles would not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from nanolstm.errors import BadDataError, InputError, UnknownNameError, nearest
from nanolstm.naming import parse_name

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


@attrs.frozen(kw_only=True)
class Transform:
    """How levels become changes, and back.

    Attributes:
        name: as it is asked for, `"difference"`.
        lag: how many rows lie between the levels that are compared; 0 where a level stays what it is.
        forward: the change from (base, level), elementwise.
        backward: the level from (base, change), elementwise.
        positive: whether it is defined for levels above 0 only.
    """

    name: str
    lag: int
    forward: Callable[[Array, Array], Array] = attrs.field(repr=False)
    backward: Callable[[Array, Array], Array] = attrs.field(repr=False)
    positive: bool = False

    def span(self, step: int) -> int:
        """How many rows the base lies before the level that is `step` rows ahead.

        It is the last known level; with `lag` beyond 1 the last known one of that season.
        """
        return self.lag * -(-step // self.lag) if self.lag else 0

    def changes(self, levels: Array, span: int | None = None) -> Array:
        """The change of each row (T, ...) from `span` rows before (`lag`, where None); NaN in the first `span` rows."""
        span = self.lag if span is None else span
        levels = np.asarray(levels, dtype=float)
        changed = np.full_like(levels, np.nan)
        changed[span:] = self.forward(levels[: len(levels) - span], levels[span:])
        return changed

    def restore(self, first: Array, changes: Array) -> Array:
        """The levels whose first `lag` are `first` and whose later changes are `changes`, row by row.

        It takes back `changes`: `restore(x[:lag], changes(x)[lag:])` is x, differences to the last bit where no level
        is more than twice or less than half of the one before, log returns where none differs by more than a third;
        beyond, a row may differ in the last bit or two.
        """
        levels = np.concatenate([np.asarray(first, dtype=float), np.asarray(changes, dtype=float)])
        for row in range(self.lag, len(levels)):
            levels[row] = self.backward(levels[row - self.lag], levels[row])
        return levels

    def check(self, column: pd.Series, where: str) -> None:
        """Refuse levels of which it is not defined.

        Raises:
            BadDataError: a value that is not above 0, where it must be.
        """
        bad = (column <= 0).to_numpy() if self.positive else np.zeros(0, dtype=bool)
        if bad.any():
            row = int(bad.argmax())
            raise BadDataError(
                f"{where}: column {column.name!r} is {column.iloc[row]:g} at {column.index[row]} ({int(bad.sum())} of "
                f"{len(bad)} rows are not above 0), and {self.name} is of numbers above 0; write 'difference' or 'none'"
            )


NEAR = 0.5
"""Relative changes below this are small ones, whose logarithms are taken without losing a bit."""


def _level(_: Array, level: Array) -> Array:
    return level


def _log_return(base: Array, level: Array) -> Array:
    # Not log(level / base) alone: level - base is exact for levels within a factor of 2 (Sterbenz 1974), and what log1p
    # and expm1 then lose is below the last bit of the level. Of a larger fall log1p would lose more.
    relative = (level - base) / base
    near = np.abs(relative) < NEAR
    return np.where(near, np.log1p(np.where(near, relative, 0.0)), np.log(level / base))


def _grown(base: Array, change: Array) -> Array:
    with np.errstate(over="ignore"):  # of an absurd prediction infinity is what it says
        return np.where(np.abs(change) < NEAR, base + base * np.expm1(change), base * np.exp(change))


TRANSFORMS: Mapping[str, Callable[..., Transform]] = {
    "none": lambda: Transform(name="none", lag=0, forward=_level, backward=_level),
    "difference": lambda lag=1: Transform(name="difference", lag=lag, forward=lambda b, x: x - b, backward=np.add),
    "log_return": lambda lag=1: Transform(
        name="log_return", lag=lag, forward=_log_return, backward=_grown, positive=True
    ),
}
"""By name; `lag` is the season of a seasonal difference, `difference(lag=12)`."""


def transform(text: str) -> Transform:
    """The transform that a name asks for: `none`, `difference`, `log_return`, or `difference(lag=5)`.

    >>> prices = np.array([100.0, 110.0, 99.0])
    >>> transform("log_return").changes(prices).round(4).tolist()
    [nan, 0.0953, -0.1054]
    >>> transform("log_return").restore(prices[:1], transform("log_return").changes(prices)[1:]).tolist()
    [100.0, 110.0, 99.0]

    Raises:
        UnknownNameError: there is none of that name.
        InputError: a lag that is no int from 1 on, or another parameter.
    """
    if not isinstance(text, str):
        raise InputError(f"transform={text!r}: expected one of {', '.join(map(repr, TRANSFORMS))}")
    name, parameters = parse_name(text)
    if name not in TRANSFORMS:
        raise UnknownNameError(f"no transform {name!r}; {nearest(name, TRANSFORMS, 'transforms')}")
    lag = parameters.get("lag", 1)
    if set(parameters) - ({"lag"} if name != "none" else set()) or not isinstance(lag, int) or lag < 1:
        raise InputError(f"transform {text!r}: its one parameter is lag, an int from 1 on, as in difference(lag=12)")
    return TRANSFORMS[name](**parameters)
