"""Recurrent cells for research: one `step` in plain NumPy, and everything else is derived from it.

The names below are imported when they are first used, so that `import nanolstm` and the command line start at once.
"""

from typing import TYPE_CHECKING

from nanolstm.lazy import offer

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nanolstm import cells as cells
    from nanolstm import errors as errors
    from nanolstm import estimators as estimators
    from nanolstm import plot as plot
    from nanolstm import plugins as plugins
    from nanolstm import testing as testing
    from nanolstm.bounds import output_range as output_range
    from nanolstm.checking.check import check as check
    from nanolstm.data.request import DataRequest as DataRequest
    from nanolstm.data.request import SequenceData as SequenceData
    from nanolstm.data.splits import Splits as Splits
    from nanolstm.data.windows import WindowData as WindowData
    from nanolstm.data.windows import Windows as Windows
    from nanolstm.ensembles.ensemble import Ensemble as Ensemble
    from nanolstm.ensembles.run import EnsembleRun as EnsembleRun
    from nanolstm.errors import NanolstmError as NanolstmError
    from nanolstm.exchange.from_torch import from_torch as from_torch
    from nanolstm.forecasting.backtest import Backtest as Backtest
    from nanolstm.forecasting.comparison import diebold_mariano as diebold_mariano
    from nanolstm.forecasting.forecast import forecast as forecast
    from nanolstm.forecasting.outputs import Gaussian as Gaussian
    from nanolstm.forecasting.outputs import Quantiles as Quantiles
    from nanolstm.forecasting.reach import out_of_reach as out_of_reach
    from nanolstm.forecasting.walk_forward import walk_forward as walk_forward
    from nanolstm.graph.static import static as static
    from nanolstm.hookspecs import hookimpl as hookimpl
    from nanolstm.kernels.threads import get_num_threads as get_num_threads
    from nanolstm.kernels.threads import set_num_threads as set_num_threads
    from nanolstm.language.cell import Cell as Cell
    from nanolstm.language.fields import State as State
    from nanolstm.language.fields import absent as absent
    from nanolstm.language.fields import feed as feed
    from nanolstm.language.fields import noise as noise
    from nanolstm.language.fields import param as param
    from nanolstm.language.fields import state as state
    from nanolstm.language.functions import Array as Array
    from nanolstm.language.functions import identity as identity
    from nanolstm.language.functions import layer_norm as layer_norm
    from nanolstm.language.functions import merge as merge
    from nanolstm.language.functions import relu as relu
    from nanolstm.language.functions import sigmoid as sigmoid
    from nanolstm.language.functions import softmax as softmax
    from nanolstm.language.functions import softplus as softplus
    from nanolstm.language.functions import split as split
    from nanolstm.language.gate import Gate as Gate
    from nanolstm.language.gate import blocks as blocks
    from nanolstm.language.gate import diagonal as diagonal
    from nanolstm.language.gate import gate as gate
    from nanolstm.language.gate import tied as tied
    from nanolstm.language.initialisers import constant as constant
    from nanolstm.language.initialisers import forget_bias as forget_bias
    from nanolstm.language.initialisers import glorot as glorot
    from nanolstm.language.initialisers import normal as normal
    from nanolstm.language.initialisers import orthogonal as orthogonal
    from nanolstm.language.initialisers import uniform as uniform
    from nanolstm.language.initialisers import zeros as zeros
    from nanolstm.language.parameters import Parameters as Parameters
    from nanolstm.language.projections import nearest_orthogonal as nearest_orthogonal
    from nanolstm.language.projections import positive as positive
    from nanolstm.language.projections import spectral_radius as spectral_radius
    from nanolstm.loading import load_data as load_data
    from nanolstm.losses import Loss as Loss
    from nanolstm.losses import loss as loss
    from nanolstm.recording import Recording as Recording
    from nanolstm.scalers import scaler as scaler
    from nanolstm.sequence import Sequence as Sequence
    from nanolstm.store.models import load as load
    from nanolstm.store.models import save as save
    from nanolstm.streaming import Stepper as Stepper
    from nanolstm.sweeping.compare import compare as compare
    from nanolstm.sweeping.comparison import Comparison as Comparison
    from nanolstm.sweeping.sweep import sweep as sweep
    from nanolstm.traced import kernel_source as kernel_source
    from nanolstm.traced import trace as trace
    from nanolstm.train.checkpoint import Checkpoint as Checkpoint
    from nanolstm.train.fit import fit as fit
    from nanolstm.train.optimizer import Optimizer as Optimizer
    from nanolstm.train.run import Run as Run
    from nanolstm.train.training import Training as Training

_MODULES = {
    "bounds": ("output_range",),
    "language.cell": ("Cell",),
    "cells": ("cells",),
    "checking.check": ("check",),
    "data.request": ("DataRequest", "SequenceData"),
    "data.splits": ("Splits",),
    "data.windows": ("WindowData", "Windows"),
    "ensembles.ensemble": ("Ensemble",),
    "ensembles.run": ("EnsembleRun",),
    "errors": ("NanolstmError", "errors"),
    "estimators": ("estimators",),
    "exchange.from_torch": ("from_torch",),
    "forecasting.backtest": ("Backtest",),
    "forecasting.comparison": ("diebold_mariano",),
    "forecasting.forecast": ("forecast",),
    "forecasting.outputs": ("Gaussian", "Quantiles"),
    "forecasting.reach": ("out_of_reach",),
    "forecasting.walk_forward": ("walk_forward",),
    "language.fields": ("State", "absent", "feed", "noise", "param", "state"),
    "language.functions": (
        "Array",
        "identity",
        "layer_norm",
        "merge",
        "relu",
        "sigmoid",
        "softmax",
        "softplus",
        "split",
    ),
    "language.gate": ("Gate", "blocks", "diagonal", "gate", "tied"),
    "graph.static": ("static",),
    "hookspecs": ("hookimpl",),
    "language.initialisers": ("constant", "forget_bias", "glorot", "normal", "orthogonal", "uniform", "zeros"),
    "kernels.threads": ("get_num_threads", "set_num_threads"),
    "loading": ("load_data",),
    "losses": ("Loss", "loss"),
    "language.parameters": ("Parameters",),
    "language.projections": ("nearest_orthogonal", "positive", "spectral_radius"),
    "plot": ("plot",),
    "plugins": ("plugins",),
    "recording": ("Recording",),
    "scalers": ("scaler",),
    "sequence": ("Sequence",),
    "store.models": ("load", "save"),
    "testing": ("testing",),
    "streaming": ("Stepper",),
    "sweeping.compare": ("compare",),
    "sweeping.comparison": ("Comparison",),
    "sweeping.sweep": ("sweep",),
    "traced": ("kernel_source", "trace"),
    "train.checkpoint": ("Checkpoint",),
    "train.fit": ("fit",),
    "train.optimizer": ("Optimizer",),
    "train.run": ("Run",),
    "train.training": ("Training",),
}

__all__ = [name for names in _MODULES.values() for name in names]
__getattr__, __dir__ = offer(__name__, {name: module for module, names in _MODULES.items() for name in names})
