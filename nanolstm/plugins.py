"""Plugins: found, loaded and called one by one, so that a broken one is named and the rest goes on.

pluggy does the hooks; its own entry-point loop would stop at the first plugin that raises, so the loop is ours. Nothing
is loaded before it is asked for.

Environment:
    NANOLSTM_DISABLE_PLUGINS: names, separated by commas, of plugins to leave out, ours too.
    NANOLSTM_STRICT_PLUGINS: set to 1, a broken plugin is an error instead of a warning.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, get_args

import attrs
import pluggy

from nanolstm import hookspecs
from nanolstm.errors import InputError, PluginError, PluginWarning, UnknownNameError, nearest, one_line
from nanolstm.naming import check_parameters, parse_name
from nanolstm.registry import Entry, Plugin, Registry, registrar, singular

T = TypeVar("T")
P = ParamSpec("P")
Kind: TypeAlias = Literal["sources", "losses", "metrics", "scalers", "optimizers", "schedules", "callbacks", "cells"]


def _locked(method: Callable[P, T]) -> Callable[P, T]:
    """Let one thread at a time into a method of the house: another would meet a registry that is half filled."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with args[0]._lock:  # type: ignore[attr-defined]
            return method(*args, **kwargs)

    return call


@attrs.define(eq=False)
class _Contents:
    """What a house holds. It is replaced as a whole, so that an interrupted load leaves no part of itself behind.

    Attributes:
        manager: pluggy's, which knows the hooks of every plugin.
        plugins: by name, also those that are off or broken.
        modules: by the name of their plugin.
        causes: why a plugin is broken, by its name.
        registries: by kind, each filled by every plugin that is loaded.
        filling: those that plugins are filling right now.
    """

    manager: pluggy.PluginManager
    plugins: dict[str, Plugin] = attrs.field(factory=dict)
    modules: dict[str, Any] = attrs.field(factory=dict)
    causes: dict[str, BaseException] = attrs.field(factory=dict)
    registries: dict[str, Registry[Any]] = attrs.field(factory=dict)
    filling: dict[str, Registry[Any]] = attrs.field(factory=dict)

    def all_registries(self) -> list[Registry[Any]]:
        """Those that are filled and those that are being filled."""
        return [*self.registries.values(), *self.filling.values()]


def _without_plugins(own: Iterable[tuple[str, Any]] = ()) -> _Contents:
    """Contents that know every hook, and nanolstm's `own` implementations of some by name."""
    manager = pluggy.PluginManager("nanolstm")
    manager.add_hookspecs(hookspecs)
    for name, implementation in own:
        manager.register(implementation, name)
    return _Contents(manager)


