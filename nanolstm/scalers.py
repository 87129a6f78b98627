"""Scalers: scikit-learn transformers that plugins register under a name."""

from __future__ import annotations

from typing import Any

from nanolstm import plugins
from nanolstm.data.scaling import check_transformer


def scaler(text: Any) -> Any:
    """The scaler that `name` or `name(key=value)` asks for, not fitted; a scikit-learn transformer is itself.

    >>> scaler("minmax(low=-1.0)")
    MinMaxScaler(feature_range=(-1.0, 1.0))

    Shipped are `standard` (mean 0, standard deviation 1), `minmax` (0 to 1), `robust` (median 0, interquartile range 1)
    and `none`.

    Raises:
        UnknownNameError: no plugin registered it, or it has no such parameter; the nearest is suggested.
        InputError: something that can not fit, transform and transform back.
        PluginError: two plugins registered it.
    """
    if not isinstance(text, str):
        return check_transformer(text)
    return check_transformer(plugins.made("scalers", text))
