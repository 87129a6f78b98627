"""The estimators among the other things of scikit-learn: pipelines, searches, cross-validation, copies, processes."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import nanolstm as nl
from nanolstm.estimators import RecurrentClassifier, RecurrentRegressor

RNG = np.random.default_rng(2)
X = RNG.normal(size=(36, 5))
Y = X.mean(axis=1)
LABELS = np.where(Y > 0, "up", "down")
LISTED = [row[: 2 + i % 4, None] for i, row in enumerate(X)]
QUICK = {"hidden": 3, "epochs": 3, "random_state": 0}


def test_importing_nanolstm_does_not_import_scikit_learn():
    code = "import sys, nanolstm as nl; nl.estimators; print('sklearn' in sys.modules); "
    code += "from nanolstm.estimators import RecurrentRegressor; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_a_pipeline_is_its_steps():
    pipe = make_pipeline(StandardScaler(), RecurrentRegressor(**QUICK)).fit(10 + 3 * X, Y)
    scaled = StandardScaler().fit_transform(10 + 3 * X)
    np.testing.assert_allclose(pipe.predict(10 + 3 * X), RecurrentRegressor(**QUICK).fit(scaled, Y).predict(scaled))
    pipe = make_pipeline(FunctionTransformer(np.tanh), RecurrentClassifier(**QUICK)).fit(X[..., None], LABELS)
    assert pipe.score(X[..., None], LABELS) == np.mean(pipe.predict(X[..., None]) == LABELS)


@pytest.mark.parametrize("x", [X, X[..., None], LISTED], ids=["table", "array", "list"])
def test_cross_validation_scores_each_fold_with_a_model_of_the_others(x):
    scores = cross_val_score(RecurrentRegressor(**QUICK), x, Y, cv=3)
    for score, (train, test) in zip(scores, KFold(3).split(Y), strict=True):
        model = RecurrentRegressor(**QUICK).fit([x[i] for i in train] if x is LISTED else x[train], Y[train])
        said = model.predict([x[i] for i in test] if x is LISTED else x[test])
        assert score == pytest.approx(r2_score(Y[test], said), rel=1e-12)


def test_cross_validation_goes_over_lists_of_steps():
    y = [np.cumsum(one[:, 0]) for one in LISTED]
    scores = cross_val_score(RecurrentRegressor(steps="all", **QUICK), LISTED, y, cv=3)
    assert np.isfinite(scores).all()
    up = [one > 0 for one in y]
    scores = cross_val_score(RecurrentClassifier(steps="all", **QUICK), LISTED, up, cv=KFold(3))
    assert ((scores >= 0) & (scores <= 1)).all()
    proba = cross_val_predict(RecurrentClassifier(**QUICK), LISTED, LABELS, cv=3, method="predict_proba")
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_a_search_goes_over_cells_and_options():
    grid = {"cell": ["LSTM", nl.cells.ToyLSTM], "hidden": [2, 4], "optimizer": ["adam(lr=0.01)", "adam(lr=0.05)"]}
    search = GridSearchCV(RecurrentRegressor(**QUICK), grid, cv=TimeSeriesSplit(2)).fit(X, Y)
    assert len(search.cv_results_["params"]) == 8
    again = RecurrentRegressor(**QUICK).set_params(**search.best_params_).fit(X, Y)
    np.testing.assert_array_equal(search.predict(X), again.predict(X))


def test_a_search_in_other_processes_gives_the_same_bits():
    search = {}
    for jobs in (1, 2):
        model = GridSearchCV(RecurrentClassifier("ToyLSTM", **QUICK), {"hidden": [2, 3]}, cv=2, n_jobs=jobs)
        search[jobs] = model.fit(X, LABELS)
    np.testing.assert_array_equal(search[1].cv_results_["mean_test_score"], search[2].cv_results_["mean_test_score"])
    np.testing.assert_array_equal(search[1].predict_proba(X), search[2].predict_proba(X))


def test_a_clone_has_the_parameters_and_nothing_that_was_learned():
    cell = nl.cells.LSTM(inputs=1, hidden=3, rng=0)
    model = RecurrentRegressor(cell, epochs=2, random_state=0).fit(X, Y)
    twin = clone(model)
    assert not hasattr(twin, "model_")
    assert type(twin.cell) is nl.cells.LSTM
    assert twin.cell is not cell
    np.testing.assert_array_equal(twin.fit(X, Y).predict(X), model.predict(X))


def test_a_pickled_estimator_predicts_and_goes_on_as_the_one_that_it_was(tmp_path):
    model = RecurrentClassifier(**QUICK).fit(LISTED, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    for twin in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(twin.predict_proba(LISTED), model.predict_proba(LISTED))
        on = clone(model).fit(LISTED, LABELS).partial_fit(LISTED, LABELS)
        np.testing.assert_array_equal(twin.partial_fit(LISTED, LABELS).predict_proba(LISTED), on.predict_proba(LISTED))


def test_a_fitted_model_is_saved_as_any_model_is(tmp_path):
    model = RecurrentRegressor(**QUICK).fit(X, Y)
    nl.save(model.model_, tmp_path / "model.safetensors")
    np.testing.assert_array_equal(nl.load(tmp_path / "model.safetensors")(X[..., None])[:, -1, 0], model.predict(X))
