"""What a training is asked to do."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs

from nanolstm.gradient.model import Scored
from nanolstm.language.initialisers import RandomSource
from nanolstm.losses import Loss
from nanolstm.train.batching import Ordered
from nanolstm.train.callbacks import Listeners
from nanolstm.train.checkpoint import Checkpoint
from nanolstm.train.clipping import Clip
from nanolstm.train.examples import Examples
from nanolstm.train.identity import Identity, identity_of
from nanolstm.train.optimizer import Optimizer
from nanolstm.train.scoring import Held

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence


@attrs.frozen(eq=False, kw_only=True)
class Plan:
    """The arguments of [`fit`][nanolstm.fit], checked, and names made into what they stand for."""

    model: Sequence
    examples: Examples
    held: Held | None
    loss: Loss
    metrics: tuple[Loss, ...]
    optimizer: Optimizer
    schedule: Any
    clip: Clip | None
    batching: Ordered
    batch_size: int
    epochs: int
    patience: int | None
    truncate: int | None
    steps: Scored
    rng: RandomSource
    progress: bool
    listeners: Listeners
    checkpoint: Checkpoint | None

    @property
    def watched(self) -> str:
        """The loss that says which epoch is the best, in words."""
        return "loss" if self.held is None else "validation loss"

    @cached_property
    def identity(self) -> Identity:
        """Everything that decides which bits come out, in words; to be asked for before the training begins."""
        return identity_of(self)
