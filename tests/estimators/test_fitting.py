"""What a fit does: a template that stays as it is, the same bits for the same seed, and a training like `nl.fit`'s."""

import copy

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import train_test_split

import nanolstm as nl
from nanolstm.errors import InputError, UnknownNameError
from nanolstm.estimators import RecurrentClassifier, RecurrentRegressor

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 6, 2))
Y = X[..., 0].sum(axis=1)
LABELS = np.where(Y > 0, "up", "down")
QUICK = {"hidden": 3, "epochs": 4, "random_state": 0}


def parameters(model):
    return np.concatenate([value.ravel() for value in model.model_.parameters.values()])


def test_a_cell_is_a_template_and_each_fit_starts_from_a_freshly_drawn_one():
    cell = nl.cells.LSTM(inputs=2, hidden=3, rng=5)
    cell.parameters["input.U"][...] = np.nan  # whatever has been done to it
    model = RecurrentRegressor(cell, epochs=1, random_state=0).fit(X, Y)
    again = RecurrentRegressor(cell, epochs=1, random_state=0).fit(X, Y)
    other = RecurrentRegressor(cell, epochs=1, random_state=1).fit(X, Y)
    assert np.isnan(cell.parameters["input.U"]).all()
    assert np.isfinite(parameters(model)).all()
    assert (parameters(model) == parameters(again)).all()
    assert not np.isclose(parameters(model), parameters(other)).any(where=parameters(model) != 0)


def test_a_name_a_class_and_a_cell_are_the_same_cell():
    named = RecurrentRegressor("LSTM", **QUICK).fit(X, Y)
    by_class = RecurrentRegressor(nl.cells.LSTM, **QUICK).fit(X, Y)
    made = RecurrentRegressor(nl.cells.LSTM(inputs=2, hidden=3), **QUICK | {"hidden": None}).fit(X, Y)
    assert (parameters(named) == parameters(by_class)).all()
    assert (parameters(named) == parameters(made)).all()


def test_a_list_of_cells_is_a_stack():
    model = RecurrentRegressor(["LSTM", "ToyLSTM(outputs=3)"], bidirectional=True, **QUICK).fit(X, Y)
    assert [type(cell).__name__ for cell in model.model_.cells] == ["LSTM", "ToyLSTM"]
    assert [cell.inputs for cell in model.model_.cells] == [2, 6]
    with pytest.raises(UnknownNameError, match="did you mean 'LSTM'"):
        RecurrentRegressor("LSMT").fit(X, Y)


def test_a_fit_is_that_of_nl_fit_with_its_options():
    options = {
        "optimizer": "sgd(lr=0.1, momentum=0.9)",
        "epochs": 5,
        "batch_size": 7,
        "validation": 0.25,
        "patience": 3,
        "clip": 0.5,
        "schedule": "cosine",
        "truncate": 3,
        "loss": "mae",
        "metrics": "rmse",
        "batching": "ordered",
    }

    class Look:
        def fit_start(self, training):
            self.model = copy.deepcopy(training.model)

    look = Look()
    model = RecurrentRegressor(hidden=3, random_state=0, callbacks=look, **options).fit(X, Y)
    run = nl.fit(look.model, (X, Y[:, None]), steps="last", rng=0, progress=False, **options)
    columns = ["loss", "validation_loss", "rmse", "validation_rmse", "lr", "gradient_norm"]
    np.testing.assert_array_equal(model.run_.history[columns], run.history[columns])
    assert len(run.history) == model.n_iter_
    np.testing.assert_array_equal(model.predict(X), look.model(X)[:, -1, 0])


def test_the_same_seed_gives_the_same_bits_and_none_gives_others():
    one, same = (RecurrentClassifier(**QUICK, validation=0.2).fit(X, LABELS) for _ in range(2))
    assert (one.predict_proba(X) == same.predict_proba(X)).all()
    drawn = np.random.RandomState(0)
    first, then = (RecurrentClassifier(**QUICK | {"random_state": drawn}).fit(X, LABELS) for _ in range(2))
    assert not (first.predict_proba(X) == then.predict_proba(X)).any()
    twice = [RecurrentClassifier(**QUICK | {"random_state": None}).fit(X, LABELS).predict_proba(X) for _ in range(2)]
    assert not (twice[0] == twice[1]).any()


