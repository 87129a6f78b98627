"""A load that is stopped while it changes yfinance's settings."""

import warnings

import pytest

yfinance = pytest.importorskip("yfinance")

from nanolstm_yfinance import manners  # noqa: E402


def test_settings_are_made_anew_after_they_were_stopped_half_way(monkeypatch):
    before, filters = yfinance.config.debug.hide_exceptions, list(warnings.filters)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(warnings, "filterwarnings", stop)
        with pytest.raises(KeyboardInterrupt), manners.mannered():
            pass
    assert yfinance.config.debug.hide_exceptions == before
    assert warnings.filters == filters
    with manners.mannered():
        assert yfinance.config.debug.hide_exceptions is False
    assert yfinance.config.debug.hide_exceptions == before
