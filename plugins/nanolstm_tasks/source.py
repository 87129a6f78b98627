"""The table of tasks, and how a request finds its task there."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from nanolstm.data.request import SequenceData
from nanolstm.errors import InputError, UnknownSymbolError, nearest
from nanolstm_tasks import memory, series

if TYPE_CHECKING:
    from nanolstm.data.request import DataRequest

TASKS: dict[str, Callable[..., SequenceData]] = {
    "adding": memory.adding,
    "copy": memory.copy,
    "temporal_order": memory.temporal_order,
    "mackey_glass": series.mackey_glass,
    "narma10": series.narma10,
    "sines": series.sines,
}
"""Every task by its name. A new one is a function whose keywords are its options, and a line here."""


def load(request: DataRequest) -> SequenceData:
    """Standard synthetic tests for recurrent cells: adding, copy, temporal_order, mackey_glass, narma10, sines.

    ```python
    from nanolstm import DataRequest

    DataRequest(source="tasks", symbol="adding", options={"n": 500, "length": 150, "rng": 1})
    ```

    Args:
        request: `symbol` is the task's name, `options` the keywords of its function in this package. All tasks have
            `n`, the number of sequences, and `rng`: an int, a Generator, a RandomState (drawn from as it is), or None
            for data that differs at every load. Its default is 0, so that a load is deterministic.

    Returns:
        Sequences as arrays, float64; classes as integers.

    Raises:
        UnknownSymbolError: no task, or one that is not in the table.
        InputError: an unknown option, a value out of its limits, or a window of dates, which no task has.
    """
    if request.symbol is None:
        raise UnknownSymbolError(f"the source 'tasks' needs the name of a task: {', '.join(sorted(TASKS))}")
    if request.symbol not in TASKS:
        raise UnknownSymbolError(f"there is no task {request.symbol!r}; {nearest(str(request.symbol), TASKS, 'tasks')}")
    if request.start or request.end:
        raise InputError(f"the task {request.symbol!r} has no dates: leave start and end out")
    task = TASKS[request.symbol]
    known = inspect.signature(task).parameters
    for option in request.options:
        if option not in known:
            raise InputError(
                f"the task {request.symbol!r} has no option {option!r}; {nearest(option, known, 'options')}"
            )
    return task(**request.options)
