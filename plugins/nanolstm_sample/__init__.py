"""The data source `sample`: a real daily series that is shipped, for examples and tests without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm import hookimpl

if TYPE_CHECKING:
    from nanolstm.hookspecs import RegisterSource


@hookimpl
def nanolstm_register_sources(register: RegisterSource) -> None:
    """Register `sample`."""
    from nanolstm_sample.source import load

    register("sample", load)
