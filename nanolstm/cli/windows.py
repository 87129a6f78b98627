"""Series over time as windows that a sweep trains on: each with the row after it as its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from nanolstm.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.data.request import SequenceData


@attrs.frozen(kw_only=True)
class SeriesOptions:
    """Which series, and how they are cut and scaled; the options of `nanolstm run` say what each means."""

    source: str | None
    symbols: Sequence[str]
    start: str | None
    end: str | None
    features: str
    target: str
    missing: str
    context: int
    transform: str
    scaler: str
    validation: float


def load_windows(options: SeriesOptions) -> dict[str, Any]:
    """The windows of each series, by its symbol.

    Raises:
        InputError: too few rows, or a source that answers with separate sequences.
        DataError: a source cannot answer.
    """
    from nanolstm.cli.loading import make_request
    from nanolstm.cli.trial import columns_of
    from nanolstm.data.request import SequenceData
    from nanolstm.loading import load_data

    columns = tuple(dict.fromkeys((options.target, *columns_of(options.features))))
    series: dict[str, Any] = {}
    asked: Sequence[str | None] = options.symbols or [None]
    for symbol in asked:
        request = make_request(
            symbol, options.source, options.start, options.end, columns=columns, missing=options.missing
        )
        name = symbol or request.symbol or request.source
        answer = load_data(request)
        if isinstance(answer, SequenceData):
            raise InputError(f"--symbols {name}: this source answers with separate sequences; write --task {name}")
        series[name] = _windows(name, answer, columns, options)
    return series


def _windows(name: str, frame: pd.DataFrame, columns: tuple[str, ...], options: SeriesOptions) -> SequenceData:
    """Scaled by the rows before the held-back share alone, each window with a target for its last row."""
    import numpy as np

    from nanolstm.cli.trial import transforms_of
    from nanolstm.data.preparation import Preparation, check_transforms
    from nanolstm.data.request import SequenceData
    from nanolstm.data.series import check_series
    from nanolstm.data.windows import Windows
    from nanolstm.forecasting.recurrent import window_inputs, window_targets
    from nanolstm.scalers import scaler as find_scaler

    windows = Windows(targets=options.target, past=columns[1:], context=options.context)
    series = check_series({name: frame}, windows)
    # A sweep holds back a share of the windows, none of whose targets lies before that share of the rows.
    known = range(len(frame) - round(options.validation * len(frame)))
    preparation = Preparation.fit(
        series,
        {name: known},
        windows=windows,
        transforms=check_transforms(transforms_of(options.transform, frame[list(columns)]), windows, series),
        scaler=find_scaler(options.scaler),
    )
    rows = range(len(frame))
    data = preparation.cut(series, {name: preparation.origins(rows, rows)})
    return SequenceData(x=np.ascontiguousarray(window_inputs(data.context, data.future)), y=window_targets(data))
