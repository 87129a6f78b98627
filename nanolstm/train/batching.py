"""In which pieces the data is trained on, and in which order: the words that `batching=` knows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, ClassVar

import attrs
import numpy as np

from nanolstm.errors import InputError, UnknownNameError, nearest
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource
from nanolstm.naming import check_parameters, parse_name
from nanolstm.train.examples import Examples, Piece


@attrs.frozen
class Ordered:
    """Whole sequences, in the order in which they are given.

    Attributes:
        over_time: whether it cuts the time steps and not the examples, which is then how validation data is split off.
        carries: whether a piece goes on from the states at which the one before ended.
    """

    over_time: ClassVar[bool] = False
    carries: ClassVar[bool] = False

    def draws(self, examples: Examples, size: int) -> bool:
        """Whether each epoch has an order of its own."""
        return False

    def plan(self, examples: Examples, size: int, rng: RandomSource) -> list[Piece]:
        """The pieces of one epoch, `size` sequences in each."""
        return list(self.in_order(examples, size))

    def in_order(self, examples: Examples, size: int) -> Iterator[Piece]:
        """All pieces in an order that is always the same, for scores."""
        for rows in _slices(examples.count, size):
            yield Piece(rows, 0, examples.longest(rows))


@attrs.frozen
class Shuffled(Ordered):
    """Whole sequences, in another order in each epoch."""

    def draws(self, examples: Examples, size: int) -> bool:
        """Unless one batch holds all."""
        return examples.count > size

    def plan(self, examples: Examples, size: int, rng: RandomSource) -> list[Piece]:
        """As `Ordered`, of shuffled sequences."""
        if not self.draws(examples, size):
            return list(self.in_order(examples, size))
        return _of(examples, rng.permutation(examples.count), size)


@attrs.frozen
class Bucketed(Shuffled):
    """Whole sequences, those of like length together, in another order in each epoch: padding costs little then."""

    def plan(self, examples: Examples, size: int, rng: RandomSource) -> list[Piece]:
        """As `Shuffled`; which of equally long sequences come together is drawn, and so is the order of batches."""
        pieces = _of(examples, np.lexsort((rng.random(examples.count), examples.ends)), size)
        return [pieces[i] for i in rng.permutation(len(pieces))]


@attrs.frozen
class Windows(Ordered):
    """Windows of long series, shuffled, each from the first state on: every `stride` steps one of `length` steps."""

    over_time: ClassVar[bool] = True
    length: int
    stride: int = 1

    def draws(self, examples: Examples, size: int) -> bool:
        """Always."""
        return True

    def plan(self, examples: Examples, size: int, rng: RandomSource) -> list[Piece]:
        """`size` windows in each piece."""
        rows, begins = self._all(examples)
        order = rng.permutation(len(rows))
        return [Piece(rows[order[some]], begins[order[some]], self.length) for some in _slices(len(rows), size)]

    def in_order(self, examples: Examples, size: int) -> Iterator[Piece]:
        """All windows."""
        rows, begins = self._all(examples)
        for some in _slices(len(rows), size):
            yield Piece(rows[some], begins[some], self.length)

    def _all(self, examples: Examples) -> tuple[Array, Array]:
        begins = [np.arange(0, end - self.length + 1, self.stride) for end in examples.ends]
        for row, own in enumerate(begins):
            if not len(own):
                raise InputError(
                    f"batching: windows of {self.length} steps do not fit into series {row}, which has "
                    f"{examples.ends[row]}"
                )
        return np.repeat(np.arange(examples.count), [len(own) for own in begins]), np.concatenate(begins)


@attrs.frozen
class Stateful(Ordered):
    """Long series, `length` steps after the other: the state is carried on, and no gradient goes from one to the next.

    The first piece of an epoch begins from the first state.
    """

    over_time: ClassVar[bool] = True
    carries: ClassVar[bool] = True
    length: int

    def plan(self, examples: Examples, size: int, rng: RandomSource) -> list[Piece]:
        """All pieces of `size` series, then those of the next."""
        if examples.lengths is not None:
            raise InputError(
                f"batching: stateful training takes series of one length; these have {examples.lengths.min()} to "
                f"{examples.lengths.max()} steps"
            )
        begins = range(0, examples.time, self.length)
        return [
            Piece(rows, begin, min(self.length, examples.time - begin), fresh=begin == 0)
            for rows in _slices(examples.count, size)
            for begin in begins
        ]


BATCHINGS: dict[str, type[Ordered]] = {
    "shuffled": Shuffled,
    "ordered": Ordered,
    "bucketed": Bucketed,
    "windows": Windows,
    "stateful": Stateful,
}


def batching(text: Any) -> Ordered:
    """What `"shuffled"`, `"windows(length=64)"` and so on mean.

    Raises:
        InputError: no such text, or a length that is no number of steps.
        UnknownNameError: another word; the nearest is suggested.
    """
    if not isinstance(text, str):
        raise InputError(f"batching={text!r}: expected one of {', '.join(BATCHINGS)}")
    name, parameters = parse_name(text)
    if name not in BATCHINGS:
        raise UnknownNameError(f"no batching {name!r}; {nearest(name, BATCHINGS)}")
    check_parameters("batching", name, inspect.signature(BATCHINGS[name]).parameters.values(), parameters)
    for key, value in parameters.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"batching={text!r}: {key} is {value!r}; expected a number of time steps from 1 on")
    return BATCHINGS[name](**parameters)


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(begin, min(begin + size, count)) for begin in range(0, count, size))


def _of(examples: Examples, order: Array, size: int) -> list[Piece]:
    batches = [order[some] for some in _slices(len(order), size)]
    return [Piece(rows, 0, examples.longest(rows)) for rows in batches]
