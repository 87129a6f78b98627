"""What cells are compared on: sequences, and how their targets are to be read."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import numpy as np

from nanolstm import plugins
from nanolstm.data.request import SequenceData
from nanolstm.errors import InputError, UnknownNameError, UnknownSymbolError
from nanolstm.loading import load_data
from nanolstm.losses import Loss
from nanolstm.naming import parse_name
from nanolstm.protocols import has_steps

_TASKS = "tasks"
"""The source whose symbols are tasks, and which need not be named."""


@attrs.frozen(eq=False, kw_only=True)
class Task:
    """Sequences under a name, in one of the forms that `fit` takes.

    Attributes:
        steps: `"all"` where there is a target for each step, `"last"` where there is one for each sequence.
        classes: how many there are where the targets are classes; 0 for numbers.
    """

    name: str
    data: Any
    steps: Literal["all", "last"] = "all"
    classes: int = 0

    def columns(self, loss: Loss) -> int | None:
        """The width of a readout for `loss`, where the target does not say it."""
        return self.classes if loss.classes and self.classes else None


def task_of(given: Any) -> Task:
    """The task that is meant.

    Args:
        given: the name of a task of the source `tasks`, or of any source that answers with sequences, or
            `source:symbol`, with `(option=value)` after it or not; or data in one of the forms that `fit` takes.

    Raises:
        UnknownNameError: there is neither such a task nor such a source.
        InputError: a source that answers with a series over time.
        DataError: it cannot answer.
    """
    name, data = (given, _loaded(given)) if isinstance(given, str) else ("data", given)
    if isinstance(data, tuple) and len(data) == 2 and np.ndim(data[0]) == 3:
        data = SequenceData(x=np.asarray(data[0]), y=np.asarray(data[1]))
    if not isinstance(data, SequenceData):
        return Task(name=name, data=data)
    classes = int(data.y.max()) + 1 if data.y.dtype.kind in "iu" else 0
    return Task(name=name, data=data, steps="all" if has_steps(data) else "last", classes=classes)


def _loaded(text: str) -> SequenceData:
    name, options = parse_name(text)
    sources = plugins.shared.registry("sources")
    source, _, symbol = (
        name.partition(":") if ":" in name else (name, "", "") if name in sources else (_TASKS, "", name)
    )
    try:
        data = load_data(source, symbol or None, options=options)
    except UnknownSymbolError as error:
        raise UnknownNameError(f"task {text!r}: {error}. Nor is it one of the sources: {', '.join(sources)}") from None
    if not isinstance(data, SequenceData):
        raise InputError(
            f"task {text!r}: this source answers with a series over time, and cells are compared on separate "
            "sequences; write the name of a task, such as adding, or of a source of sequences"
        )
    return data