def test_partial_fits_are_the_epochs_of_a_fit_with_the_memory_of_its_optimizer():
    x, y, kept = X[:30], Y[:30], X[30:]
    whole = RecurrentRegressor(**QUICK, batch_size=8, optimizer="adam(lr=0.02)")
    # The loss falls in each epoch, so that the best is the last.
    whole.fit(x, y)
    assert whole.run_.best_epoch == 4
    parts = RecurrentRegressor(**whole.get_params())
    for _ in range(4):
        parts.partial_fit(x, y)
    assert parts.n_iter_ == 4
    np.testing.assert_array_equal(parts.predict(kept), whole.predict(kept))


def test_a_partial_fit_goes_on_after_a_fit_and_a_fit_starts_anew():
    model = RecurrentClassifier(**QUICK).fit(X, LABELS)
    before = parameters(model)
    model.partial_fit(X, LABELS)
    moved = np.abs(parameters(model) - before).max()
    assert 0 < moved < 0.1  # a few steps of 0.01, and no new draw
    assert (parameters(model.fit(X, LABELS)) == before).all()


def test_scores_are_over_all_steps_of_all_sequences():
    lengths = RNG.integers(1, 9, size=20)
    x = [RNG.normal(size=(length, 2)) for length in lengths]
    y = [np.cumsum(one, axis=0) for one in x]
    weight = RNG.uniform(size=20)
    model = RecurrentRegressor(steps="all", **QUICK).fit(x, y)
    true, said = np.concatenate(y), np.concatenate([model.model_(one) for one in x])
    assert model.score(x, y) == pytest.approx(r2_score(true, said), rel=1e-12)
    of_steps = np.concatenate([[one] * length for one, length in zip(weight, lengths, strict=True)])
    assert model.score(x, y, weight) == pytest.approx(r2_score(true, said, sample_weight=of_steps), rel=1e-12)

    y = [one[:, 0] > 0 for one in y]
    model = RecurrentClassifier(steps="all", **QUICK).fit(x, y)
    said = np.concatenate([model.model_(one).argmax(axis=-1) == 1 for one in x])
    assert model.score(x, y) == pytest.approx(accuracy_score(np.concatenate(y), said), rel=1e-12)


def test_probabilities_are_those_whose_cross_entropy_was_made_small():
    model = RecurrentClassifier(**QUICK, validation=(X, LABELS)).fit(X, LABELS)
    assert log_loss(LABELS, model.predict_proba(X)) == pytest.approx(model.run_.best_score, rel=1e-10)
    assert (model.predict(X) == model.classes_[model.predict_proba(X).argmax(axis=1)]).all()


def test_what_is_held_back_has_the_classes_of_the_whole():
    labels = np.sort(LABELS)  # class by class: the end is of one
    counts = {}

    def look(training):
        counts["trained"] = training.plan.examples.target.mean(axis=0)
        counts["held"] = training.plan.held.examples.target.mean(axis=0)

    RecurrentClassifier(**QUICK, validation=0.25, callbacks=look).fit(X, labels)
    shares = [(labels == name).mean() for name in ("down", "up")]
    assert counts["trained"] == pytest.approx(shares, abs=0.05)
    assert counts["held"] == pytest.approx(shares, abs=0.05)


def test_a_loss_of_several_columns_gives_them_all_and_has_no_r2():
    model = RecurrentRegressor(**QUICK, loss="quantile(q=(0.1, 0.5, 0.9))").fit(X, Y)
    assert model.predict(X).shape == (40, 3)
    with pytest.raises(InputError, match="makes 3 numbers of each target"):
        model.score(X, Y)


def test_parameters_are_stored_as_they_were_given():
    given = {"cell": nl.cells.LSTM(inputs=2, hidden=3), "clip": {"norm": 1.0}, "callbacks": [], "metrics": ["mae"]}
    kept = copy.deepcopy(given)
    model = RecurrentRegressor(epochs=1, **given).fit(X, Y)
    assert all(getattr(model, name) is value for name, value in given.items())
    assert {name: given[name] for name in ("clip", "callbacks", "metrics")} == {
        name: kept[name] for name in ("clip", "callbacks", "metrics")
    }


def test_digits_are_read_row_by_row():
    images, labels = load_digits(return_X_y=True)
    images, labels = images.reshape(-1, 8, 8)[:600] / 16, labels[:600]
    train, test, of_train, of_test = train_test_split(images, labels, random_state=0, stratify=labels)
    model = RecurrentClassifier(hidden=24, epochs=20, optimizer="adam(lr=0.02)", random_state=0).fit(train, of_train)
    assert model.score(test, of_test) > 0.85
