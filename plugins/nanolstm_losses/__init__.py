"""The losses that nanolstm ships: plain NumPy functions of (prediction, target), each (n, N), to a scalar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanolstm import hookimpl

if TYPE_CHECKING:
    from nanolstm.hookspecs import RegisterLoss


@hookimpl
def nanolstm_register_losses(register: RegisterLoss) -> None:
    """Register every loss of this package."""
    import numpy as np

    from nanolstm_losses.classification import bce, cross_entropy
    from nanolstm_losses.distribution import gaussian_nll, quantile
    from nanolstm_losses.regression import huber, mae, mse, rmse, smape

    register("rmse", rmse)
    register("mse", mse)
    register("mae", mae)
    register("huber", huber)
    register("smape", smape)
    register("quantile", quantile, columns=lambda q=0.5: np.size(q))
    register("gaussian_nll", gaussian_nll, columns=2, in_target_units=False)
    register("bce", bce)
    register("cross_entropy", cross_entropy, classes=True)
