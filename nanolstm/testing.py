"""Contract checks for plugins, to be called from a plugin's own tests.

```python
from nanolstm.testing import check_cell, check_loss, check_source

def test_the_loss_keeps_its_promises():
    check_loss("mae")                              # a registered name, a plain function, or a nl.Loss

def test_the_cell_keeps_its_promises():
    check_cell("ToyLSTM", outputs=3, hidden=3)     # a class, or a registered name
```

Each check answers with nothing, or raises an `AssertionError` that says which promise is broken, with numbers. No test
runner is needed or imported.
"""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.cells.find import find_cell
from nanolstm.data.checks import check_frame, check_sequences
from nanolstm.data.request import Data, DataRequest, SequenceData
from nanolstm.errors import DataError, NanolstmError
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array
from nanolstm.language.probing import unread_parameters
from nanolstm.losses import Loss
from nanolstm.losses import loss as find_loss
from nanolstm.scalers import scaler as find_scaler
from nanolstm.sequence import Sequence

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_cell", "check_loss", "check_scaler", "check_source"]

_LONG_AGO = dt.date(1700, 1, 1)
"""A day of which no source has figures, and which pandas can still express."""


def check_source(
    load: Callable[[DataRequest], Data], request: DataRequest, *, unknown: str | None = None, gaps: bool = False
) -> None:
    """Check a data source: the function that a plugin registers.

    ```python
    import pandas as pd
    from nanolstm import DataRequest
    from nanolstm.errors import NoDataError, UnknownSymbolError
    from nanolstm.testing import check_source

    def load(request):
        if request.symbol != "dollar":
            raise UnknownSymbolError(f"no currency {request.symbol!r}")
        days = pd.date_range("2024-01-01", periods=30)
        start, end = pd.Timestamp(request.start or days[0]), pd.Timestamp(request.end or "2100-01-01")
        inside = (days >= start) & (days < end)
        if not inside.any():
            raise NoDataError(f"nothing from {start:%Y-%m-%d} until before {end:%Y-%m-%d}")
        return pd.DataFrame({"price": range(30)}, index=days)[inside]

    check_source(load, DataRequest(source="bank", symbol="dollar"), unknown="groat")
    ```

    Of a frame: the time index ascends and is unique; the columns that the request names (all, where it names none) have
    a dtype of numbers and are finite; where the index is made of days or times, a narrower window yields just the rows
    in it, its end left out; a window long before the data raises a `DataError` in place of an empty frame. Of
    [`SequenceData`][nanolstm.SequenceData]: x (B, T, M) and y are finite and fit each other, lengths are from 1 to T.
    Of both: two loads of one request are equal, and an answer that its reader changes leaves the next one as it was.

    The source is asked three to six times.

    Args:
        load: the source.
        request: what it is asked; it must have an answer of at least two rows.
        unknown: a symbol that the source does not have, which must raise `UnknownSymbolError` or, where the source
            cannot tell, another `DataError`.
        gaps: the source documents missing values (NaN), and leaves it to `missing=` what becomes of them.

    Raises:
        AssertionError: a promise is broken; the text says which.
    """
    who = f"source {request.source!r}"
    first = _ask(load, request, who)
    _keeps_its_form(first, request, who, gaps=gaps)

    kept = copy.deepcopy(first)
    second = _ask(load, request, who)
    _demand(not (found := _difference(kept, second)), who, f"two loads of one request differ: {found}")
    _deface(second)
    third = _ask(load, request, who)
    found = _difference(kept, third)
    _demand(not found, who, f"what a reader changes in an answer shows in the next one (return a copy): {found}")

    if not isinstance(kept, SequenceData):
        _keeps_to_the_window(load, request, kept, who)
    if unknown is not None:
        _raises_data_error(load, attrs.evolve(request, symbol=unknown), who, f"the unknown symbol {unknown!r}")


