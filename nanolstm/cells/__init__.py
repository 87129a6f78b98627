"""The zoo: each cell under the name of its paper, one family a file."""

from typing import TYPE_CHECKING

from nanolstm.cells.zoo import HOMES
from nanolstm.lazy import offer

if TYPE_CHECKING:
    from nanolstm.cells.continuous import LEM as LEM
    from nanolstm.cells.continuous import CoRNN as CoRNN
    from nanolstm.cells.continuous import LeakyIntegrator as LeakyIntegrator
    from nanolstm.cells.legendre import LMU as LMU
    from nanolstm.cells.legendre import IrregularLMU as IrregularLMU
    from nanolstm.cells.liquid import LTC as LTC
    from nanolstm.cells.liquid import CfC as CfC
    from nanolstm.cells.liquid import CfCNoGate as CfCNoGate
    from nanolstm.cells.liquid import CfCPure as CfCPure
    from nanolstm.cells.lstm import LSTM as LSTM
    from nanolstm.cells.toy import ToyLSTM as ToyLSTM

__getattr__, __dir__ = offer(__name__, HOMES)
