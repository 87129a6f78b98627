"""`sweep`: members handed out to whoever works on them, and what they come to as one table."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanolstm.errors import SweepWarning
from nanolstm.kernels.threads import limited_to
from nanolstm.sweeping.arguments import members_of
from nanolstm.sweeping.member import COLUMNS, SETTINGS, Member, Row
from nanolstm.sweeping.progress import SweepProgress, sweep_progress
from nanolstm.sweeping.rows import finished, identity_of

if TYPE_CHECKING:
    import pandas as pd


def sweep(
    series: Mapping[str, Any],
    *,
    cells: Any,
    sizes: int | Iterable[int] | Mapping[str, Any],
    losses: Any = "mse",
    seeds: int | Iterable[int] = 0,
    score: str | Callable[..., Any] = "mse",
    validation: float = 0.2,
    readout: int | None = None,
    n_jobs: int | None = None,
    file: str | os.PathLike[str] | None = None,
    histories: bool = False,
    progress: bool = True,
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
        sizes: one or several hidden sizes; or a dict of these by the names of the cells.
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
        histories: keep how each training went, in a column `history`: the frame that a [`Run`][nanolstm.Run] has.
            With `file`, members that were trained without it are trained again.
        progress: show a bar where somebody can see it.
        options: everything else goes to `fit`: `epochs`, `optimizer`, `patience`, `batching`, `steps`, ...

    Returns:
        A row for each member, in the order of the arguments, the last changing fastest: `series`, `cell`, `size`,
        `loss`, `seed`; `parameters`, how many were trained; `score`; `best_epoch`, `epochs`, `stopped` as in a
        [`Run`][nanolstm.Run]; `step_seconds`, the mean time of a training step but the first; `seconds` in all;
        `error`, which is empty where there was none. A failed member has no score (NaN); one `SweepWarning` counts
        them. The same arguments give the same bits on the same machine, however many are trained at once.

    Raises:
        InputError: an argument that is none of the above.
        UnknownNameError: a cell, loss, metric or option that there is not.
        CheckpointMismatchError: `file` holds rows of other data, cells or options.
        StoreError: `file` cannot be read, written or used.
    """
    members = members_of(
        series,
        cells,
        sizes,
        losses=losses,
        seeds=seeds,
        score=score,
        readout=readout,
        options={"validation": validation, **options},
        histories=histories,
    )
    rows = trained(members, n_jobs=n_jobs, file=file, progress=progress)
    _warn_of_failed(rows)
    return table_of(rows, histories=histories)


def trained(
    members: list[Member], *, n_jobs: int | None, file: str | os.PathLike[str] | None, progress: bool
) -> list[Row]:
    """The rows of `members` in their order, those that `file` has not yet being trained; arguments as for `sweep`."""
    kept = finished(None if file is None else Path(file), identity_of(members))
    rows = {i: row for i, member in enumerate(members) if (row := kept.find(member))}
    bar = sweep_progress(progress, len(members), len(rows))
    try:
        for i, row in _in_any_order({i: m for i, m in enumerate(members) if i not in rows}, n_jobs, bar):
            if row["stopped"] == "interrupted":  # `fit` ends at Ctrl-C as if it were over; the sweep is what was meant
                raise KeyboardInterrupt
            rows[i] = row
            if not row["error"]:
                kept.add(row)
            if bar is not None:
                bar.add(row)
    finally:
        if bar is not None:
            bar.close()
    return [rows[i] for i in range(len(members))]


def table_of(rows: list[Row], *, histories: bool) -> pd.DataFrame:
    """Rows as a frame, and if it is asked for each history as a frame in it."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if histories:
        frames: list[Any] = [_history(row.get("history")) for row in rows]
        table["history"] = pd.Series(frames, dtype=object)
    return table


def _history(columns: Mapping[str, Any] | None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(columns).set_index("epoch") if columns else pd.DataFrame()


def _in_any_order(
    members: Mapping[int, Member], n_jobs: int | None, bar: SweepProgress | None
) -> Iterator[tuple[int, Row]]:
    """The rows of `members`, as they come."""
    import joblib
    from joblib.parallel import get_active_backend

    at_once = joblib.effective_n_jobs(n_jobs)
    number_of_threads = 1 if at_once > 1 else None
    if at_once > 1:
        _compile(members.values(), bar)
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


def _compile(members: Iterable[Member], bar: SweepProgress | None) -> None:
    """Compile kernels here and once: the workers find them on the disk."""
    seen = set()
    for member in members:
        kind = (member.series, member.cell, member.size, str(member.loss))
        if member.backend != "numpy" and kind not in seen:
            seen.add(kind)
            if bar is not None:
                bar.tell(f"compiling {member.cell}")
            try:
                member.model().compile(loss=member.loss)
            except Exception:  # noqa: BLE001  # the member itself will say so, in its row
                continue


def _warn_of_failed(rows: list[Row]) -> None:
    failed = [row for row in rows if row["error"]]
    if failed:
        first = ", ".join(f"{name} {failed[0][name]}" for name in SETTINGS)
        warnings.warn(
            f"sweep: {len(failed)} of {len(rows)} members failed, the first ({first}) with: {failed[0]['error']} "
            "All are in the column error",
            SweepWarning,
            stacklevel=3,
        )