def check_loss(
    loss: Callable[..., Any] | str | Loss,
    *,
    minimum_at_target: bool = True,
    between: tuple[float, float] = (-2.0, 2.0),
) -> None:
    """Check a loss.

    ```python
    import numpy as np
    from nanolstm.testing import check_loss

    def log_cosh(prediction, target):
        return np.mean(np.log(np.cosh(prediction - target)))

    check_loss(log_cosh)
    check_loss("bce", between=(0, 1))
    check_loss("cross_entropy", minimum_at_target=False)       # its predictions are logits
    ```

    On random predictions and targets of several shapes, one row and one column among them: the loss is one finite real
    number, also in float32, where it agrees with float64 to 0.1 %; it is the same when asked again and when the rows
    come in another order; it leaves its arguments as they are; and no prediction has a lower loss than the target.

    Args:
        loss: a plain function of (prediction, target), each (n, N); a registered name, with parameters where it needs
            some (`"quantile(q=0.9)"`); or a [`Loss`][nanolstm.Loss].
        minimum_at_target: whether the loss is lowest where the prediction is the target (each of its columns, where it
            takes several for one target).
        between: the predictions and targets are drawn from this range; targets of classes are one-hot.

    Raises:
        AssertionError: a promise is broken; the text says which.
        UnknownNameError: no loss is registered under that name.
    """
    made = find_loss(loss)
    who = f"loss {made}"
    rng = np.random.default_rng(0)
    for rows, columns in ((64, 3), (64, 1), (1, 1)):
        prediction, target = _pair(made, rows, columns, between, rng)
        value = _one_number(made, prediction, target, who)
        again = _one_number(made, prediction, target, who)
        _demand(again == value, who, f"it answers {value!r}, and {again!r} when asked the same again")

        order = rng.permutation(rows)
        shuffled = _one_number(made, prediction[order], target[order], who)
        _demand(_close(shuffled, value, 1e-9), who, f"{value!r} becomes {shuffled!r} when the rows change their order")

        single = _one_number(made, prediction.astype(np.float32), target.astype(np.float32), who)
        _demand(_close(single, value, 1e-3), who, f"it is {value!r} in float64 and {single!r} in float32")
        if minimum_at_target:
            _is_lowest_at_the_target(made, target, between, rng, who)


def check_scaler(scaler: Any) -> None:
    """Check a scaler.

    ```python
    from nanolstm.testing import check_scaler

    check_scaler("robust")
    ```

    Fitted on random numbers: a clone of it is fitted in its place; it scales later numbers, beyond the range of those
    that it was fitted on, and back, to 1e-9; it scales each row by itself, so that no later row can change an earlier
    one; it keeps their order, so that a quantile stays one; it leaves what it is given as it is.

    Args:
        scaler: a registered name, with parameters where it needs some, or a scikit-learn transformer.

    Raises:
        AssertionError: a promise is broken; the text says which.
        UnknownNameError: no scaler is registered under that name.
    """
    from sklearn.base import clone

    made = find_scaler(scaler)
    who = f"scaler {scaler if isinstance(scaler, str) else type(made).__name__}"
    rng = np.random.default_rng(0)
    known, later = rng.normal(5.0, 2.0, size=(200, 1)), np.sort(rng.uniform(-10.0, 20.0, size=(64, 1)), axis=0)
    kept = known.copy(), later.copy()
    try:
        fitted = clone(made).fit(known)
        scaled = np.asarray(fitted.transform(later))
        back = np.asarray(fitted.inverse_transform(scaled))
        alone = np.concatenate([np.asarray(fitted.transform(row[None])) for row in later])
    except Exception as error:
        raise AssertionError(f"{who}: it raises {_told(error)}") from error
    for given, original in zip((known, later), kept, strict=True):
        _demand(np.array_equal(given, original), who, "it changes the numbers that it is given")
    _demand(bool(np.isfinite(scaled).all()), who, f"{np.sum(~np.isfinite(scaled))} of 64 scaled numbers are not finite")
    _agree(back, later, 1e-9, who, "what is scaled and scaled back differs from what it was")
    _agree(alone, scaled, 1e-12, who, "a row scaled by itself differs from the same row among others")
    _demand(bool((np.diff(scaled, axis=0) > 0).all()), who, "it does not keep the order of numbers; a quantile must")


