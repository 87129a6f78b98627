"""Trying a step out: whether it keeps the examples of a batch apart, and reads all its parameters."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from nanolstm.errors import BatchError, CellError
from nanolstm.language.functions import Array
from nanolstm.language.mixing import HINT, is_authors, refuse_mixing, take_step
from nanolstm.language.stepping import start_states

if TYPE_CHECKING:
    from nanolstm.language.cell import Cell


@attrs.frozen
class _Draw:
    """What a step is tried out on: its parameters times a factor, inputs times another, states after some steps."""

    parameters: float
    inputs: float
    steps: int


_DRAWS = (_Draw(-1.0, 1.0, 2), _Draw(3.0, 1.0, 1), _Draw(0.25, 5.0, 3), _Draw(-3.0, 5.0, 1), _Draw(1.0, 5.0, 4))
"""They push a threshold from both sides, and examples to different sides of it."""


def refuse_mixed_examples(cell: Cell, *, thoroughly: bool = True) -> None:
    """Take one step of a batch and of each of its examples alone, from random states, and compare.

    The batch is as long as the hidden size, for that is where `W @ h` and `np.outer` have valid shapes and wrong
    results; a step that fails there and nowhere else is wrong as well. With `thoroughly` a step that mixes for some
    values alone is looked for, by other batches and other parameters. Only what is compared while it runs is certain.

    Raises:
        CellError: a step that cannot take a batch, or gives other numbers each time.
        BatchError: one that mixes the examples; the text says where, and what to write instead.
    """
    size = cell.hidden if 2 <= cell.hidden <= 16 else 2  # beyond, two examples: W @ h has no valid shape there
    # Not the cell's own numbers: with zeros, the identity or anything symmetric `W @ h` would pass, until trained.
    with np.errstate(all="ignore"):
        twin = _twin(cell, 1.0)
        x, arguments = _random_step(twin, size)
        first, again = (take_step(twin, x[0], [value[0] for value in arguments]) for _ in range(2))
        if any(not np.array_equal(again[what], value, equal_nan=True) for what, value in first.items()):
            raise CellError(
                f"{type(cell).__name__}.step gives other numbers each time that it is run; what is random in a step is "
                "declared: `mask: Array = noise(p)`, an argument of step"
            )
        _compare(twin, x, arguments)
        if thoroughly:
            _compare_for_other_numbers(cell)


def _compare_for_other_numbers(cell: Cell) -> None:
    with (lines := _Lines()):
        _random_step(cell, 4)
    for draw in _DRAWS:
        try:
            with _Lines(20 * lines.count + 1000):
                twin = _twin(cell, draw.parameters)
                _compare(twin, *_random_step(twin, 4, draw))
        except BatchError:
            raise
        except (Exception, _TooLongError):  # noqa: BLE001  (it may well not be made for such numbers)
            continue


def _compare(reading: Cell, x: Array, arguments: list[Array]) -> None:
    try:
        together = take_step(reading, x, arguments)
    except Exception as error:
        for b in range(len(x)):  # what fails alone, too, is no fault of the batch
            take_step(reading, x[b], [value[b] for value in arguments])
        raise CellError(
            f"{type(reading).__name__}.step takes one example and fails for a batch: {error}; {HINT}"
        ) from error
    for b in range(len(x)):
        refuse_mixing(reading, x, arguments, together, b)


def _twin(cell: Cell, factor: float) -> Cell:
    rng, own = np.random.default_rng(0), {**cell.parameters, **cell.frozen}
    return cell.reading({key: factor * (v + rng.normal(0.0, 0.1, v.shape)).astype(v.dtype) for key, v in own.items()})


class _TooLongError(BaseException):
    """A step that does not come to an end, as a loop until something is small may not for other parameters."""


class _Lines:
    """Counts the lines that are run outside of libraries, and ends what runs more than a number of them."""

    def __init__(self, most: int | None = None) -> None:
        self.count = 0
        self._most = most
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, value: Any) -> Any:  # noqa: ARG002
        return self._look if is_authors(frame) else None

    def _look(self, frame: FrameType, event: str, value: Any) -> Any:  # noqa: ARG002
        self.count += event == "line"
        if self._most is not None and self.count > self._most:
            raise _TooLongError
        return self._look


def unread_parameters(cell: Cell) -> list[str]:
    """The keys of the parameters without influence: nothing changes when they become NaN, and no state starts there."""
    x, arguments = _random_step(cell, 2)
    values = {**cell.parameters, **cell.frozen}
    starts = {part.start for part in cell.anatomy.states.values() if isinstance(part.start, str)}
    with np.errstate(all="ignore"):
        usual = take_step(cell.reading(), x, arguments)
        unread = []
        for key, value in ((key, value) for key, value in values.items() if key not in starts):
            other = take_step(cell.reading({**values, key: np.full_like(value, np.nan)}), x, arguments)
            if all(np.array_equal(other[what], usual[what], equal_nan=True) for what in usual):
                unread.append(key)
    return unread


def _random_step(cell: Cell, size: int, draw: _Draw | None = None) -> tuple[Array, list[Array]]:
    """An x (size, M), drawn at random and the same each time, and the arguments of `step` after it.

    The states are those that each example comes to alone after some steps, so that they are such as the step itself
    makes: a count is a count.
    """
    rng, part, steps = np.random.default_rng(0), cell.anatomy, 2 if draw is None else draw.steps
    x = rng.uniform(-1, 1, (steps + 1, size, cell.inputs))
    # Feeds are times and such: positive. Masks are at their mean, as they are outside of training, or are drawn.
    others = {n: rng.uniform(0.5, 1.5, (size, f.size)) for n, f in part.feeds.items()}
    masks = {n: np.full((size, m.size), m.mean) for n, m in part.noises.items()}
    if draw is not None:
        scale = draw.inputs * 2.0 ** np.arange(size)[:, None] / 2  # one example may outweigh all others
        x, others = x * scale, {n: value * scale for n, value in others.items()}
        masks = {n: m.one * (rng.random((size, m.size)) < m.p) for n, m in part.noises.items()}
    x, others = x.astype(cell.dtype), {n: value.astype(cell.dtype) for n, value in (others | masks).items()}
    examples = []
    for b in range(size):
        states = start_states(cell)
        for t in range(steps):
            given = {**states, **{n: value[b] for n, value in others.items()}}
            y = take_step(cell, x[t, b], [given[n] for n in part.arguments])
            states = {n: y[f"state {n!r}"] for n in states}
        examples.append(states)
    given = {n: np.stack([states[n] for states in examples]) for n in part.states} | others
    return x[-1], [given[n] for n in part.arguments]
