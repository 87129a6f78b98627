"""Every hook that a plugin may implement. A plugin is a module (or object) whose functions carry `@hookimpl`.

It is found by an entry point in the group `nanolstm`, or given by hand: `nanolstm -p my_module run`,
`nanolstm.plugins.register(my_module)`. Implement only the hooks you need; a function that carries `@hookimpl` and bears
no name from this file marks its plugin as broken, so that a misspelling does not go unseen.

A registered name may be asked for with parameters, `quantile(q=0.9)`; these are handed to the registered function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import typer

    from nanolstm.data.request import Data, DataRequest
    from nanolstm.language.cell import Cell
    from nanolstm.train.run import Run
    from nanolstm.train.training import Training

hookspec = pluggy.HookspecMarker("nanolstm")
hookimpl = pluggy.HookimplMarker("nanolstm")
"""Marks a function of a plugin as the implementation of the hook whose name it bears."""


class RegisterSource(Protocol):
    """What `nanolstm_register_sources` is given."""

    def __call__(self, name: str, load: Callable[[DataRequest], Data], /) -> None:
        """Register `load` under `name`. The first line of its docstring is shown by `nanolstm sources`."""


class RegisterLoss(Protocol):
    """What `nanolstm_register_losses` is given."""

    def __call__(
        self,
        name: str,
        function: Callable[..., Any],
        /,
        *,
        columns: int | Callable[..., int] = 1,
        classes: bool = False,
        in_target_units: bool = True,
        higher_is_better: bool = False,
    ) -> None:
        """Register a plain NumPy function of (prediction, target), each (n, N), to a scalar.

        `columns` is the number of prediction columns for each target column where it is not 1: a number, or a function
        of the loss's own parameters (quantiles: one column for each `q`). Such a prediction holds the columns of the
        first target, then those of the second, and so on. `classes=True` lets the target be integer classes (n,), which
        arrive one-hot, (n, N). `in_target_units=False` says that not every column of the prediction is an estimate of
        the target (a log variance is none): such a prediction is not turned into the data's own units.
        `higher_is_better=True` is for metrics such as an accuracy, by which models are ranked from the largest down.
        """


class RegisterMaker(Protocol):
    """What the hooks for scalers, optimizers, schedules and callbacks are given."""

    def __call__(self, name: str, make: Callable[..., Any], /) -> None:
        """Register a class or function under `name`; called with the parameters that stand in the brackets.

        `"adam(lr=0.01)"` calls it as `make(lr=0.01)`.
        """


class RegisterCell(Protocol):
    """What `nanolstm_register_cells` is given."""

    def __call__(self, name: str, cell: type[Cell] | str, /) -> None:
        """Register a cell class under `name`, or `"module:Class"`, which is imported when it is first used."""


@hookspec
def nanolstm_register_sources(register: RegisterSource) -> None:
    """Register data sources: `register("warehouse", load)` with `load(request: DataRequest) -> DataFrame`.

    A source may also answer with [`SequenceData`][nanolstm.SequenceData]. It raises the errors of `nanolstm.errors`
    (`UnknownSymbolError`, `NoDataError`, `UnreachableError`, ...), so that its user learns which of them it was.
    """


@hookspec
def nanolstm_register_losses(register: RegisterLoss) -> None:
    """Register losses: `register("hinge", hinge)` with `hinge(prediction, target) -> scalar`.

    Both arrays are (n, N): all valid entries of the batch, so that a loss never sees a mask. They have the same shape
    unless the loss was registered with `columns=`.
    """


@hookspec
def nanolstm_register_scalers(register: RegisterMaker) -> None:
    """Register scalers: `register("standard", StandardScaler)`; each is fitted on training rows only, by nanolstm.

    `make(**parameters)` answers with a scikit-learn transformer that has not been fitted: it has `fit`, `transform` and
    `inverse_transform`, and `sklearn.base.clone` can copy it.
    """


@hookspec
def nanolstm_register_metrics(register: RegisterLoss) -> None:
    """Register metrics, which are reported and not trained: `register("accuracy", accuracy, classes=True)`.

    As for losses, whose names can be asked for as metrics too; but no derivative is taken, so any NumPy will do.
    """


@hookspec
def nanolstm_register_optimizers(register: RegisterMaker) -> None:
    """Register optimizers: `register("lion", Lion)`, a subclass of [`nanolstm.Optimizer`][nanolstm.Optimizer]."""


@hookspec
def nanolstm_register_schedules(register: RegisterMaker) -> None:
    """Register schedules: `register("exponential", make)`.

    `make(**parameters)` answers with a function of (epochs done, epochs in all) to a factor of the learning rate.
    """


@hookspec
def nanolstm_register_callbacks(register: RegisterMaker) -> None:
    """Register callbacks: `register("csv", make)`, see [`nanolstm.fit`][nanolstm.fit] for what such an object has."""


@hookspec
def nanolstm_fit_start(training: Training) -> None:
    """Look at a training that is about to begin. A plugin that fails here is left out, and training goes on."""


@hookspec
def nanolstm_epoch_end(training: Training) -> None:
    """Look at a training after an epoch; `training.history[-1]` is its row, `training.stop(why)` ends it."""


@hookspec
def nanolstm_fit_end(training: Training, run: Run) -> None:
    """Look at a training that has ended, and at what `nl.fit` will answer with."""


@hookspec
def nanolstm_register_cells(register: RegisterCell) -> None:
    """Register cells: `register("MyCell", MyCell)` or `register("MyCell", "my_package.cells:MyCell")`."""


@hookspec
def nanolstm_register_commands(app: typer.Typer) -> None:
    """Add commands to the command line: `@app.command()` on a function, as in any Typer program."""


@hookspec(firstresult=True)
def nanolstm_load_data(request: DataRequest) -> Data | None:
    """Answer a request for data. Every load goes through this hook.

    nanolstm's own implementation runs last and asks the source that the request names. A plain `@hookimpl` is asked
    before it: return data to answer yourself (from a cache, or after asking the source several times), or None to let
    the next one answer. A wrapper (`@hookimpl(wrapper=True)`) runs around all of them, for checks or to keep the
    answer: it yields exactly once, and so can neither skip the source nor ask it twice. The answer is checked (order,
    duplicates, gaps) after all of them.

    Of all hooks this is the one whose errors are not passed over: a check that fails must not vanish. They are raised
    as a `PluginError` that names the plugin.
    """
