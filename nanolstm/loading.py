"""Loading data: every load goes through one hook, and every answer through the same checks."""

from __future__ import annotations

from typing import Any

import attrs

from nanolstm import plugins
from nanolstm.data.checks import check_frame, check_sequences
from nanolstm.data.request import Data, DataRequest, SequenceData
from nanolstm.errors import DataError, InputError, NanolstmError, PluginError, nearest, one_line
from nanolstm.hookspecs import hookimpl


def load_data(source: str | DataRequest, symbol: str | None = None, **request: Any) -> Data:
    """Ask a source for data, and check the answer.

    ```python
    import nanolstm as nl

    prices = nl.load_data("sample", "AAPL", start="2012-01-01", columns=["Adj Close", "Volume"])
    task = nl.load_data("tasks", "adding", options={"n": 16, "length": 50})
    ```

    Args:
        source: the source's name, with parameters where it has some (`"tasks(length=50)"`), or a whole `DataRequest`.
        symbol: what to load, in the source's own terms.
        request: the other fields of a [`DataRequest`][nanolstm.DataRequest]: `start`, `end`, `columns`, `missing`,
            `refresh`, `timeout`, `options`.

    Returns:
        A pandas frame of floats with an ascending, unique time index and no gaps; or a
        [`SequenceData`][nanolstm.SequenceData] of finite arrays, from a source that has no time index.

    Raises:
        UnknownNameError: no such source, or no such column.
        DataError: the source cannot answer, or what it answers fails a check (`BadDataError`).
        InputError: the request itself is wrong.
        PluginError: a plugin that answers or wraps loads fails itself.
    """
    if isinstance(source, DataRequest):
        if symbol is not None or request:
            raise InputError("load_data(DataRequest(...)) takes nothing else; put it into the request")
        wanted = source
    else:
        name, _, parameters = plugins.lookup("sources", source)
        fields = [f.name for f in attrs.fields(DataRequest) if f.name not in ("source", "symbol")]
        for key in request:
            if key not in fields:
                raise InputError(f"load_data({key}=...): a request has no such field; {nearest(key, fields, 'fields')}")
        options = {**parameters, **request.pop("options", {})}
        wanted = DataRequest(source=name, symbol=symbol, options=options, **request)
    plugins.lookup("sources", wanted.source)
    plugins.shared.install(_AskTheSource)
    try:
        answer = plugins.shared.hook.nanolstm_load_data(request=wanted)
    except NanolstmError:
        raise
    except (Exception, SystemExit) as error:  # a source's own faults are named below, so this is a plugin around it
        who = plugins.shared.culprits(error, "nanolstm_load_data")
        raise PluginError(f"nanolstm_load_data of plugin {who} failed: {one_line(error)}") from error
    if isinstance(answer, SequenceData):
        return check_sequences(answer, source=wanted.source)
    return check_frame(answer, source=wanted.source, columns=wanted.columns, missing=wanted.missing)


class _AskTheSource:
    """nanolstm's own implementation of the hook: whoever wraps or forestalls it is outside of this."""

    @hookimpl(trylast=True)
    def nanolstm_load_data(self, request: DataRequest) -> Data:
        entry = plugins.shared.registry("sources")[request.source]
        try:
            return entry.value(request)  # type: ignore[no-any-return]
        except NanolstmError:
            raise
        except (Exception, SystemExit) as error:
            raise DataError(f"source {request.source!r} of plugin {entry.plugin} failed: {one_line(error)}") from error
