"""Can a model's output say what is to be forecast at all?"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
REMEDY = (
    "forecast changes, which do not outgrow their past (transform='log_return', or 'difference'), with an output that "
    "has no bounds (a linear readout)"
)
NOTEWORTHY = 0.05


@attrs.frozen
class Reach:
    """How many targets lie outside of a range.

    Attributes:
        outside: how many targets do.
        n: how many targets there are.
        what: the range, for the sentence.
    """

    outside: int
    n: int
    what: str

    @property
    def share(self) -> float:
        """The share of targets outside of the range; 0 where there are none."""
        return self.outside / self.n if self.n else 0.0

    @property
    def matters(self) -> bool:
        """Whether it is more than a twentieth of them."""
        return self.share > NOTEWORTHY

    def __str__(self) -> str:
        if not self.outside:
            return f"All {self.n:,} held-out targets lie within {self.what}."
        return (
            f"{100 * self.share:.{0 if self.share > 0.01 else 2}f} % of the {self.n:,} held-out targets lie outside of "
            f"{self.what}: no model whose output is bound to that can forecast them. Instead, {REMEDY}."
        )


def out_of_reach(targets: Any, low: float, high: float, *, what: str = "the output") -> Reach:
    """How many of the held-out `targets`, in the units of the output, an output between `low` and `high` cannot hold.

    The ends themselves are out of reach, as those of a sigmoid or a tanh are.

    ```python
    import nanolstm as nl

    prices = nl.load_data("sample")["Adj Close"].to_numpy()
    known, held_out = prices[:2616], prices[2616:]                         # 80 %, 20 %
    scaled = (held_out - known.min()) / (known.max() - known.min())        # min-max, fitted on what may be known
    reach = nl.out_of_reach(scaled, 0, 1, what="a sigmoid")
    assert (reach.outside, reach.n) == (618, 654)                          # 94 %
    assert "linear readout" in str(reach)
    ```

    Args:
        targets: numbers of any shape.
        low: the lower end of the range, or minus infinity.
        high: the upper end, or infinity.
        what: what has this range, for the sentence that `str` of the answer is.
    """
    given = np.asarray(targets, dtype=float)
    outside = int(((given <= low) | (given >= high)).sum())
    return Reach(outside, given.size, f"the range of {what}, {low:g} to {high:g} in scaled units")


def outgrown(train: Array, test: Array) -> Reach:
    """How many held-out targets lie beyond all those of the training part."""
    outside = int(((test < train.min()) | (test > train.max())).sum())
    return Reach(outside, test.size, "the range of those that were trained on")


def together(parts: list[Reach]) -> Reach:
    """Several counts as one."""
    return Reach(sum(part.outside for part in parts), sum(part.n for part in parts), parts[0].what)
