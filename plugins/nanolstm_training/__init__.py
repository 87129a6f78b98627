"""The optimizers, schedules, metrics and callbacks that nanolstm ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm import hookimpl

if TYPE_CHECKING:
    from nanolstm.hookspecs import RegisterLoss, RegisterMaker


@hookimpl
def nanolstm_register_optimizers(register: RegisterMaker) -> None:
    """Register every optimizer of this package."""
    from nanolstm_training.lbfgs import LBFGS
    from nanolstm_training.optimizers import SGD, Adam, AdamW, RMSprop

    register("sgd", SGD)
    register("adam", Adam)
    register("adamw", AdamW)
    register("rmsprop", RMSprop)
    register("lbfgs", LBFGS)


@hookimpl
def nanolstm_register_schedules(register: RegisterMaker) -> None:
    """Register every schedule of this package."""
    from nanolstm_training.schedules import Constant, Cosine, Plateau, Step, Warmup

    register("constant", Constant)
    register("step", Step)
    register("cosine", Cosine)
    register("warmup", Warmup)
    register("plateau", Plateau)


@hookimpl
def nanolstm_register_metrics(register: RegisterLoss) -> None:
    """Register every metric of this package."""
    from nanolstm_training.metrics import accuracy, binary_accuracy, r2

    register("accuracy", accuracy, classes=True, in_target_units=False, higher_is_better=True)
    register("binary_accuracy", binary_accuracy, in_target_units=False, higher_is_better=True)
    register("r2", r2, higher_is_better=True)


@hookimpl
def nanolstm_register_callbacks(register: RegisterMaker) -> None:
    """Register every callback of this package."""
    from nanolstm_training.callbacks import CSV, Target, TimeLimit

    register("target", Target)
    register("time_limit", TimeLimit)
    register("csv", CSV)
