"""The plugin's own tests, with the checks that nanolstm offers to its plugins."""

import numpy as np
import pytest
from nanolstm_warehouse import ledger
from nanolstm_warehouse.shortage import shortage
from nanolstm_warehouse.stock import load

import nanolstm as nl
from nanolstm.testing import check_cell, check_loss, check_source


@pytest.mark.parametrize("article", ["bolts", "nuts"])
def test_the_source_keeps_its_promises(article):
    check_source(load, nl.DataRequest(source="warehouse", symbol=article), unknown="screws")


def test_the_loss_keeps_its_promises_however_it_is_asked_for():
    check_loss(shortage)
    check_loss("shortage(price=10)")


def test_the_cell_keeps_its_promises():
    check_cell("Shelf")
    check_cell("Shelf(outputs=2)", hidden=3)


def test_a_missing_piece_costs_three_times_a_superfluous_one():
    assert nl.loss("shortage")(np.zeros((4, 1)), np.ones((4, 1))) == 3.0
    assert nl.loss("shortage")(np.ones((4, 1)), np.zeros((4, 1))) == 1.0


def test_every_load_is_in_the_ledger():
    before = len(ledger.loads)
    nl.load_data("warehouse", "bolts", end="2020-02-01")
    with pytest.raises(LookupError):
        nl.load_data("sample", "screws")
    assert ledger.loads[before:] == [("warehouse", "bolts", 31), ("sample", "screws", "UnknownSymbolError")]
