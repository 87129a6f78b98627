"""The estimators pass every check of scikit-learn's own; no failure is expected, and so none has a name here."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import nanolstm as nl
from nanolstm.estimators import RecurrentClassifier, RecurrentRegressor

QUICK = {"hidden": 6, "optimizer": "adam(lr=0.05)", "epochs": 25, "random_state": 0}


@parametrize_with_checks([RecurrentRegressor(**QUICK), RecurrentClassifier(**QUICK)])
def test_an_estimator_passes_a_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([
    RecurrentRegressor(),
    RecurrentClassifier(),
    RecurrentClassifier([nl.cells.LSTM, "ToyLSTM(outputs=6)"], hidden=6, bidirectional=True),
])  # fmt: skip
def test_an_estimator_passes_a_check_with_what_one_gets_unless_told_and_as_a_stack(estimator, check):
    check(estimator)
