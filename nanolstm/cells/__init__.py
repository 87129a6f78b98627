"""The zoo: each cell under the name of its paper, one family a file; `catalogue()` lists all that are registered."""

from typing import TYPE_CHECKING

from nanolstm.cells.zoo import HOMES
from nanolstm.lazy import offer

if TYPE_CHECKING:
    from nanolstm.cells.complex_diagonal import HGRN as HGRN
    from nanolstm.cells.complex_diagonal import LRU as LRU
    from nanolstm.cells.continuous import LEM as LEM
    from nanolstm.cells.continuous import CoRNN as CoRNN
    from nanolstm.cells.continuous import LeakyIntegrator as LeakyIntegrator
    from nanolstm.cells.diagonal import QRNN as QRNN
    from nanolstm.cells.diagonal import SRU as SRU
    from nanolstm.cells.diagonal import IndRNN as IndRNN
    from nanolstm.cells.diagonal import MinGRU as MinGRU
    from nanolstm.cells.diagonal import MinLSTM as MinLSTM
    from nanolstm.cells.diagonal import ProjectedSRU as ProjectedSRU
    from nanolstm.cells.echo import EchoState as EchoState
    from nanolstm.cells.exponential import MLSTM as MLSTM
    from nanolstm.cells.exponential import SLSTM as SLSTM
    from nanolstm.cells.gru import GRU as GRU
    from nanolstm.cells.gru import UGRNN as UGRNN
    from nanolstm.cells.gru import GRUv3 as GRUv3
    from nanolstm.cells.gru import LayerNormLiGRU as LayerNormLiGRU
    from nanolstm.cells.gru import LiGRU as LiGRU
    from nanolstm.cells.legendre import LMU as LMU
    from nanolstm.cells.legendre import IrregularLMU as IrregularLMU
    from nanolstm.cells.liquid import LTC as LTC
    from nanolstm.cells.liquid import CfC as CfC
    from nanolstm.cells.liquid import CfCNoGate as CfCNoGate
    from nanolstm.cells.liquid import CfCPure as CfCPure
    from nanolstm.cells.listing import catalogue as catalogue
    from nanolstm.cells.lstm import LSTM as LSTM
    from nanolstm.cells.lstm import LSTM1997 as LSTM1997
    from nanolstm.cells.lstm import LSTMP as LSTMP
    from nanolstm.cells.lstm import CoupledLSTM as CoupledLSTM
    from nanolstm.cells.lstm import PeepholeLSTM as PeepholeLSTM
    from nanolstm.cells.lstm import ProjectedLSTM as ProjectedLSTM
    from nanolstm.cells.lstm_variants import LayerNormLSTM as LayerNormLSTM
    from nanolstm.cells.lstm_variants import MultiplicativeLSTM as MultiplicativeLSTM
    from nanolstm.cells.lstm_variants import PhasedLSTM as PhasedLSTM
    from nanolstm.cells.memory import DeltaNet as DeltaNet
    from nanolstm.cells.memory import FastWeights as FastWeights
    from nanolstm.cells.minimal import JANET as JANET
    from nanolstm.cells.minimal import MGU as MGU
    from nanolstm.cells.minimal import MGU1 as MGU1
    from nanolstm.cells.minimal import MGU2 as MGU2
    from nanolstm.cells.minimal import MGU3 as MGU3
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

__getattr__, __dir__ = offer(__name__, {**HOMES, "catalogue": "listing"})
