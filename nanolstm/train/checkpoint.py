"""Where a training is kept, and how often."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import attrs

from nanolstm.errors import InputError
from nanolstm.train.state import State


def _path(given: Any) -> Any:
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise InputError(
            f"checkpoint={given!r}: expected the path of a file, or nl.Checkpoint(path, every_epochs=, every_seconds=)"
        )
    return Path(given)


def _count(_: Any, field: Any, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InputError(f"Checkpoint({field.name}={value!r}): expected a number of epochs from 1 on, or None")


def _seconds(_: Any, field: Any, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value < math.inf):
        raise InputError(f"Checkpoint({field.name}={value!r}): expected a number of seconds above 0, or None")


@attrs.frozen
class Checkpoint:
    """A file that a training is written to while it goes on, so that another one can go on from there.

    ```python
    import numpy as np
    import nanolstm as nl

    x = np.random.default_rng(0).uniform(size=(40, 20, 2))
    target = np.cumsum(x, axis=1)[..., :1] / 10
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0), readout=1)
    nl.fit(model, (x, target), epochs=20, rng=0, checkpoint=nl.Checkpoint("run.ckpt", every_epochs=5), resume=True)
    ```

    Args:
        path: of the file; its folder must be there. It is replaced when the new one is complete and on the disk.
        every_epochs: write after so many epochs.
        every_seconds: write when so many seconds have gone by, at the end of a step (with L-BFGS, of an iteration).
            With both, whatever comes first; with neither, every 30 seconds.

    Raises:
        InputError: an argument that is none of the above.
    """

    path: Path = attrs.field(converter=_path)
    every_epochs: int | None = attrs.field(default=None, kw_only=True, validator=_count)
    every_seconds: float | None = attrs.field(default=None, kw_only=True, validator=_seconds)

    @property
    def seconds(self) -> float:
        """The longest time between two files, whatever the epochs; infinity where only epochs count."""
        if self.every_seconds is None:
            return 30.0 if self.every_epochs is None else math.inf
        return self.every_seconds

    def state(self) -> State:
        """What the file holds of the training, for `resume=` of one with other options.

        Nothing is compared but the parameters' names and shapes and the kind of optimizer: a training that goes on
        from it may have another learning rate, other data, and it trains on if the one of the file was over.

        Raises:
            StoreError: as `resume=path` of [`fit`][nanolstm.fit].
        """
        from nanolstm.train.file import read

        return read(self.path).state


def checkpoint(given: Any) -> Checkpoint | None:
    """What `checkpoint=` asks for.

    Raises:
        InputError: neither a path nor a `Checkpoint`.
    """
    return given if given is None or isinstance(given, Checkpoint) else Checkpoint(given)
