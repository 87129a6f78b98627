"""The data source `tasks`: the standard synthetic tests for recurrent cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm import hookimpl

if TYPE_CHECKING:
    from nanolstm.hookspecs import RegisterSource


@hookimpl
def nanolstm_register_sources(register: RegisterSource) -> None:
    """Register `tasks`."""
    from nanolstm_tasks.source import load

    register("tasks", load)
