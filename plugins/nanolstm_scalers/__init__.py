"""The scalers that nanolstm ships: scikit-learn's, under short names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm import hookimpl

if TYPE_CHECKING:
    from nanolstm.hookspecs import RegisterMaker


@hookimpl
def nanolstm_register_scalers(register: RegisterMaker) -> None:
    """Register every scaler of this package."""
    from nanolstm_scalers.scalers import minmax, none, robust, standard

    register("standard", standard)
    register("minmax", minmax)
    register("robust", robust)
    register("none", none)
