"""The zoo: each cell under the name of its paper, one family a file."""

from typing import TYPE_CHECKING

from nanolstm.cells.zoo import HOMES
from nanolstm.lazy import offer

if TYPE_CHECKING:
    from nanolstm.cells.lstm import LSTM as LSTM
    from nanolstm.cells.lstm import LSTM1997 as LSTM1997
    from nanolstm.cells.lstm import LSTMP as LSTMP
    from nanolstm.cells.lstm import CoupledLSTM as CoupledLSTM
    from nanolstm.cells.lstm import PeepholeLSTM as PeepholeLSTM
    from nanolstm.cells.lstm import ProjectedLSTM as ProjectedLSTM
    from nanolstm.cells.lstm_variants import LayerNormLSTM as LayerNormLSTM
    from nanolstm.cells.lstm_variants import MultiplicativeLSTM as MultiplicativeLSTM
    from nanolstm.cells.lstm_variants import PhasedLSTM as PhasedLSTM
    from nanolstm.cells.odyssey import CIFG as CIFG
    from nanolstm.cells.odyssey import FGR as FGR
    from nanolstm.cells.odyssey import NFG as NFG
    from nanolstm.cells.odyssey import NIAF as NIAF
    from nanolstm.cells.odyssey import NIG as NIG
    from nanolstm.cells.odyssey import NOAF as NOAF
    from nanolstm.cells.odyssey import NOG as NOG
    from nanolstm.cells.odyssey import NP as NP
    from nanolstm.cells.odyssey import VanillaLSTM as VanillaLSTM
    from nanolstm.cells.simple import IRNN as IRNN
    from nanolstm.cells.simple import Elman as Elman
    from nanolstm.cells.simple import ElmanReLU as ElmanReLU
    from nanolstm.cells.simple import Jordan as Jordan
    from nanolstm.cells.toy import ToyLSTM as ToyLSTM

__getattr__, __dir__ = offer(__name__, HOMES)
