"""What Greff et al. (2017) found, section V-B and figure 3, as data."""

from __future__ import annotations

DATASETS = ("TIMIT", "IAM Online", "JSB Chorales")

CHANGES = {
    "VanillaLSTM": "nothing",
    "NIG": "no input gate",
    "NFG": "no forget gate",
    "NOG": "no output gate",
    "NIAF": "no input activation",
    "NOAF": "no output activation",
    "CIFG": "input and forget gate coupled",
    "NP": "no peepholes",
    "FGR": "full gate recurrence",
}
"""What each variant changes of the vanilla LSTM."""

WORSE = {
    "NIG": ("TIMIT", "IAM Online"),
    "NFG": DATASETS,
    "NOG": ("TIMIT", "IAM Online"),
    "NIAF": ("TIMIT", "IAM Online"),
    "NOAF": DATASETS,
    "CIFG": (),
    "NP": (),
    "FGR": ("JSB Chorales",),
}
"""Where each was significantly worse than the vanilla LSTM. None was significantly better anywhere."""

CRITICAL = ("NFG", "NOAF")
"""Without what the paper calls the most critical parts."""

LEVEL = 0.05
"""Of Welch's t-test, as in the paper."""
