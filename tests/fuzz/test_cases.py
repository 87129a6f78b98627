"""Random cells of fixed seeds agree in every way of running them; `python -m tests.fuzz` runs as many as are wanted."""

import pytest

from .case import case_of
from .compare import compare
from .modes import EAGER, INTERPRETED, PLANNED

pytest.importorskip("numba", reason="kernels are interpreted as they are written for Numba")

GROUP = 6
"""How many seeds one test runs."""


@pytest.fixture(autouse=True)
def kernels_of_this_test(tmp_path, monkeypatch):
    """Losses of a case may be compiled."""
    monkeypatch.setenv("NANOLSTM_CACHE", str(tmp_path))


@pytest.mark.parametrize("first", range(0, 48, GROUP))
def test_random_cells_agree_in_numpy_and_in_interpreted_kernels(first):
    seeds = range(first, first + GROUP)
    found = {seed: compare(case_of(seed), (EAGER, PLANNED, INTERPRETED)).failures for seed in seeds}
    assert {seed: str(failures[0]) for seed, failures in found.items() if failures} == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 112))
def test_random_cells_agree_in_machine_code(seed):
    assert not compare(case_of(seed), ("machine",)).failures
