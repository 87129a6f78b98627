"""The estimators pass scikit-learn's own checks.

Of the regressor and the classifier no failure is expected, so that none has a name here. The forecaster takes frames
with times, and its targets are among their columns; most checks hand it an array of random numbers and a y beside it.
Each of them has its name and reason below, and a test fails if one that is named passes after all. What they are about
is tested with frames in `test_forecaster.py`.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import nanolstm as nl
from nanolstm.estimators import RecurrentClassifier, RecurrentForecaster, RecurrentRegressor

# Enough for the R2 and the accuracy that scikit-learn asks for, and no more.
REGRESSOR = RecurrentRegressor(hidden=6, optimizer="adam(lr=0.05)", epochs=25, random_state=0)
CLASSIFIER = RecurrentClassifier(hidden=4, optimizer="adam(lr=0.1)", epochs=15, random_state=0)
Y_BESIDE = "fits with a y beside X, which is refused: a forecaster's targets are columns of X"
NO_FRAME = "fits an array and expects a certain error of what is in it; without columns and times it is refused first"
EXPECTED = {
    "check_fit_score_takes_y": Y_BESIDE,
    "check_estimators_overwrite_params": Y_BESIDE,
    "check_dont_overwrite_parameters": Y_BESIDE,
    "check_estimators_fit_returns_self": Y_BESIDE,
    "check_readonly_memmap_input": Y_BESIDE,
    "check_n_features_in_after_fitting": Y_BESIDE,
    "check_positive_only_tag_during_fit": Y_BESIDE,
    "check_estimators_dtypes": Y_BESIDE,
    "check_dtype_object": Y_BESIDE,
    "check_pipeline_consistency": Y_BESIDE,
    "check_estimators_pickle": Y_BESIDE,
    "check_f_contiguous_array_estimator": Y_BESIDE,
    "check_methods_sample_order_invariance": Y_BESIDE,
    "check_methods_subset_invariance": Y_BESIDE,
    "check_dict_unchanged": Y_BESIDE,
    "check_fit_idempotent": Y_BESIDE,
    "check_fit_check_is_fitted": Y_BESIDE,
    "check_n_features_in": Y_BESIDE,
    "check_fit2d_predict1d": Y_BESIDE,
    "check_complex_data": NO_FRAME,
    "check_estimators_empty_data_messages": NO_FRAME,
    "check_estimators_nan_inf": NO_FRAME,
    "check_estimator_sparse_tag": NO_FRAME,
    "check_estimator_sparse_array": NO_FRAME,
    "check_estimator_sparse_matrix": NO_FRAME,
    "check_fit2d_1sample": NO_FRAME,
    "check_fit2d_1feature": NO_FRAME,
}


def expected(estimator):
    return EXPECTED if isinstance(estimator, RecurrentForecaster) else {}


@parametrize_with_checks(
    [REGRESSOR, CLASSIFIER, RecurrentForecaster()],
    expected_failed_checks=expected,
)
def test_an_estimator_passes_a_check_of_scikit_learn(estimator, check):
    check(estimator)


STACK = [nl.cells.LSTM, "ToyLSTM(outputs=4)"]


@pytest.mark.slow
@parametrize_with_checks(
    [
        RecurrentRegressor(),
        RecurrentClassifier(),
        RecurrentClassifier(STACK, hidden=4, bidirectional=True, optimizer="adam(lr=0.05)", epochs=15, random_state=0),
    ]
)
def test_an_estimator_passes_a_check_with_what_one_gets_unless_told_and_as_a_stack(estimator, check):
    check(estimator)
