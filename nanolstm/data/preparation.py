"""From the frames of one or many series to windows in scaled units, and from a model's numbers back to the data's own.

Whatever is fitted here is fitted on the rows that it is told to be training rows, and it is handed no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from nanolstm.data.calendar import calendar_features, calendar_names
from nanolstm.data.scaling import Scaling
from nanolstm.data.transforms import Transform, transform
from nanolstm.data.windows import WindowData, Windows, join
from nanolstm.errors import InputError, UnknownNameError, nearest

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
LEVELS = transform("none")


def check_transforms(wanted: Any, windows: Windows, series: Mapping[Any, pd.DataFrame]) -> dict[str, Transform]:
    """The transform of each column that has one: of all targets where one name is given, else as a mapping says.

    Raises:
        UnknownNameError: no such transform, or a column that is not used.
        InputError: neither a name nor a mapping.
        BadDataError: it is not defined for a value of a series.
    """
    if not isinstance(wanted, Mapping):
        wanted = dict.fromkeys(windows.targets, "none" if wanted is None else wanted)
    for column in wanted:
        if column not in windows.columns:
            raise UnknownNameError(
                f"transform of column {column!r}, which is not used; {nearest(str(column), windows.columns, 'columns')}"
            )
    made = {column: transform(name) for column, name in wanted.items()}
    for name, frame in series.items():
        for column, one in made.items():
            one.check(frame[column], f"series {name!r}")
    return made


@attrs.frozen(kw_only=True, eq=False)
class Fitted:
    """What was learned from the training rows of one series.

    Attributes:
        rows: the scaling of each column of a context, changes where it is transformed.
        steps: the scaling of the targets of each step; that of `rows` where a step's targets are the same numbers.
    """

    rows: Scaling
    steps: tuple[Scaling, ...]


@attrs.frozen(kw_only=True, eq=False)
class Preparation:
    """Transforms and scalings of every series, and the windows that are cut with them. Made by `fit`."""

    windows: Windows
    transforms: Mapping[str, Transform]
    fitted: Mapping[Any, Fitted]

    @classmethod
    def fit(
        cls,
        series: Mapping[Any, pd.DataFrame],
        train: Mapping[Any, range],
        *,
        windows: Windows,
        transforms: Mapping[str, Transform],
        scaler: Any,
    ) -> Preparation:
        """Fit clones of `scaler` on the rows `train` of each series, and on no other.

        Raises:
            InputError: a series has too few of them.
        """
        made = cls(windows=windows, transforms=transforms, fitted={})
        fitted = {}
        for name, frame in series.items():
            rows = train[name]
            need = made.reach + windows.context + windows.horizon
            if len(rows) < need:
                raise InputError(
                    f"series {name!r} has {len(rows)} training rows; a window of {windows.context} rows, a horizon of "
                    f"{windows.horizon} and a lag of {made.reach} need at least {need}"
                )
            known = frame.iloc[rows.start : rows.stop]
            scaling = Scaling.fit(made._changes(known).iloc[made.reach :], scaler)
            fitted[name] = Fitted(rows=scaling, steps=made._of_steps(known, scaling, scaler))
        return attrs.evolve(made, fitted=fitted)

    @property
    def reach(self) -> int:
        """How many rows before a window's first its changes are taken from."""
        return max((t.lag for t in self.transforms.values()), default=0)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the features of a context."""
        return (*self.windows.columns, *calendar_names(self.windows.calendar))

    def origins(self, rows: range, targets: range) -> Array:
        """The origins of all windows that lie in `rows`, horizon included, and whose first step lies in `targets`."""
        first = max(max(rows.start, self.reach) + self.windows.context, targets.start) - 1
        last = min(rows.stop - self.windows.horizon, targets.stop - 1) - 1
        return np.arange(first, last + 1)

    def cut(self, series: Mapping[Any, pd.DataFrame], origins: Mapping[Any, Array]) -> WindowData:
        """The windows with the given origins (rows of their context's end) in each series."""
        return join([self._cut_one(name, frame, origins[name]) for name, frame in series.items()])

    def own_units(self, series: Mapping[Any, pd.DataFrame], data: WindowData, values: Array) -> Array:
        """What a model says of `data`, (n, horizon, N, ...) in scaled units, as levels in the data's own."""
        levels = np.empty(values.shape)
        for name, frame in series.items():
            mine = np.flatnonzero(data.series == name)
            for k, column in enumerate(self.windows.targets):
                known = frame[column].to_numpy()
                for step in range(1, self.windows.horizon + 1):
                    change = self.fitted[name].steps[step - 1].own_units(values[mine, step - 1, k], column)
                    base = self.base(column, known, data.origin[mine], step)
                    base = base.reshape(-1, *[1] * (change.ndim - 1))
                    levels[mine, step - 1, k] = self.of(column).backward(base, change)
        return levels

    def chained(self, series: Mapping[Any, pd.DataFrame], data: WindowData, values: Array) -> Array:
        """As `own_units`, for changes that were predicted one row ahead of the row before, each on the last."""
        levels = np.empty(values.shape)
        for name, frame in series.items():
            mine = np.flatnonzero(data.series == name)
            for k, column in enumerate(self.windows.targets):
                change = self.fitted[name].rows.own_units(values[mine, :, k], column)
                known, lag = frame[column].to_numpy(), self.of(column).lag
                before = known[data.origin[mine, None] + np.arange(1 - lag, 1)] if lag else np.empty((len(mine), 0))
                path = self.of(column).restore(before.T, change.T).T
                levels[mine, :, k] = path[:, lag:]
        return levels

    def actual(self, series: Mapping[Any, pd.DataFrame], data: WindowData) -> Array:
        """What became of the targets of `data`, (n, horizon, N), in the data's own units."""
        levels = np.empty(data.target.shape)
        steps = np.arange(1, self.windows.horizon + 1)
        for name, frame in series.items():
            mine = data.series == name
            levels[mine] = frame[list(self.windows.targets)].to_numpy()[data.origin[mine, None] + steps]
        return levels

    def base(self, column: str, levels: Array, origin: Array, step: int) -> Array:
        """The level from which the change of `step` rows ahead is taken: the last known one, or of its season."""
        span = self.of(column).span(step)
        return levels[origin + step - span] if span else np.zeros(len(origin))

    def of(self, column: str) -> Transform:
        """The transform of a column."""
        return self.transforms.get(column, LEVELS)

    def _of_steps(self, known: pd.DataFrame, rows: Scaling, scaler: Any) -> tuple[Scaling, ...]:
        """Changes over more rows are larger: each step's are scaled by their own."""
        targets = self.windows.targets
        by_span = {(column, self.of(column).lag): rows.transformers[column] for column in targets}
        steps = []
        for step in range(1, self.windows.horizon + 1):
            spans = {column: self.of(column).span(step) for column in targets}
            for column, span in spans.items():
                if (column, span) not in by_span:
                    by_span[column, span] = self._over(known[[column]], span, scaler).transformers[column]
            steps.append(Scaling({column: by_span[column, span] for column, span in spans.items()}))
        return tuple(steps)

    def _over(self, known: pd.DataFrame, span: int, scaler: Any) -> Scaling:
        """The scaling of one column's changes over `span` rows."""
        column = known.columns[0]
        # `fit` made sure of the rows: a window with its lag and horizon is longer than any span.
        changed = known.apply(lambda levels: self.of(column).changes(levels.to_numpy(), span))
        return Scaling.fit(changed.iloc[span:], scaler)

    def _changes(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns of a context before scaling: levels, or changes; its first rows may be NaN."""
        return frame.apply(lambda column: self.of(column.name).changes(column.to_numpy()))

    def _cut_one(self, name: Any, frame: pd.DataFrame, origin: Array) -> WindowData:
        context, horizon = self.windows.context, self.windows.horizon
        reach, fitted = self.reach, self.fitted[name]
        scaled = fitted.rows.scale(self._changes(frame).iloc[reach:])
        calendar = calendar_features(frame.index[reach:], self.windows.calendar)
        features = np.concatenate([scaled, calendar], axis=1)
        ahead = len(self.windows.future) + calendar.shape[1]
        seen = origin[:, None] + np.arange(1 - context, 1) - reach
        coming = origin[:, None] + np.arange(1, horizon + 1)
        times = frame.index.to_numpy()
        return WindowData(
            context=features[seen],
            future=features[coming - reach][..., features.shape[1] - ahead :],
            target=self._targets(frame, fitted, origin),
            inputs=self.inputs,
            targets=self.windows.targets,
            series=np.full(len(origin), name, dtype=object),
            origin=origin,
            known=times[origin],
            times=times[coming],
        )

    def _targets(self, frame: pd.DataFrame, fitted: Fitted, origin: Array) -> Array:
        target = np.empty((len(origin), self.windows.horizon, len(self.windows.targets)))
        for k, column in enumerate(self.windows.targets):
            levels = frame[column].to_numpy()
            for step in range(1, self.windows.horizon + 1):
                change = self.of(column).forward(self.base(column, levels, origin, step), levels[origin + step])
                target[:, step - 1, k] = fitted.steps[step - 1].scale_column(change, column)
        return target
