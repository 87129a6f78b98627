"""A recurrent module of PyTorch with a linear layer on its output; imported only where PyTorch is there."""

from __future__ import annotations

from typing import Any

import torch


class WithReadout(torch.nn.Module):
    """What [`to_torch`][nanolstm.Sequence.to_torch] makes of a model that has a readout.

    It is called as the recurrent module is, and answers as that does, (y, last states), y being the readout's.

    Attributes:
        rnn: the recurrent module.
        readout: a `torch.nn.Linear`.
    """

    def __init__(self, rnn: Any, readout: Any) -> None:
        super().__init__()
        self.rnn = rnn
        self.readout = readout

    def forward(self, x: Any, initial: Any = None) -> tuple[Any, Any]:
        """Run over `x`, packed or not, from the states `initial` on."""
        y, last = self.rnn(x, initial)
        if isinstance(y, torch.nn.utils.rnn.PackedSequence):
            return y._replace(data=self.readout(y.data)), last
        return self.readout(y), last
