"""`compare`: different cells with equally many parameters, on one task, over several seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from nanolstm.errors import InputError
from nanolstm.losses import loss as find_loss
from nanolstm.losses import metric as find_metric
from nanolstm.sweeping.arguments import members_of, named_cells
from nanolstm.sweeping.comparison import Comparison
from nanolstm.sweeping.equal import nearest_size
from nanolstm.sweeping.sweep import table_of, trained
from nanolstm.sweeping.task import task_of

if TYPE_CHECKING:
    from nanolstm.sweeping.member import Member


def compare(
    cells: Any,
    task: Any,
    *,
    parameters: int = 2000,
    seeds: int | Iterable[int] = 5,
    loss: str | Callable[..., Any] | None = None,
    metric: str | Callable[..., Any] | None = None,
    validation: float = 0.2,
    n_jobs: int | None = None,
    file: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **options: Any,
) -> Comparison:
    """Train cells of equally many parameters on one task, each with several seeds, and say which scores best.

    ```python
    import nanolstm as nl

    comparison = nl.compare(["LSTM", nl.cells.ToyLSTM], "adding(n=100, length=10)", parameters=200, seeds=3, epochs=3)
    comparison.table[["hidden", "parameters", "score", "low", "high"]]
    figure = comparison.plot()
    ```

    Args:
        cells: as for [`sweep`][nanolstm.sweep]: classes, names, functions of (inputs, hidden, rng), or a dict of these.
        task: the name of a task, `"adding"` or `"adding(length=50)"`, or of any source of sequences; or data in one of
            the forms that [`fit`][nanolstm.fit] takes. Whether there is a target for each step is seen from its shape.
        parameters: how many each model shall have, its linear readout included. Each gets the hidden size with which
            the number is nearest to that.
        seeds: how many, counted from 0, or which. A seed is for first parameters and for the order of training data.
        loss: what is trained; None for `cross_entropy` where the targets are classes, and `mse` otherwise.
        metric: what is ranked by, on the data held back; None for the loss.
        validation: the share of the data that is held back at its end. The score is that of the epoch with the lowest
            loss on it, which flatters all of them a little.
        n_jobs: how many are trained at once, as for `sweep`.
        file: where finished trainings are kept, as for `sweep`.
        progress: show a bar where somebody can see it.
        options: everything else goes to `fit`: `epochs`, `optimizer`, `batch_size`, `patience`, `clip`, ... They are
            the same for all cells.

    Returns:
        A [`Comparison`][nanolstm.Comparison]. A training that fails is told there, and the others go on.

    Raises:
        InputError: an argument that is none of the above, or a cell that cannot be made.
        UnknownNameError: a cell, task, loss, metric or option that there is not.
        CheckpointMismatchError: `file` is of other data, cells or options.
        StoreError: `file` cannot be read, written or used.
    """
    if isinstance(parameters, bool) or not isinstance(parameters, int) or parameters < 1:
        raise InputError(f"compare: parameters={parameters!r}: expected a number from 1 on")
    if isinstance(seeds, bool) or (isinstance(seeds, int) and seeds < 1):
        raise InputError(f"compare: seeds={seeds!r}: expected how many, from 1 on, or a list of them")
    found = task_of(task)
    function = find_loss(loss if loss is not None else "cross_entropy" if found.classes else "mse")
    measure = function if metric is None else find_metric(metric)
    named = named_cells(cells)

    def members(sizes: Mapping[str, int], seeds: Any) -> list[Member]:
        return members_of(
            {found.name: found.data},
            named,
            sizes,
            losses=function,
            seeds=seeds,
            score=measure,
            readout=found.columns(function),
            options={"validation": validation, "steps": found.steps, **options},
            histories=True,
        )

    sizes = {member.cell: _size(member, parameters) for member in members(dict.fromkeys(named, 1), 0)}
    rows = trained(
        members(sizes, range(seeds) if isinstance(seeds, int) else seeds), n_jobs=n_jobs, file=file, progress=progress
    )
    return Comparison.of(table_of(rows, histories=True), task=found.name, metric=measure, wanted=parameters)


def _size(member: Member, parameters: int) -> int:
    return nearest_size(
        lambda size: attrs.evolve(member, size=size).model().parameters.count,
        parameters,
        name=f"compare: cell {member.cell!r}",
    )
