"""What the plugin promises, by the checks that nanolstm offers; install it first."""

import nanolstm as nl
import numpy as np
import pytest
from nanolstm.testing import check_cell, check_loss, check_source

from nanolstm_my_name.cell import MyNameCell
from nanolstm_my_name.loss import loss
from nanolstm_my_name.source import SYMBOLS, load


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_source_keeps_its_promises(symbol):
    request = nl.DataRequest(source="my_name", symbol=symbol)
    check_source(load, request, unknown="nothing of that name")


def test_the_loss_keeps_its_promises():
    check_loss(loss)
    check_loss("my_name_loss(weight=3.0)")


def test_a_prediction_that_is_too_low_costs_twice_as_much():
    found = nl.loss("my_name_loss")
    low, high = np.zeros((4, 1)), np.ones((4, 1))
    assert found(low, high) == 2 * found(high, low)


def test_the_cell_keeps_its_promises():
    check_cell(MyNameCell)
    assert nl.check("MyNameCell").ok


def test_nanolstm_finds_it_under_its_names():
    plugins = {plugin.name: plugin for plugin in nl.plugins.listing()}
    plugin = plugins["my_name"]
    assert plugin.status == "on"
    assert plugin.registered == {
        "sources": ["my_name"],
        "losses": ["my_name_loss"],
        "cells": ["MyNameCell"],
    }