def check_cell(cell: type[Cell] | str, **fields: Any) -> None:
    """Check a cell.

    ```python
    import nanolstm as nl
    from nanolstm.testing import check_cell

    class Leaky(nl.Cell):
        new: nl.Gate = nl.gate(nl.identity)

        def step(self, x, h):
            h = 0.9 * h + 0.1 * self.new(x, h)
            return h, h

    check_cell(Leaky, hidden=4)
    ```

    A cell of its class is made with `inputs=3`, `hidden=4` and `rng=0` unless told otherwise, and run over random
    numbers: every parameter is read by something; its output is finite; two cells of one seed agree, and so do two runs
    of one cell, a run cut in two (the state is all that it carries over), a batch and each of its sequences alone (to
    1e-10), float32 and float64 (to 0.1 %); a run leaves its input as it is; a pickled and a deep copy give the same
    output and share no parameter with the original.

    Args:
        cell: a class, or a name as `--cell` takes it: registered, or `module:Class`, fields in brackets.
        fields: `inputs`, `hidden`, and values for the fields of the class.

    Raises:
        AssertionError: a promise is broken; the text says which.
        UnknownNameError: no cell is registered under that name.
    """
    kind, given = find_cell(cell) if isinstance(cell, str) else (cell, {})
    fields = {"inputs": 3, "hidden": 4, "rng": 0, **given, **fields}
    who = f"cell {kind.__name__}"
    made = _make(kind, fields, who)
    unread = unread_parameters(made)
    gates = sorted({key.partition(".")[0] for key in unread})
    advice = f"take them out: `{gates[0]} = absent`" if unread else ""
    _demand(not unread, who, f"nothing reads {', '.join(unread)}, which would be trained in vain; {advice}")
    rng = np.random.default_rng(0)
    batch, time = 3, 8
    x = rng.uniform(-1.0, 1.0, size=(batch, time, made.inputs))
    model = Sequence(made, backend="numpy")
    feeds = {
        name: rng.uniform(0.5, 1.5, size=(batch, time) if f.size == 1 else (batch, time, f.size))
        for name, f in model.feeds().items()
    }
    alone = {name: values[0] for name, values in feeds.items()}

    before = x.copy()
    _run(model, x[0], alone, who)
    _demand(np.array_equal(x, before), who, "a run changes its input")
    y = _run(model, x, feeds, who)
    _demand(bool(np.isfinite(y).all()), who, f"{np.sum(~np.isfinite(y))} of {y.size} outputs are not finite")
    _agree(_run(model, x, feeds, who), y, 0.0, who, "a second run of one cell differs from the first")
    twin = Sequence(_make(kind, fields, who), backend="numpy")
    _agree(_run(twin, x, feeds, who), y, 0.0, who, "two cells of one seed differ")
    for b in range(batch):
        one = _run(model, x[b], {name: values[b] for name, values in feeds.items()}, who)
        _agree(one, y[b], 1e-10, who, f"sequence {b} alone differs from itself in a batch of {batch}")

    cut = time // 2
    head, state = model(x[0, :cut], return_state=True, **{name: values[:cut] for name, values in alone.items()})
    _run(model, x, feeds, who)  # if the cell keeps anything outside of its states, this overwrites it
    tail = model(x[0, cut:], initial=state, **{name: values[cut:] for name, values in alone.items()})
    _agree(np.concatenate([head, tail]), y[0], 1e-10, who, f"a run that stops after {cut} steps and goes on differs")

    _copies_apart(made, x, feeds, y, who)
    single = _make(kind, {**fields, "dtype": "float32"}, who)
    for ours, theirs in ((made.parameters, single.parameters), (made.frozen, single.frozen)):
        for name in ours:
            theirs[name] = ours[name].astype(np.float32)
    short = _run(Sequence(single, backend="numpy"), x, feeds, who)
    _demand(short.dtype == np.float32, who, f"with dtype='float32' its output is {short.dtype}")
    _agree(short, y, 1e-3, who, "float32 differs from float64")


def _demand(kept: bool, who: str, otherwise: str) -> None:
    if not kept:
        raise AssertionError(f"{who}: {otherwise}")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


# Sources


def _ask(load: Callable[[DataRequest], Data], request: DataRequest, who: str) -> Data:
    try:
        return load(request)
    except Exception as error:
        raise AssertionError(f"{who}: a request that it should answer raises {_told(error)}\n{request}") from error


