"""Which cells are told apart by their scores over seeds, and which are not."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

LEVEL = 0.05
"""Below this chance a difference is said to lie beyond the spread over seeds."""


def chances(first: Sequence[float], others: Sequence[Sequence[float]]) -> list[float]:
    """How likely scores so different from the first's are by chance alone, for each of the others.

    By a two-sided Mann-Whitney test, which looks at the order of the scores only; exact for a few seeds without equal
    scores. Corrected by Holm's method for how many others there are. NaN where there are no scores.

    Source: Mann & Whitney (1947), Annals of Mathematical Statistics 18; Holm (1979), Scandinavian Journal of Statistics
    6.
    """
    from scipy.stats import mannwhitneyu

    found = [float(mannwhitneyu(first, other).pvalue) if first and other else np.nan for other in others]
    order = [i for i in np.argsort(found) if np.isfinite(found[i])]
    corrected, largest = [np.nan] * len(found), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * found[i]))
        corrected[i] = largest
    return corrected


def smallest_chance(seeds: int, others: int) -> float:
    """What `chances` answers with where every seed of the first is better than every one of the others."""
    return min(1.0, others * 2 / comb(2 * seeds, seeds))
