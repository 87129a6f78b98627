"""The zoo: each cell under the name of its paper, one family a file."""

from typing import TYPE_CHECKING

from nanolstm.cells.zoo import HOMES
from nanolstm.lazy import offer

if TYPE_CHECKING:
    from nanolstm.cells.echo import EchoState as EchoState
    from nanolstm.cells.exponential import MLSTM as MLSTM
    from nanolstm.cells.exponential import SLSTM as SLSTM
    from nanolstm.cells.lstm import LSTM as LSTM
    from nanolstm.cells.memory import DeltaNet as DeltaNet
    from nanolstm.cells.memory import FastWeights as FastWeights
    from nanolstm.cells.toy import ToyLSTM as ToyLSTM

__getattr__, __dir__ = offer(__name__, HOMES)
