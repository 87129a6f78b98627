"""What plugins registered: by kind, by name, and by whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeVar

import attrs

from nanolstm.errors import PluginError, UnknownNameError, nearest

T = TypeVar("T")


@attrs.define(kw_only=True)
class Plugin:
    """What is known of one plugin.

    Attributes:
        name: the name of its entry point, or of its module.
        distribution: the installed distribution that it is from; None for a module given by hand.
        version: that distribution's version.
        status: `"on"`, `"off"` (switched off) or `"broken"`.
        reason: why it is broken.
        hooks: the hooks that it implements.
        registered: the names that it registered, by kind.
        seconds: how long its import took.
    """

    name: str
    distribution: str | None = None
    version: str | None = None
    status: Literal["on", "off", "broken"] = "on"
    reason: str | None = None
    hooks: list[str] = attrs.field(factory=list)
    registered: dict[str, list[str]] = attrs.field(factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.name!r} ({self.distribution} {self.version})" if self.distribution else repr(self.name)


@attrs.frozen
class Entry(Generic[T]):
    """One registration: who registered what."""

    plugin: Plugin
    value: T


@attrs.frozen
class LossEntry:
    """A loss as it was registered; see `nanolstm.hookspecs.RegisterLoss`."""

    function: Callable[..., Any]
    columns: int | Callable[..., int]
    classes: bool
    in_target_units: bool
    higher_is_better: bool


class Registry(Generic[T]):
    """What plugins registered of one kind (sources, losses, optimizers, cells, ...), by name.

    Attributes:
        changes: how often something was registered or forgotten: as long as it stands, names mean what they meant.
    """

    def __init__(self, kind: str, plugins: Mapping[str, Plugin]) -> None:
        """An empty registry of `kind`, a plural, beside `plugins`, which errors speak of."""
        self.kind = kind
        self._plugins = plugins
        self._entries: dict[str, list[Entry[T]]] = {}
        self.changes = 0

    def add(self, plugin: Plugin, name: str, value: T) -> None:
        """Enter `value` under `name` for `plugin`.

        Raises:
            PluginError: a name that could not be asked for.
        """
        if not isinstance(name, str) or not re.fullmatch(r"[^\s():]+", name):
            raise PluginError(
                f"{name!r} cannot be a name of one of the {self.kind}: a name is text without spaces, "
                "brackets and colons"
            )
        if not callable(getattr(value, "function", value)) and not (self.kind == "cells" and isinstance(value, str)):
            raise PluginError(f"{name!r} is registered among the {self.kind} as {value!r}, which cannot be called")
        self.changes += 1
        self._entries.setdefault(name, []).append(Entry(plugin, value))
        plugin.registered.setdefault(self.kind, []).append(name)

    def discard(self, plugin: Plugin) -> None:
        """Forget what `plugin` registered."""
        self.changes += 1
        left = {name: [e for e in entries if e.plugin is not plugin] for name, entries in self._entries.items()}
        self._entries = {name: entries for name, entries in left.items() if entries}
        plugin.registered.pop(self.kind, None)

    def __getitem__(self, name: str) -> Entry[T]:
        """The one entry under `name`.

        Raises:
            UnknownNameError: there is none; the nearest is suggested, and plugins that are off or broken are named.
            PluginError: two plugins registered it; both are named.
        """
        entries = self._entries.get(name, [])
        if not entries:
            missing = [f"{p} is {p.status}" for p in self._plugins.values() if p.status != "on"]
            note = f" (plugin {'; plugin '.join(missing)})" if missing else ""
            raise UnknownNameError(
                f"no {singular(self.kind)} {name!r}; {nearest(name, self._entries, 'registered')}{note}"
            )
        if len(entries) > 1:
            first, second = entries[0].plugin, entries[1].plugin
            raise PluginError(
                f"{name!r} is registered twice among the {self.kind}, by plugin {first} and by plugin {second}; switch "
                f"one off: -p no:{second.name}, or NANOLSTM_DISABLE_PLUGINS={second.name}"
            )
        return entries[0]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def entries(self, name: str) -> list[Entry[T]]:
        """Everything under `name`, clashes included."""
        return list(self._entries.get(name, []))


def registrar(registry: Registry[Any], plugin: Plugin) -> Callable[..., None]:
    """The function that `plugin` is handed to fill `registry` with; see `nanolstm.hookspecs` for the three forms."""

    def register(name: str, value: Any, /) -> None:
        registry.add(plugin, name, value)

    def register_loss(
        name: str,
        function: Any,
        /,
        *,
        columns: int | Callable[..., int] = 1,
        classes: bool = False,
        in_target_units: bool = True,
        higher_is_better: bool = False,
    ) -> None:
        if not callable(columns) and (not isinstance(columns, int) or columns < 1):
            raise PluginError(
                f"{singular(registry.kind)} {name!r} is registered with columns={columns!r}; expected an int from 1 "
                "on, or a function"
            )
        registry.add(plugin, name, LossEntry(function, columns, classes, in_target_units, higher_is_better))

    return register_loss if registry.kind in ("losses", "metrics") else register


def singular(kind: str) -> str:
    """One of a kind: "loss", "source"."""
    return kind.removesuffix("es") if kind == "losses" else kind.removesuffix("s")
