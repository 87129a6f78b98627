"""Who is told how a training goes: callbacks that it was given, and plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nanolstm import plugins
from nanolstm.errors import InputError

if TYPE_CHECKING:
    from nanolstm.train.run import Run
    from nanolstm.train.training import Training

MOMENTS = ("fit_start", "step_end", "epoch_end", "fit_end")
"""The methods that a callback may have; plugins have hooks for all but step_end, of which there are too many."""


class Listeners:
    """The callbacks of one training, and the plugins that have hooks for it."""

    def __init__(self, given: Any) -> None:
        """Of a list of names, objects with methods of `MOMENTS`, and functions, which are told the end of an epoch.

        Raises:
            InputError: something else.
            UnknownNameError: a name that no plugin registered.
        """
        objects = [_callback(one) for one in (given if isinstance(given, list | tuple) else [given])]
        self.methods = {moment: [getattr(o, moment) for o in objects if hasattr(o, moment)] for moment in MOMENTS}
        hooks = {hook for plugin in _plugins() for hook in plugin.hooks}
        self._heard = {moment for moment in MOMENTS if f"nanolstm_{moment}" in hooks}

    def tell(self, moment: str, training: Training) -> None:
        """Tell everybody."""
        for method in self.methods[moment]:
            method(training)
        if moment in self._heard:
            plugins.shared.tell(f"nanolstm_{moment}", training=training)

    def tell_end(self, training: Training, run: Run) -> None:
        """Tell everybody that it has ended."""
        for method in self.methods["fit_end"]:
            method(training, run)
        if "fit_end" in self._heard:
            plugins.shared.tell("nanolstm_fit_end", training=training, run=run)


class _EachEpoch:
    """A function as a callback."""

    def __init__(self, function: Any) -> None:
        self.epoch_end = function


def _callback(given: Any) -> Any:
    made = plugins.made("callbacks", given) if isinstance(given, str) else given
    if not isinstance(made, type):
        if any(hasattr(made, moment) for moment in MOMENTS):
            return made
        if callable(made):
            return _EachEpoch(made)
    raise InputError(
        f"callbacks: {given!r} is none; expected the name of one, a function of the training, or an object with at "
        f"least one of the methods {', '.join(MOMENTS)}"
    )


def _plugins() -> list[Any]:
    plugins.shared.load()
    return [plugin for plugin in plugins.shared.plugins.values() if plugin.status == "on"]
