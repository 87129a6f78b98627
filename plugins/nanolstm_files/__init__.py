"""The data source `files`: CSV and Parquet files on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm import hookimpl

if TYPE_CHECKING:
    from nanolstm.hookspecs import RegisterSource


@hookimpl
def nanolstm_register_sources(register: RegisterSource) -> None:
    """Register `files`."""
    from nanolstm_files.source import load

    register("files", load)
