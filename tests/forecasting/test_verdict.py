"""What is said of scores: better or not, by how much, how far ahead, how sure."""

import math

import pytest

from nanolstm.forecasting.verdict import Finding, sentence


def finding(step=1, best="persistence", model=0.9, baseline=1.0, p=0.01, n=100):
    return Finding(step=step, best=best, model=model, baseline=baseline, p=p, n=n)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        (
            [finding()],
            "One step ahead, the model beats persistence, the best of 4 baselines: its RMSE is 10.0 % lower (p "
            "= 0.01). That is by a Diebold-Mariano test of 100 forecasts.",
        ),
        (
            [finding(p=0.3)],
            "One step ahead, the model's RMSE is 10.0 % lower than that of persistence, the best of 4 baselines, which "
            "may be chance (p = 0.3). That is by a Diebold-Mariano test of 100 forecasts.",
        ),
        (
            [finding(model=1.2, p=0.0001)],
            "One step ahead, the model is worse than persistence, the best of 4 baselines: its RMSE is 20.0 % "
            "higher (p < 0.001). That is by a Diebold-Mariano test of 100 forecasts.",
        ),
        (
            [finding(model=1.01, p=0.6)],
            "One step ahead, the model does not beat persistence, the best of 4 baselines: its RMSE is 1.0 % higher, "
            "which may be chance (p = 0.6). That is by a Diebold-Mariano test of 100 forecasts.",
        ),
        (
            [finding(model=1.0, p=math.nan)],
            "One step ahead, the model is as good as persistence, the best of 4 baselines, and no better: their RMSE "
            "is the same.",
        ),
        (
            [finding(1), finding(2, model=0.8, p=0.02), finding(3, p=0.0002), finding(4, "drift", p=0.2)],
            "1 to 3 steps ahead, the model beats persistence, the best of 4 baselines: its RMSE is 10.0 % to 20.0 % "
            "lower (p < 0.001 to 0.02). 4 steps ahead, the model's RMSE is 10.0 % lower than that of drift, the best "
            "of 4 baselines, which may be chance (p = 0.2). That is by a Diebold-Mariano test of 100 forecasts, p "
            "corrected for 4 steps by Holm's method.",
        ),
    ],
)
def test_a_finding_is_one_plain_sentence(findings, expected):
    assert sentence(findings, "RMSE", 4) == expected


def test_without_a_test_nothing_is_called_sure():
    text = sentence([finding(p=math.nan, n=1)], "RMSE", 1)
    assert "which may be chance (there are too few forecasts for a test)" in text
    assert "the best of" not in text


def test_a_score_that_is_no_number_is_no_victory():
    assert "nothing can be said" in sentence([finding(model=math.inf)], "MASE", 2)
    assert "nothing can be said" in sentence([finding(baseline=math.nan)], "MASE", 2)


def test_beside_a_perfect_baseline_no_share_can_be_given():
    assert "infinitely higher" in sentence([finding(model=1.0, baseline=0.0)], "MAE", 1)