class PluginHouse:
    """All plugins of one process. The functions of this module speak to the one that everybody shares."""

    def __init__(self, *, disabled: Iterable[str] = (), strict: bool = False, discover: bool = True) -> None:
        """`discover=False` leaves out what is installed; `disabled` and `strict` as in the environment variables."""
        self._disabled = set(disabled)
        self._strict = strict
        self._discover = discover
        self._loading = False
        self._lock = threading.RLock()  # a plugin may come back to us while it loads
        self._fatal: PluginError | None = None
        self._contents = _without_plugins()

    @property
    def plugins(self) -> dict[str, Plugin]:
        """Every plugin by name, also those that are off or broken; empty before they are loaded."""
        return self._contents.plugins

    @property
    def hook(self) -> Any:
        """The hook callers of pluggy, all plugins loaded."""
        self.load()
        return self._contents.manager.hook

    @_locked
    def disable(self, *names: str) -> None:
        """Leave plugins out; those that are loaded already are taken out again."""
        self._disabled.update(names)
        for name in names:
            if name in self.plugins:
                self.plugins[name].status = "off"
                self._withdraw(self.plugins[name])

    @_locked
    def load(self) -> None:
        """Load every installed plugin, once. What stops that (Ctrl-C) stops it: the next call begins anew.

        Raises:
            PluginError: one is broken, and the house is strict; every time.
        """
        if self._discover and not self._loading:
            before = self._contents
            try:
                self._loading = True
                self._contents = _without_plugins(before.manager.list_name_plugin())
                broken = self._load_installed()
            except BaseException:
                self._contents, self._loading = before, False
                raise
            self._discover = self._loading = False
            self._report(broken)
            for name in sorted(self._disabled - self.plugins.keys()):
                self._warn(f"no plugin {name!r} to switch off: {nearest(name, self.plugins)}")
        if self._fatal is not None:
            raise self._fatal

    @_locked
    def register(self, module: Any, name: str | None = None) -> Plugin:
        """Add a module, or any object with `@hookimpl` functions, as a plugin.

        One that was added by hand under the same name gives way, so that a notebook's cell can be run again.

        Raises:
            PluginError: it is broken; the text says why. What was asked for by hand is not left out with a warning.
        """
        self.load()
        for known in self.plugins.values():
            if self._contents.modules.get(known.name) is module:
                return known
        name = name or str(getattr(module, "__name__", type(module).__name__))
        if name in self.plugins and self.plugins[name].distribution is None:
            self.unregister(name)
        plugin = Plugin(name=name)
        if name in self._disabled:
            plugin.status = "off"
            return self.plugins.setdefault(name, plugin)
        try:
            broken = [] if self._load_one(plugin, lambda: module) else [plugin]
        except BaseException:
            if self.plugins.get(name) is plugin:
                self._withdraw(plugin)
                del self.plugins[name]
            raise
        self._report(broken)
        return plugin

    def import_plugin(self, module: str) -> Plugin:
        """Add the plugin in the importable module of that name, or in the file of that path if it ends in `.py`.

        Raises:
            PluginError: it cannot be imported, or is broken.
        """
        file = Path(module)
        if file.suffix == ".py":
            if not file.is_file():
                raise PluginError(f"plugin {module!r}: there is no such file")
            sys.path.append(str(file.parent.resolve()))
            module = file.stem
        try:
            loaded = importlib.import_module(module)
        except (Exception, SystemExit) as error:
            raise PluginError(f"plugin {module!r} cannot be imported: {one_line(error)}") from error
        return self.register(loaded, module)

    @_locked
    def unregister(self, name: str) -> None:
        """Take a plugin out again, with all that it registered.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if name not in self.plugins:
            raise UnknownNameError(f"no plugin {name!r}; {nearest(str(name), self.plugins)}")
        self._withdraw(self.plugins[name])
        del self.plugins[name]

    @_locked
    def install(self, own: Any) -> None:
        """Add nanolstm's own implementation of a hook: no plugin, so never listed and never switched off."""
        if not self._contents.manager.has_plugin(own.__name__):
            self._contents.manager.register(own(), own.__name__)

    @_locked
    def registry(self, kind: str) -> Registry[Any]:
        """What is registered of `kind`, one of those in `Kind`.

        Raises:
            PluginError: a plugin breaks while it registers, and was added by hand, or the house is strict.
        """
        self.load()
        contents = self._contents
        if kind in contents.filling:  # a plugin asks while it registers
            return contents.filling[kind]
        if kind not in contents.registries:
            registry: Registry[Any] = Registry(kind, contents.plugins)
            try:
                contents.filling[kind] = registry
                for plugin in contents.plugins.values():
                    plugin.registered.pop(kind, None)  # what an interrupted attempt left
                broken = self._fill(registry, list(contents.plugins.values()))
                contents.registries[kind] = registry
            finally:
                del contents.filling[kind]
            self._report(broken)
        return contents.registries[kind]

    def known(self, kind: str) -> Registry[Any] | None:
        """What is registered of `kind`, if anybody has asked for it before."""
        return self._contents.registries.get(kind)

    def offers(self, hook: str, make: Callable[[], T]) -> Iterator[tuple[Plugin, T]]:
        """What each plugin puts into a `make()` of its own when `hook` is called with it as `app`.

        Where a plugin breaks half-way nothing of it is left in what others filled.
        """
        self.load()
        for plugin in list(self.plugins.values()):
            own = make()
            if not self._call(plugin, hook, {"app": own}):
                self._report([plugin])
            elif plugin.status == "on":
                yield plugin, own

    def tell(self, hook: str, **arguments: Any) -> None:
        """Call `hook` of every plugin that has it; one that breaks is left out, and the others are told."""
        self.load()
        for plugin in [p for p in self.plugins.values() if p.status == "on" and hook in p.hooks]:
            if not self._call(plugin, hook, arguments):
                self._report([plugin])

    def leave_out(self, plugin: Plugin, reason: str | BaseException) -> None:
        """Declare `plugin` broken for `reason`, and forget all that it registered."""
        self._break(plugin, PluginError(reason) if isinstance(reason, str) else reason)
        self._report([plugin])

    def culprits(self, error: BaseException, hook: str) -> str:
        """The plugins that implement `hook`, or the one of them whose module `error` passed through."""
        around = [plugin for plugin in self.plugins.values() if hook in plugin.hooks and plugin.status == "on"]
        frames = [frame.f_globals for frame, _ in traceback.walk_tb(error.__traceback__)]
        for plugin in around:
            module = self._contents.modules[plugin.name]
            if any(getattr(module, "__dict__", None) is namespace for namespace in frames):
                return str(plugin)
        return " or ".join(map(str, around))

    def _load_installed(self) -> list[Plugin]:
        """Load what has an entry point; answers with those that broke."""
        broken = []
        for point in sorted(metadata.entry_points(group="nanolstm"), key=lambda p: (p.name, p.value)):
            plugin = Plugin(name=point.name)
            if point.dist is not None:
                plugin.distribution, plugin.version = point.dist.name, point.dist.version
            if point.name in self._disabled:
                plugin.status = "off"
                self.plugins[point.name] = plugin
            elif not self._load_one(plugin, point.load):
                broken.append(plugin)
        return broken

    def _load_one(self, plugin: Plugin, load: Callable[[], Any]) -> bool:
        """Load a plugin, and let it fill what others have filled already; False if it broke."""
        contents = self._contents
        if plugin.name in self.plugins:
            plugin.status, plugin.reason = "broken", f"its name is taken by plugin {self.plugins[plugin.name]}"
            if plugin.distribution is not None:
                self.plugins.setdefault(f"{plugin.name} ({plugin.distribution})", plugin)
            return False
        self.plugins[plugin.name] = plugin
        began = time.perf_counter()
        wrong: BaseException | None = None
        try:
            module = contents.modules[plugin.name] = load()
            contents.manager.register(module, plugin.name)
            contents.manager.check_pending()
            plugin.hooks = sorted(caller.name for caller in contents.manager.get_hookcallers(module) or [])
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a stranger's module raises is his, and named)
            wrong = error
        plugin.seconds = time.perf_counter() - began
        if wrong is None and not plugin.hooks:
            where = getattr(contents.modules[plugin.name], "__file__", None)
            wrong = PluginError(f"it implements no hook; its functions need @hookimpl{f' ({where})' if where else ''}")
        if wrong is not None:
            self._break(plugin, wrong)
        return wrong is None and not any(self._fill(registry, [plugin]) for registry in contents.all_registries())

    def _fill(self, registry: Registry[Any], plugins: list[Plugin]) -> list[Plugin]:
        """Let `plugins` fill a registry, all of them whatever happens; answers with those that broke."""
        hook = f"nanolstm_register_{registry.kind}"
        alive = [plugin for plugin in plugins if plugin.status == "on"]
        return [p for p in alive if not self._call(p, hook, {"register": registrar(registry, p)})]

    def _call(self, plugin: Plugin, hook: str, arguments: dict[str, Any]) -> bool:
        """Call `plugin`'s implementation of `hook`, if it has one; False if it broke."""
        for implementation in getattr(self._contents.manager.hook, hook).get_hookimpls():
            if implementation.plugin_name != plugin.name:
                continue
            if implementation.wrapper or implementation.hookwrapper:
                self._break(plugin, PluginError(f"{hook} cannot be wrapped"))
                return False
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except (Exception, SystemExit) as error:  # noqa: BLE001
                self._break(plugin, error, f"in {hook}: ")
                return False
        return True

    def _break(self, plugin: Plugin, error: BaseException, where: str = "") -> None:
        plugin.status = "broken"
        plugin.reason = where + self._explain(plugin, error)
        self._contents.causes[plugin.name] = error
        self._withdraw(plugin)

    def _report(self, broken: Iterable[Plugin]) -> None:
        """Say which plugins are broken: what was added by hand, or to a strict house, is an error, else a warning."""
        for plugin in broken:
            by_hand = plugin.distribution is None
            if not by_hand and not self._strict:
                self._warn(f"plugin {plugin} is left out: {plugin.reason}")
                continue
            error = PluginError(f"plugin {plugin} is broken: {plugin.reason}")
            error.__cause__ = self._contents.causes.get(plugin.name)
            if self._strict:
                self._fatal = error
            if by_hand and self.plugins.get(plugin.name) is plugin:
                del self.plugins[plugin.name]
            raise error

    def _explain(self, plugin: Plugin, error: BaseException) -> str:
        if isinstance(error, pluggy.PluginValidationError):
            module = self._contents.modules.get(plugin.name)
            known = [name for name in dir(hookspecs) if name.startswith("nanolstm_")]
            for name in dir(module):
                marked = self._contents.manager.parse_hookimpl_opts(module, name)
                if marked is None:
                    continue
                if (marked.get("specname") or name) not in known:
                    return f"there is no hook {name!r}: {nearest(name, known, 'hooks')}"
                wanted = list(inspect.signature(getattr(hookspecs, marked.get("specname") or name)).parameters)
                for argument in inspect.signature(getattr(module, name)).parameters:
                    if argument not in (*wanted, "self"):
                        return f"{name} has no argument {argument!r}; {nearest(argument, wanted, 'arguments')}"
        return one_line(error)

    def _withdraw(self, plugin: Plugin) -> None:
        contents = self._contents
        for registry in contents.all_registries():
            registry.discard(plugin)
        module = contents.modules.get(plugin.name)
        if module is not None and contents.manager.get_plugin(plugin.name) is module:
            contents.manager.unregister(module)
        contents.modules.pop(plugin.name, None)

    @staticmethod
    def _warn(text: str) -> None:
        warnings.warn(text, PluginWarning, stacklevel=2)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


