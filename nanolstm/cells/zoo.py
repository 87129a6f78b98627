"""The table of the zoo, and its registration: a new cell is one line here."""

from __future__ import annotations

from nanolstm.hookspecs import RegisterCell, hookimpl

HOMES = {
    "CfC": "liquid",
    "CfCNoGate": "liquid",
    "CfCPure": "liquid",
    "CoRNN": "continuous",
    "IrregularLMU": "legendre",
    "LEM": "continuous",
    "LMU": "legendre",
    "LSTM": "lstm",
    "LTC": "liquid",
    "LeakyIntegrator": "continuous",
    "ToyLSTM": "toy",
}
"""The module of `nanolstm.cells` in which each cell stands."""


@hookimpl
def nanolstm_register_cells(register: RegisterCell) -> None:
    """Register every cell of the table, by name only: its module is imported when it is used."""
    for name, home in HOMES.items():
        register(name, f"nanolstm.cells.{home}:{name}")
