"""Every cell of the zoo, written out for PyTorch and JAX from its graph: what its speed is measured against."""

from pathlib import Path

import pytest

import nanolstm as nl
from nanolstm.cells.zoo import HOMES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("library", ["torch", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", list(HOMES))
def test_its_loss_and_gradients_are_ours(name, library, monkeypatch):
    pytest.importorskip(library, reason=f"it is what {library} computes that is compared")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from contest.contestant import Contestant, errors
    from contest.opponents.ours import read_gradient
    from contest.zoo.case import ZooCase

    if library == "torch":
        from contest.zoo.with_torch import training
    else:
        from contest.zoo.with_jax import training
    case = ZooCase(name, (3, 8, 4, 6), "float64", "numpy")
    model: nl.Sequence = case.model
    ours = Contestant(
        "nanolstm", lambda: model.value_and_grad(case.x, case.target, loss="mse", **case.feeds), read_gradient
    )
    errors([ours, training(case)], "float64")