shared = PluginHouse(
    disabled=_names(os.environ.get("NANOLSTM_DISABLE_PLUGINS", "")),
    strict=os.environ.get("NANOLSTM_STRICT_PLUGINS", "") == "1",
)


def register(module: Any, name: str | None = None) -> Plugin:
    """Add a module, or any object whose functions carry `@hookimpl`, as a plugin of this process.

    ```python
    import pandas as pd
    import nanolstm as nl

    class Warehouse:
        @nl.hookimpl
        def nanolstm_register_sources(self, register):
            register("warehouse", lambda request: pd.DataFrame(
                {"price": [1.0, 2.0, 3.0]}, index=pd.date_range("2024-01-01", periods=3)))

    nl.plugins.register(Warehouse())
    nl.load_data("warehouse")
    ```

    Raises:
        PluginError: it is broken; the text says why.
    """
    return shared.register(module, name)


def unregister(name: str) -> None:
    """Take a plugin out again, with all that it registered.

    Raises:
        UnknownNameError: there is none of that name.
    """
    shared.unregister(name)


def listing() -> list[Plugin]:
    """Every plugin with its distribution, version, hooks and what it registered; also those that are off or broken."""
    for kind in get_args(Kind):
        shared.registry(kind)
    return list(shared.plugins.values())


def lookup(kind: Kind, text: str) -> tuple[str, Entry[Any], dict[str, Any]]:
    """The entry that `name(key=value)` asks for: its name, itself, the parameters.

    Raises:
        InputError: `text` is no name.
        UnknownNameError: nothing is registered under it.
        PluginError: two plugins registered it.
    """
    if not isinstance(text, str):
        raise InputError(f"{text!r} is no name of one of the {kind}")
    name, parameters = parse_name(text)
    return name, shared.registry(kind)[name], parameters


def made(kind: Kind, text: str) -> Any:
    """What `name(key=value)` makes: the registered function or class, called with the parameters.

    Raises:
        InputError: `text` is no name, or a value is refused by what is made.
        UnknownNameError: nothing is registered under it, or it has no such parameter.
        PluginError: two plugins registered it.
    """
    name, entry, parameters = lookup(kind, text)
    check_parameters(singular(kind), name, inspect.signature(entry.value).parameters.values(), parameters)
    return entry.value(**parameters)
