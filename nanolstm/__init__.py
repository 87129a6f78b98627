"""Recurrent cells for research: one `step` in plain NumPy, and everything else is derived from it.

The names below are imported when they are first used, so that `import nanolstm` and the command line start at once.
"""

from typing import TYPE_CHECKING

from nanolstm.lazy import offer

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nanolstm import cells as cells
    from nanolstm import errors as errors
    from nanolstm import plugins as plugins
    from nanolstm import testing as testing
    from nanolstm.cell import Cell as Cell
    from nanolstm.data.request import DataRequest as DataRequest
    from nanolstm.data.request import SequenceData as SequenceData
    from nanolstm.errors import NanolstmError as NanolstmError
    from nanolstm.fields import State as State
    from nanolstm.fields import absent as absent
    from nanolstm.fields import blocks as blocks
    from nanolstm.fields import diagonal as diagonal
    from nanolstm.fields import feed as feed
    from nanolstm.fields import gate as gate
    from nanolstm.fields import noise as noise
    from nanolstm.fields import param as param
    from nanolstm.fields import state as state
    from nanolstm.fields import tied as tied
    from nanolstm.functions import Array as Array
    from nanolstm.functions import identity as identity
    from nanolstm.functions import layer_norm as layer_norm
    from nanolstm.functions import merge as merge
    from nanolstm.functions import sigmoid as sigmoid
    from nanolstm.functions import softmax as softmax
    from nanolstm.functions import softplus as softplus
    from nanolstm.functions import split as split
    from nanolstm.gates import Gate as Gate
    from nanolstm.hookspecs import hookimpl as hookimpl
    from nanolstm.initialisers import constant as constant
    from nanolstm.initialisers import forget_bias as forget_bias
    from nanolstm.initialisers import glorot as glorot
    from nanolstm.initialisers import normal as normal
    from nanolstm.initialisers import orthogonal as orthogonal
    from nanolstm.initialisers import uniform as uniform
    from nanolstm.initialisers import zeros as zeros
    from nanolstm.loading import load_data as load_data
    from nanolstm.losses import Loss as Loss
    from nanolstm.losses import loss as loss
    from nanolstm.parameters import Parameters as Parameters
    from nanolstm.recording import Recording as Recording
    from nanolstm.sequence import Sequence as Sequence

_MODULES = {
    "cell": ("Cell",),
    "cells": ("cells",),
    "data.request": ("DataRequest", "SequenceData"),
    "errors": ("NanolstmError", "errors"),
    "fields": ("State", "absent", "blocks", "diagonal", "feed", "gate", "noise", "param", "state", "tied"),
    "functions": ("Array", "identity", "layer_norm", "merge", "sigmoid", "softmax", "softplus", "split"),
    "gates": ("Gate",),
    "hookspecs": ("hookimpl",),
    "initialisers": ("constant", "forget_bias", "glorot", "normal", "orthogonal", "uniform", "zeros"),
    "loading": ("load_data",),
    "losses": ("Loss", "loss"),
    "parameters": ("Parameters",),
    "plugins": ("plugins",),
    "recording": ("Recording",),
    "sequence": ("Sequence",),
    "testing": ("testing",),
}

__getattr__, __dir__ = offer(__name__, {name: module for module, names in _MODULES.items() for name in names})
