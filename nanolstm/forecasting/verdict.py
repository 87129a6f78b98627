"""What scores and tests mean, in plain sentences."""

from __future__ import annotations

import itertools

import attrs
import numpy as np

SURE = 0.05
"""Above this probability of a difference at least as large between equally good forecasts, it counts as chance."""

ROUNDING = 1e-12


@attrs.frozen(kw_only=True)
class Finding:
    """The model beside the best baseline, so many steps ahead.

    Attributes:
        step: how many rows ahead.
        best: the name of the baseline with the lowest score.
        model: the model's score.
        baseline: that of the baseline.
        p: of a Diebold-Mariano test of the two, corrected for the number of steps; NaN where there is none.
        n: how many pairs of losses it compared.
    """

    step: int
    best: str
    model: float
    baseline: float
    p: float
    n: int

    @property
    def kind(self) -> str:
        """Which of the sentences it belongs to."""
        if not np.isfinite([self.model, self.baseline]).all():
            return "nothing"
        if np.isclose(self.model, self.baseline, rtol=ROUNDING, atol=0.0):
            return "equal"
        # No test is no certainty.
        sure = "sure" if self.p < SURE else "unsure"
        return f"{'better' if self.model < self.baseline else 'worse'}, {sure}"

    @property
    def change(self) -> float:
        """By which share of the baseline's score the model's differs."""
        return abs(self.model / self.baseline - 1) if self.baseline else np.inf


SENTENCES = {
    "better, sure": "{where}, the model beats {best}: its {metric} is {amount} lower ({p}).",
    "better, unsure": "{where}, the model's {metric} is {amount} lower than that of {best}, which may be chance ({p}).",
    "worse, unsure": "{where}, the model does not beat {best}: its {metric} is {amount} higher, which may be chance "
    "({p}).",
    "worse, sure": "{where}, the model is worse than {best}: its {metric} is {amount} higher ({p}).",
    "equal": "{where}, the model is as good as {best}, and no better: their {metric} is the same.",
    "nothing": "{where}, nothing can be said: the {metric} of the model or of {best} is not finite.",
}


def sentence(findings: list[Finding], metric: str, baselines: int) -> str:
    """What `findings`, one for each step of one target, come to.

    >>> found = Finding(step=1, best="drift", model=0.9, baseline=1.0, p=0.004, n=250)
    >>> first, *_, last = sentence([found], "RMSE", 4).partition(". ")
    >>> print(first)
    One step ahead, the model beats drift, the best of 4 baselines: its RMSE is 10.0 % lower (p = 0.004)
    >>> print(last)
    That is by a Diebold-Mariano test of 250 forecasts.
    """
    said = []
    for (kind, best), group in itertools.groupby(findings, key=lambda f: (f.kind, f.best)):
        these = list(group)
        named = f"{best}, the best of {baselines} baselines" if baselines > 1 else best
        said.append(
            SENTENCES[kind].format(
                where=_where([f.step for f in these]),
                best=named,
                metric=metric,
                amount=_span([f.change for f in these]),
                p=_probability([f.p for f in these]),
            )
        )
    if all(np.isnan(f.p) for f in findings):
        return " ".join(said)
    n, steps = min(f.n for f in findings), len(findings)
    correction = f", p corrected for {steps} steps by Holm's method" if steps > 1 else ""
    return " ".join([*said, f"That is by a Diebold-Mariano test of {n:,} forecasts{correction}."])


def interval(nominal: float, held: float) -> str:
    """Whether what happened lay in the interval as often as it should.

    >>> interval(0.8, 0.692)
    'Of what happened, 69.2 % lay in its 80 % interval.'
    """
    return f"Of what happened, {_percent(held)} lay in its {100 * nominal:.4g} % interval."


def _where(steps: list[int]) -> str:
    if len(steps) == 1:
        return "One step ahead" if steps[0] == 1 else f"{steps[0]} steps ahead"
    return f"{steps[0]} {'to' if len(steps) > 2 else 'and'} {steps[-1]} steps ahead"


def _span(shares: list[float]) -> str:
    low, high = (_percent(share) for share in (min(shares), max(shares)))
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    return f"{100 * share:,.1f} %" if np.isfinite(share) else "infinitely"


def _probability(values: list[float]) -> str:
    if any(np.isnan(values)):
        return "there are too few forecasts for a test"
    low, high = min(values), max(values)
    texts = ["p < 0.001" if p < 0.001 else f"p = {p:.2g}" for p in (low, high)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1].removeprefix('p = ')}"
