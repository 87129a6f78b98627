"""What a schedule is: a factor of the learning rate for each moment of a training."""

from __future__ import annotations

import copy
from typing import Any, Protocol, runtime_checkable

from nanolstm import plugins
from nanolstm.errors import InputError


@runtime_checkable
class Watching(Protocol):
    """A schedule that goes by the scores, and so has something to remember."""

    def __call__(self, done: float, epochs: int) -> float:
        """The factor after `done` of `epochs` epochs."""

    def observe(self, score: float) -> None:
        """Take note of an epoch's score: its validation loss, or its loss where nothing is validated."""

    def state(self) -> dict[str, Any]:
        """What is remembered, as JSON can hold it."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` answered with."""


def schedule(given: Any) -> Any:
    """The schedule that `name` or `name(key=value)` asks for, or a function of (epochs done, epochs) as one.

    One that remembers is copied, so that it can be given to several trainings.

    Raises:
        InputError: anything else.
        UnknownNameError: no plugin registered it.
    """
    made = plugins.made("schedules", given) if isinstance(given, str) else given
    if made is not None and (not callable(made) or isinstance(made, type)):
        raise InputError(
            f"schedule={given!r}: expected a name, such as 'cosine(warmup=5)', or a function of (epochs done, epochs "
            "in all) that answers with a factor of the learning rate"
        )
    return copy.deepcopy(made) if isinstance(made, Watching) else made