def _keeps_its_form(answer: Data, request: DataRequest, who: str, *, gaps: bool) -> None:
    if isinstance(answer, SequenceData):
        try:
            check_sequences(answer, source=request.source)
        except NanolstmError as error:
            raise AssertionError(str(error)) from error
        return
    try:
        check_frame(answer, source=request.source, columns=request.columns, missing="drop" if gaps else "error")
    except NanolstmError as error:
        raise AssertionError(str(error)) from error
    for column in request.columns or answer.columns:
        kind = answer[column].dtype
        _demand(
            kind.kind in "biuf", who, f"column {column!r} has dtype {kind}; expected one of numbers, such as float64"
        )


def _difference(one: Data, other: Data) -> str:
    """How two answers differ; empty where they do not."""
    if isinstance(one, SequenceData) or isinstance(other, SequenceData):
        if type(one) is not type(other):
            return f"a {type(one).__name__} and a {type(other).__name__}"
        for name in ("x", "y", "lengths"):
            left, right = np.asarray(getattr(one, name)), np.asarray(getattr(other, name))
            if left.shape != right.shape or left.dtype != right.dtype:
                return f"{name} is {left.shape} {left.dtype}, then {right.shape} {right.dtype}"
            if left.tobytes() != right.tobytes():
                return f"{np.sum(left != right)} of {left.size} values in {name}"
        return ""
    if list(one.columns) != list(other.columns):
        return f"columns {list(one.columns)}, then {list(other.columns)}"
    if not one.index.equals(other.index):
        return f"{len(one)} rows from {one.index[0]}, then {len(other)} rows" + (
            f" from {other.index[0]}" if len(other) else ""
        )
    for column in one.columns:
        was, now = one[column], other[column]
        if was.dtype != now.dtype:
            return f"column {column!r} is {was.dtype}, then {now.dtype}"
        apart = (was != now) & ~(was.isna() & now.isna())
        if apart.any():
            row = int(apart.to_numpy().argmax())
            return (
                f"{int(apart.sum())} of {len(one)} values in {column!r}; in row {row} {was.iloc[row]!r}, "
                f"then {now.iloc[row]!r}"
            )
    return ""


def _deface(answer: Data) -> None:
    """Change an answer in place, as its reader might."""
    if isinstance(answer, SequenceData):
        for array in (answer.x, answer.y):
            if isinstance(array, np.ndarray) and array.flags.writeable:
                array[...] = array + 1
        return
    for place, kind in enumerate(answer.dtypes):
        if kind.kind in "iuf":
            answer.isetitem(place, answer.iloc[:, place].to_numpy() + 1)


