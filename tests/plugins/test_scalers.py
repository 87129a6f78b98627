"""The shipped scalers, and how one is asked for."""

import types

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

import nanolstm as nl
from nanolstm import hookimpl, plugins
from nanolstm.errors import InputError, UnknownNameError
from nanolstm.plugins import PluginHouse

NUMBERS = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 1))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("standard", (NUMBERS - NUMBERS.mean()) / NUMBERS.std()),
        ("minmax", (NUMBERS - NUMBERS.min()) / np.ptp(NUMBERS)),
        ("minmax(low=-1.0)", 2 * (NUMBERS - NUMBERS.min()) / np.ptp(NUMBERS) - 1),
        ("robust", (NUMBERS - np.median(NUMBERS)) / np.subtract(*np.percentile(NUMBERS, [75, 25]))),
        (
            "robust(quantile_range=(10, 90))",
            (NUMBERS - np.median(NUMBERS)) / np.subtract(*np.percentile(NUMBERS, [90, 10])),
        ),
        ("none", NUMBERS),
    ],
)
def test_a_scaler_scales_by_its_definition_and_back(name, expected):
    scaler = nl.scaler(name).fit(NUMBERS)
    np.testing.assert_allclose(scaler.transform(NUMBERS), expected, rtol=1e-13)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(NUMBERS)), NUMBERS, rtol=1e-13)


def test_a_scaler_is_made_anew_each_time_it_is_asked_for():
    assert isinstance(nl.scaler("standard"), StandardScaler)
    assert isinstance(nl.scaler("robust"), RobustScaler)
    assert nl.scaler("minmax") is not nl.scaler("minmax")


def test_any_scikit_learn_transformer_is_a_scaler():
    mine = PowerTransformer()
    assert nl.scaler(mine) is mine


@pytest.mark.parametrize("what", [MinMaxScaler, 3, None, object()])
def test_what_cannot_scale_back_is_refused(what):
    with pytest.raises(InputError, match="no scikit-learn transformer with fit, transform and inverse_transform"):
        nl.scaler(what)


def test_a_misspelt_scaler_or_parameter_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no scaler 'standart'; did you mean 'standard'"):
        nl.scaler("standart")
    with pytest.raises(UnknownNameError, match="scaler 'minmax' has no parameter 'hi'; did you mean 'high'"):
        nl.scaler("minmax(hi=2)")


def test_a_plugin_brings_a_scaler_with_parameters(monkeypatch):
    monkeypatch.setattr(plugins, "shared", PluginHouse())

    def fill(register):
        register("power", lambda **options: PowerTransformer(**options))

    plugins.register(types.SimpleNamespace(nanolstm_register_scalers=hookimpl(fill)), "mine")
    assert nl.scaler("power(standardize=False)").standardize is False
    assert plugins.lookup("scalers", "power")[1].plugin.name == "mine"


def test_a_plugin_whose_scaler_cannot_scale_back_is_told_so(monkeypatch):
    monkeypatch.setattr(plugins, "shared", PluginHouse())
    fill = hookimpl(lambda register: register("odd", lambda: 3))
    plugins.register(types.SimpleNamespace(nanolstm_register_scalers=fill), "mine")
    with pytest.raises(InputError, match="scaler=3 is no scikit-learn transformer"):
        nl.scaler("odd")
