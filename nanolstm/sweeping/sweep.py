"""`sweep`: its arguments as members, and the members handed out to whoever works on them."""

from __future__ import annotations

import inspect
import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.cells.find import find_cell
from nanolstm.compile.backend import chosen
from nanolstm.errors import InputError, SweepWarning, UnknownNameError, nearest
from nanolstm.losses import loss as find_loss
from nanolstm.losses import metric
from nanolstm.sweeping.member import SETTINGS, Member, Row, limited_to
from nanolstm.sweeping.rows import finished, identity_of
from nanolstm.train.fit import fit

if TYPE_CHECKING:
    import pandas as pd

_OWN = ("model", "data", "loss", "metrics", "validation", "rng", "progress", "checkpoint", "resume")
"""Arguments of `fit` that a sweep gives itself, or that one file for all members would make no sense of."""


def sweep(
    series: Mapping[str, Any],
    *,
    cells: Any,
    sizes: int | Iterable[int],
    losses: Any = "mse",
    seeds: int | Iterable[int] = 0,
    score: str | Callable[..., Any] = "mse",
    validation: float = 0.2,
    readout: int | None = None,
    n_jobs: int | None = None,
    file: str | os.PathLike[str] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Train a model for each combination of series, cells, sizes, losses and seeds; answer with a table of them.

    ```python
    import numpy as np
    import nanolstm as nl

    x = np.random.default_rng(0).uniform(size=(20, 10, 2))
    table = nl.sweep(
        {"sum": (x, x.sum(axis=2)), "product": (x, x.prod(axis=2))},
        cells=["ToyLSTM", nl.cells.LSTM], sizes=[2, 4], seeds=[0, 1], epochs=3,
    )
    table.groupby(["series", "size"])["score"].mean()
    ```

    Args:
        series: data by name, in any of the forms that [`fit`][nanolstm.fit] takes.
        cells: one or several of: a class; a registered name, `module:Class` or `path/to/file.py:Class`, with
            `(field=value)` after it or not; a function of (inputs, hidden, rng) that answers with a cell or a stack of
            cells. Or a dict of these by the names that they shall have in the table.
        sizes: one or several hidden sizes.
        losses: one or several losses, as for `fit`.
        seeds: one or several seeds, each for first parameters and for the order of training data.
        score: the metric, as in `fit(metrics=)`, that all members are compared by whatever their loss is: on the data
            held back, in the epoch with the lowest validation loss. It has to go with every loss' prediction.
        validation: the share of each series that is held back at its end.
        readout: columns of the linear readout; None for those that the loss takes for this target. A loss of classes
            needs the number of classes here.
        n_jobs: how many are trained at once, as joblib knows it: -1 for one on each core, None for what
            `joblib.parallel_config` says, or else one after the other. Where several are, each has one thread.
        file: where finished rows are kept. Members that have one there are not trained again; failed ones are. More
            members may be asked for later; other data, cells or options are refused.
        options: everything else goes to `fit`: `epochs`, `optimizer`, `patience`, `batching`, `steps`, ...

    Returns:
        A row for each member, in the order of the arguments, the last changing fastest: `series`, `cell`, `size`,
        `loss`, `seed`; `score`; `best_epoch`, `epochs`, `stopped` as in a [`Run`][nanolstm.Run]; `seconds`; `error`,
        which is empty where there was none. A failed member has no score (NaN); one `SweepWarning` counts them. The
        same arguments give the same bits on the same machine, however many are trained at once.

    Raises:
        InputError: an argument that is none of the above.
        UnknownNameError: a cell, loss, metric or option that there is not.
        CheckpointMismatchError: `file` holds rows of other data, cells or options.
        StoreError: `file` cannot be read, written or used.
    """
    members = _members(series, cells, sizes, losses, seeds, score, readout, {"validation": validation, **options})
    path = None if file is None else Path(file)
    kept = finished(path, identity_of(members))
    rows = {i: row for i, member in enumerate(members) if (row := kept.find(member))}
    for i, row in _trained({i: member for i, member in enumerate(members) if i not in rows}, n_jobs):
        if row["stopped"] == "interrupted":  # `fit` ends at Ctrl-C as if it were over; the sweep is what was meant
            raise KeyboardInterrupt
        rows[i] = row
        if not row["error"]:
            kept.add(row)
    return _table([rows[i] for i in range(len(members))])


def _members(
    series: Any, cells: Any, sizes: Any, losses: Any, seeds: Any, score: Any, readout: Any, options: dict[str, Any]
) -> list[Member]:
    _check_options(options)
    if not isinstance(series, Mapping) or not series or {"x", "target"} <= series.keys():
        raise InputError('sweep: expected series by name, such as {"prices": (x, target)}')
    for what, value, least in (("sizes", sizes, 1), ("seeds", seeds, 0), ("readout", readout or 1, 1)):
        for number in _several(value, what):
            if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
                raise InputError(f"sweep: {what}={value!r}: expected ints from {least} on")
    named, functions = _named(cells), [find_loss(one) for one in _several(losses, "losses")]
    combined = itertools.product(
        series.items(), named.items(), _several(sizes, "sizes"), functions, _several(seeds, "seeds")
    )
    common = {"score": metric(score), "readout": readout, "backend": chosen("auto"), "options": options}
    members = [
        Member(series=name, data=data, cell=cell, make=make, size=int(size), loss=function, seed=int(seed), **common)
        for (name, data), (cell, make), size, function, seed in combined
    ]
    settings = [tuple(member.settings.values()) for member in members]
    if len(set(settings)) < len(settings):
        twice = next(one for one in settings if settings.count(one) > 1)
        raise InputError(f"sweep: the member {dict(zip(SETTINGS, twice, strict=True))} is asked for more than once")
    return members


def _check_options(options: Mapping[str, Any]) -> None:
    share = options["validation"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise InputError(f"sweep: validation={share!r}: expected the share of each series to hold back, such as 0.2")
    known = [name for name in inspect.signature(fit).parameters if name not in _OWN]
    for name in options:
        if name != "validation" and name not in known:
            raise UnknownNameError(f"sweep has no argument {name!r}; {nearest(name, known, 'those of fit')}")


def _several(value: Any, what: str) -> list[Any]:
    found = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    if not found:
        raise InputError(f"sweep: {what} is empty; give at least one")
    return found


def _named(cells: Any) -> dict[str, Callable[..., Any] | str]:
    pairs = [*cells.items()] if isinstance(cells, Mapping) else [("", cell) for cell in _several(cells, "cells")]
    named: dict[str, Callable[..., Any] | str] = {}
    for label, cell in pairs:
        name = label or (cell if isinstance(cell, str) else getattr(cell, "__name__", ""))
        if not name or not (isinstance(cell, str) or callable(cell)):
            raise InputError(f"sweep: {cell!r} is no cell; give a class, a name, or a dict of name and function")
        if name in named:
            raise InputError(f'sweep: two cells are called {name!r}; give names: cells={{"mine": ...}}')
        named[name] = _found(cell) if isinstance(cell, str) else cell
    if not named:
        raise InputError("sweep: cells is empty; give at least one")
    return named


def _found(text: str) -> Callable[..., Any] | str:
    """A registered cell as its class, since workers know nothing of what was registered in this process alone."""
    kind, fields = find_cell(text)
    return text if ":" in text else partial(kind, **fields)


def _trained(members: Mapping[int, Member], n_jobs: int | None) -> Iterator[tuple[int, Row]]:
    """The rows of `members`, as they come."""
    import joblib
    from joblib.parallel import get_active_backend

    at_once = joblib.effective_n_jobs(n_jobs)
    number_of_threads = 1 if at_once > 1 else None
    if at_once > 1:
        _compile(members.values())
    # Some backends (Ray's, multiprocessing) answer when all is done: they get a few members at a time.
    answers_at_once = get_active_backend()[0].supports_return_generator
    pairs, size = list(members.items()), max(1, len(members) if answers_at_once else 4 * at_once)
    rounds = [pairs[begin : begin + size] for begin in range(0, len(pairs), size)]
    with limited_to(number_of_threads):  # threads of this process leave the number as they find it
        for some in rounds:
            parallel = joblib.Parallel(
                n_jobs=n_jobs, batch_size=1, return_as="generator_unordered" if answers_at_once else "list"
            )
            yield from parallel(joblib.delayed(_run)(i, member, number_of_threads) for i, member in some)


def _run(i: int, member: Member, number_of_threads: int | None) -> tuple[int, Row]:
    return i, member.run(number_of_threads)


def _compile(members: Iterable[Member]) -> None:
    """Compile kernels here and once: the workers find them on the disk."""
    seen = set()
    for member in members:
        kind = (member.series, member.cell, member.size, str(member.loss))
        if member.backend != "numpy" and kind not in seen:
            seen.add(kind)
            try:
                member.model().compile()
            except Exception:  # noqa: BLE001  # the member itself will say so, in its row
                continue


def _table(rows: list[Row]) -> pd.DataFrame:
    import pandas as pd

    failed = [row for row in rows if row["error"]]
    if failed:
        first = ", ".join(f"{name} {failed[0][name]}" for name in SETTINGS)
        warnings.warn(
            f"sweep: {len(failed)} of {len(rows)} members failed, the first ({first}) with: {failed[0]['error']} "
            "All are in the column error",
            SweepWarning,
            stacklevel=3,
        )
    return pd.DataFrame(rows)
