"""The table of the zoo, and its registration: a new cell is one line here."""

from __future__ import annotations

from nanolstm.hookspecs import RegisterCell, hookimpl

HOMES = {
    "ToyLSTM": "toy",
    "Elman": "simple",
    "ElmanReLU": "simple",
    "IRNN": "simple",
    "Jordan": "simple",
    "LSTM": "lstm",
    "LSTM1997": "lstm",
    "PeepholeLSTM": "lstm",
    "ProjectedLSTM": "lstm",
    "LSTMP": "lstm",
    "CoupledLSTM": "lstm",
    "LayerNormLSTM": "lstm_variants",
    "MultiplicativeLSTM": "lstm_variants",
    "PhasedLSTM": "lstm_variants",
    "VanillaLSTM": "odyssey",
    "NIG": "odyssey",
    "NFG": "odyssey",
    "NOG": "odyssey",
    "NIAF": "odyssey",
    "NOAF": "odyssey",
    "CIFG": "odyssey",
    "NP": "odyssey",
    "FGR": "odyssey",
    "GRU": "gru",
    "GRUv3": "gru",
    "LiGRU": "gru",
    "LayerNormLiGRU": "gru",
    "UGRNN": "gru",
    "MGU": "minimal",
    "MGU1": "minimal",
    "MGU2": "minimal",
    "MGU3": "minimal",
    "JANET": "minimal",
    "IndRNN": "diagonal",
    "SRU": "diagonal",
    "ProjectedSRU": "diagonal",
    "QRNN": "diagonal",
    "MinGRU": "diagonal",
    "MinLSTM": "diagonal",
    "LRU": "complex_diagonal",
    "HGRN": "complex_diagonal",
}
"""The module of `nanolstm.cells` in which each cell stands."""


@hookimpl
def nanolstm_register_cells(register: RegisterCell) -> None:
    """Register every cell of the table, by name only: its module is imported when it is used."""
    for name, home in HOMES.items():
        register(name, f"nanolstm.cells.{home}:{name}")
