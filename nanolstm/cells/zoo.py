"""The table of the zoo, and its registration: a new cell is one word here."""

from __future__ import annotations

from nanolstm.hookspecs import RegisterCell, hookimpl

FAMILIES = {
    "toy": "ToyLSTM",
    "simple": "Elman ElmanReLU IRNN Jordan",
    "lstm": "LSTM LSTM1997 PeepholeLSTM ProjectedLSTM LSTMP CoupledLSTM",
    "lstm_variants": "LayerNormLSTM MultiplicativeLSTM PhasedLSTM",
    "odyssey": "VanillaLSTM NIG NFG NOG NIAF NOAF CIFG NP FGR",
    "gru": "GRU GRUv3 LiGRU LayerNormLiGRU UGRNN",
    "minimal": "MGU MGU1 MGU2 MGU3 JANET",
    "diagonal": "IndRNN SRU ProjectedSRU QRNN MinGRU MinLSTM",
    "complex_diagonal": "LRU HGRN",
    "exponential": "SLSTM MLSTM",
    "continuous": "LeakyIntegrator CoRNN LEM",
    "liquid": "LTC CfC CfCNoGate CfCPure",
    "legendre": "LMU IrregularLMU",
    "memory": "FastWeights DeltaNet",
    "echo": "EchoState",
}
"""The cells that stand in each module of `nanolstm.cells`."""

HOMES = {name: module for module, names in FAMILIES.items() for name in names.split()}
"""The module in which each cell stands."""


@hookimpl
def nanolstm_register_cells(register: RegisterCell) -> None:
    """Register every cell of the table, by name only: its module is imported when it is used."""
    for name, home in HOMES.items():
        register(name, f"nanolstm.cells.{home}:{name}")
