"""What there is to choose from: a listing for each kind of thing that plugins register, and one of the plugins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from nanolstm import plugins
from nanolstm.cli.cells import cells
from nanolstm.cli.output import print_json, print_table
from nanolstm.errors import NanolstmError


def list_plugins(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List every plugin: where it is from, its hooks, what it registered, whether it is on, off or broken."""
    import attrs

    found = plugins.listing()
    if as_json:
        print_json([attrs.asdict(plugin) for plugin in found])
        return
    rows = []
    for p in found:
        registered = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in p.registered.items())
        hooks = ", ".join(hook.removeprefix("nanolstm_") for hook in p.hooks)
        status = p.status + (f": {p.reason}" if p.reason else "")
        rows.append((p.name, f"{p.distribution or ''} {p.version or ''}".strip(), status, hooks, registered))
    print_table(("plugin", "distribution", "status", "hooks", "registered"), rows)


def _listing(kind: Any, option: str) -> Callable[..., None]:
    """The command that lists what is registered of a kind."""

    def listing(
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    ) -> None:
        _print_listing(kind, as_json=as_json)

    listing.__doc__ = f"List the {kind} that {option}."
    return listing


LISTINGS: dict[str, Callable[..., None]] = {
    "plugins": list_plugins,
    "cells": cells,
    **{
        kind: _listing(kind, option)
        for kind, option in {
            "sources": "--source knows",
            "losses": "--loss knows",
            "optimizers": "--optimizer knows",
            "schedules": "--schedule knows",
            "scalers": "--scaler knows",
            "metrics": "nl.fit(metrics=) knows",
            "callbacks": "nl.fit(callbacks=) knows",
        }.items()
    },
}
"""By the names of their commands."""


def _about(kind: Any, name: str) -> str:
    """The first line of its docstring."""
    value = plugins.lookup(kind, name)[1].value
    found = getattr(value, "function", value)
    return ((found.__doc__ or "").strip().splitlines() or [""])[0]


def _print_listing(kind: Any, *, as_json: bool) -> None:
    rows = []
    for name in plugins.shared.registry(kind):
        owners = [entry.plugin for entry in plugins.shared.registry(kind).entries(name)]
        try:
            about = _about(kind, name)
        except NanolstmError as error:
            about = str(error)
        rows.append((name, " and ".join(owner.name for owner in owners), about))
    if as_json:
        print_json([{"name": name, "plugin": plugin, "about": about} for name, plugin, about in rows])
    else:
        print_table((kind, "plugin", "about"), rows)