def _keeps_to_the_window(
    load: Callable[[DataRequest], Data], request: DataRequest, whole: pd.DataFrame, who: str
) -> None:
    import pandas as pd

    index = whole.index.to_timestamp() if isinstance(whole.index, pd.PeriodIndex) else whole.index
    if not isinstance(index, pd.DatetimeIndex):
        return
    clock = index.tz_localize(None)  # what the clock shows there, which is what a window is about
    for bound, outside in (
        ("start", clock < pd.Timestamp(request.start or clock[0])),
        ("end", clock >= pd.Timestamp(request.end or clock[-1] + pd.Timedelta(days=1))),
    ):
        _demand(
            not outside.any(),
            who,
            f"{outside.sum()} rows are outside the window, the first at {index[int(outside.argmax())]}; {bound} is "
            f"{getattr(request, bound)}" + (", and exclusive" if bound == "end" else ""),
        )
    days = clock.normalize().unique()
    if len(days) >= 4:
        start, end = days[len(days) // 4].date(), days[3 * len(days) // 4].date()
        inside = (clock >= pd.Timestamp(start)) & (clock < pd.Timestamp(end))
        part = _ask(load, attrs.evolve(request, start=start, end=end), who)
        found = _difference(whole[inside], part)
        _demand(not found, who, f"the window from {start} to {end} (exclusive) is another part of the whole: {found}")
    early = attrs.evolve(request, start=_LONG_AGO, end=_LONG_AGO + dt.timedelta(days=7))
    _raises_data_error(load, early, who, f"a window without data (in {_LONG_AGO.year})")


def _raises_data_error(load: Callable[[DataRequest], Data], request: DataRequest, who: str, what: str) -> None:
    try:
        answer = load(request)
    except DataError:
        return
    except Exception as error:
        raise AssertionError(
            f"{who}: {what} must raise a DataError of nanolstm.errors; it raises {_told(error)}"
        ) from error
    size = f"{len(answer.x)} sequences" if isinstance(answer, SequenceData) else f"{len(answer)} rows"
    raise AssertionError(f"{who}: {what} must raise a DataError of nanolstm.errors; it answers with {size}")


# Losses


def _pair(
    loss: Loss, rows: int, columns: int, between: tuple[float, float], rng: np.random.Generator
) -> tuple[Array, Array]:
    """A prediction (rows, columns * loss.columns) and a target (rows, columns)."""
    prediction = rng.uniform(*between, size=(rows, columns * loss.columns))
    if loss.classes:
        return prediction, np.eye(columns)[rng.integers(columns, size=rows)]
    return prediction, rng.uniform(*between, size=(rows, columns))


def _one_number(loss: Loss, prediction: Array, target: Array, who: str) -> float:
    given = prediction.copy(), target.copy()
    shapes = f"prediction {prediction.shape} and target {target.shape}, {prediction.dtype}"
    try:
        value = loss.function(*given, **loss.parameters)
    except Exception as error:
        raise AssertionError(f"{who}: for {shapes}, it raises {_told(error)}") from error
    for name, array, original in zip(("prediction", "target"), given, (prediction, target), strict=True):
        changed = int(np.sum(array != original))
        _demand(not changed, who, f"it changes {changed} of {original.size} entries of the {name} that it is given")
    number = np.asarray(value)
    _demand(number.shape == (), who, f"for {shapes}, it returns an array of shape {number.shape}; expected one number")
    _demand(number.dtype.kind in "iuf", who, f"for {shapes}, it returns {value!r}; expected one real number")
    _demand(bool(np.isfinite(number)), who, f"for {shapes}, it returns {value!r}; expected a finite number")
    return float(number)


def _is_lowest_at_the_target(
    loss: Loss, target: Array, between: tuple[float, float], rng: np.random.Generator, who: str
) -> None:
    exact = np.repeat(target, loss.columns, axis=-1)
    lowest = _one_number(loss, exact, target, who)
    for size in (1e-3, 1e-2, 1e-1, 1.0):
        for sign in (-1.0, 1.0, None):
            shift = rng.uniform(-1.0, 1.0, size=exact.shape) if sign is None else sign
            value = _one_number(loss, np.clip(exact + size * shift, *between), target, who)
            _demand(
                value >= lowest - 1e-12 * (1 + abs(lowest)),
                who,
                f"it is {lowest!r} where the prediction is the target, and lower, {value!r}, {size:g} away from it; "
                "where that is meant, say minimum_at_target=False",
            )


def _close(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance * (1 + abs(other))


# Cells


def _make(kind: type[Cell], fields: dict[str, Any], who: str) -> Cell:
    try:
        return kind(**fields)
    except Exception as error:
        given = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        raise AssertionError(f"{who}: {kind.__name__}({given}) raises {_told(error)}") from error


def _run(model: Sequence, x: Array, feeds: dict[str, Any], who: str) -> Array:
    try:
        return np.asarray(model(x, **feeds))
    except Exception as error:
        raise AssertionError(f"{who}: a run over x {x.shape} raises {_told(error)}") from error


def _agree(one: Array, other: Array, tolerance: float, who: str, otherwise: str) -> None:
    _demand(one.shape == other.shape, who, f"{otherwise}: shape {one.shape} against {other.shape}")
    apart = np.abs(one - other) / (1 + np.abs(other))
    _demand(bool(apart.max() <= tolerance), who, f"{otherwise} by up to {apart.max():.3g} (allowed {tolerance:g})")


def _copies_apart(made: Cell, x: Array, feeds: dict[str, Any], y: Array, who: str) -> None:
    for how, make_copy in (
        ("pickled", lambda: pickle.loads(pickle.dumps(made))),
        ("deep", lambda: copy.deepcopy(made)),
    ):
        try:
            twin = make_copy()
        except Exception as error:
            raise AssertionError(f"{who}: a {how} copy of it raises {_told(error)}") from error
        _agree(
            _run(Sequence(twin, backend="numpy"), x, feeds, who), y, 0.0, who, f"a {how} copy differs from the original"
        )
        shared = [name for name in made.parameters if np.shares_memory(twin.parameters[name], made.parameters[name])]
        _demand(not shared, who, f"a {how} copy shares {len(shared)} parameters with the original: {', '.join(shared)}")
