"""The zoo: each cell under the name of its paper, one family a file; `catalogue()` lists all that are registered."""

from typing import TYPE_CHECKING

from nanolstm.cells.zoo import HOMES
from nanolstm.lazy import offer

if TYPE_CHECKING:
    from nanolstm.cells.listing import catalogue as catalogue
    from nanolstm.cells.lstm import LSTM as LSTM
    from nanolstm.cells.toy import ToyLSTM as ToyLSTM

__getattr__, __dir__ = offer(__name__, {**HOMES, "catalogue": "listing"})
