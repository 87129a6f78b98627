"""Tasks of remembering: what matters comes early, and is asked for late."""

from __future__ import annotations

import numpy as np

from nanolstm.data.request import SequenceData
from nanolstm_tasks.options import Rng, random_numbers, whole


def adding(*, n: int = 1000, length: int = 100, min_length: int | None = None, rng: Rng = 0) -> SequenceData:
    """Add the two marked numbers of a long sequence.

    Every step brings a number, uniform in [0, 1), and a mark, which is 1 at two steps (any two, drawn uniformly) and 0
    elsewhere. The target is the sum of the two marked numbers. Always answering 1 has a mean squared error of 1/6.

    Args:
        n: sequences, B.
        length: steps, T, at least 2.
        min_length: None for sequences of equal length; otherwise each length is uniform between this and `length`, and
            the steps beyond it are 0.
        rng: as in every task; 0 unless told, so that the same request gives the same data.

    Returns:
        x (B, T, 2), y (B, 1), and lengths (B,) if `min_length` is given.

    Source: Hochreiter & Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8), section 5.4, experiment 4;
    in the form of Le, Jaitly & Hinton (2015), arXiv:1504.00941, section 4.1.
    """
    n, length = whole("n", n, 1), whole("length", length, 2)
    draw = random_numbers(rng)
    lengths = np.full(n, length)
    if min_length is not None:
        lengths = np.arange(whole("min_length", min_length, 2, length), length + 1)
        lengths = draw.choice(lengths, size=n)

    valid = np.arange(length) < lengths[:, None]
    numbers = np.where(valid, draw.uniform(size=(n, length)), 0.0)
    # The two smallest of equally distributed numbers are at two steps drawn uniformly, without repetition.
    order = np.where(valid, draw.uniform(size=(n, length)), np.inf)
    marked = np.argsort(order, axis=1)[:, :2]
    marks = np.zeros((n, length))
    np.put_along_axis(marks, marked, 1.0, axis=1)
    y = np.take_along_axis(numbers, marked, axis=1).sum(axis=1, keepdims=True)
    return SequenceData(
        x=np.stack([numbers, marks], axis=2), y=y, lengths=None if min_length is None else lengths.astype(np.int64)
    )


def copy(*, n: int = 1000, delay: int = 100, items: int = 10, symbols: int = 8, rng: Rng = 0) -> SequenceData:
    """Repeat a few symbols after a long delay.

    The input is `items` symbols, `delay - 1` blanks, a delimiter, and `items` blanks; the target is `delay + items`
    blanks and then the symbols in their order. With S = `symbols`, class S is the blank, and S + 1 the delimiter, which
    is never a target. Without memory the best cross-entropy is `items * log(S) / (delay + 2 * items)`.

    Args:
        n: sequences, B.
        delay: steps between the last symbol and the first answer; the paper's T.
        items: symbols to remember; 10 in the paper.
        symbols: kinds of symbols, S; 8 in the paper.
        rng: as in every task; 0 unless told, so that the same request gives the same data.

    Returns:
        x (B, T, S + 2), one-hot, and y (B, T), classes 0 to S; T = `delay + 2 * items`.

    Source: Arjovsky, Shah & Bengio (2016), Unitary Evolution Recurrent Neural Networks, ICML, section 5.1; after
    Hochreiter & Schmidhuber (1997).
    """
    n, delay = whole("n", n, 1), whole("delay", delay, 1)
    items, symbols = whole("items", items, 1), whole("symbols", symbols, 1)
    blank, delimiter = symbols, symbols + 1
    drawn = random_numbers(rng).choice(symbols, size=(n, items))
    shown = np.full((n, delay + 2 * items), blank)
    shown[:, :items] = drawn
    shown[:, items + delay - 1] = delimiter
    y = np.full((n, delay + 2 * items), blank)
    y[:, -items:] = drawn
    return SequenceData(x=np.eye(symbols + 2)[shown], y=y)


def temporal_order(*, n: int = 1000, length: int = 100, relevant: int = 2, rng: Rng = 0) -> SequenceData:
    """Tell in which order the few symbols that matter came.

    A sequence begins with E, ends with B, and is otherwise of the distractors a, b, c, d, except for `relevant` symbols
    that are X or Y, drawn with equal chance. Its class is their order, read as a binary number with X = 0 and Y = 1:
    XX, XY, YX, YY are 0 to 3. The inputs are in the order a, b, c, d, X, Y, E, B.

    Args:
        n: sequences, B.
        length: the shortest sequence's steps, at least 10; 100 in the paper. Each length is uniform between this and a
            tenth more. In hundredths of `length`, the symbols that matter stand at a step (counted from 0) that is
            uniform within 10-20 and 50-60; if they are three, within 10-20, 33-43 and 66-76.
        relevant: 2 (experiment 6a, 4 classes) or 3 (experiment 6b, 8 classes).
        rng: as in every task; 0 unless told, so that the same request gives the same data.

    Returns:
        x (B, T, 8), one-hot and 0 beyond a sequence's end, T = `length + length // 10`; y (B,), classes; lengths (B,).

    Source: Hochreiter & Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8), section 5.6, experiments
    6a and 6b.
    """
    n, length, relevant = whole("n", n, 1), whole("length", length, 10), whole("relevant", relevant, 2, 3)
    draw = random_numbers(rng)
    longest = length + length // 10
    x, y, begin, end = 4, 5, 6, 7
    lengths = draw.choice(np.arange(length, longest + 1), size=n)
    shown = draw.choice(4, size=(n, longest))
    shown[:, 0] = begin
    shown[np.arange(n), lengths - 1] = end
    classes = np.zeros(n, dtype=np.int64)
    for first, last in ((10, 20), (50, 60)) if relevant == 2 else ((10, 20), (33, 43), (66, 76)):
        step = draw.choice(np.arange(first * length // 100, last * length // 100 + 1), size=n)
        is_y = draw.choice(2, size=n)
        shown[np.arange(n), step] = np.where(is_y, y, x)
        classes = 2 * classes + is_y
    valid = np.arange(longest) < lengths[:, None]
    return SequenceData(x=np.eye(8)[shown] * valid[:, :, None], y=classes, lengths=lengths.astype(np.int64))
