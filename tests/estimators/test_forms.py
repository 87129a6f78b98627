"""The forms in which sequences and targets are given, and those of the answers."""

import warnings

import numpy as np
import pandas as pd
import pytest

import nanolstm as nl
from nanolstm.errors import InputError
from nanolstm.estimators import RecurrentClassifier, RecurrentRegressor

QUICK = {"hidden": 3, "epochs": 3, "random_state": 0}
RNG = np.random.default_rng(0)
LENGTHS = [5, 3, 7, 1, 4, 7, 2, 6]
LISTED = [RNG.normal(size=(length, 2)) for length in LENGTHS]
WHOLE = RNG.normal(size=(8, 6, 2))
TABLE = RNG.normal(size=(8, 6))


def test_a_table_is_sequences_of_one_feature():
    y = TABLE.mean(axis=1)
    of_table = RecurrentRegressor(**QUICK).fit(TABLE, y)
    of_sequences = RecurrentRegressor(**QUICK).fit(TABLE[..., None], y)
    assert of_table.model_.inputs == 1
    assert (of_table.predict(TABLE) == of_sequences.predict(TABLE[..., None])).all()
    assert (of_table.n_features_in_, of_sequences.n_features_in_) == (6, 1)


def test_a_list_gives_what_each_sequence_gives_by_itself():
    y = np.array([one.sum() for one in LISTED])
    model = RecurrentRegressor(**QUICK).fit(LISTED, y)
    alone = [model.model_(one)[-1, 0] for one in LISTED]
    np.testing.assert_allclose(model.predict(LISTED), alone, rtol=1e-12)


def test_a_list_is_trained_on_as_its_padded_array_with_lengths():
    y = np.array([one.sum() for one in LISTED])
    padded = np.zeros((8, 7, 2))
    for row, one in zip(padded, LISTED, strict=True):
        row[: len(one)] = one
    model = RecurrentRegressor(**QUICK, validation=(LISTED, y)).fit(LISTED, y)
    y_padded = model.model_(padded, lengths=LENGTHS)[np.arange(8), np.array(LENGTHS) - 1, 0]
    best = ((y_padded - y) ** 2).mean()  # the parameters that came back are scored on the same data
    assert model.run_.best_score == pytest.approx(best, rel=1e-12)


def test_sequences_of_one_feature_may_be_a_list_of_plain_arrays():
    rows = [one[:, 0] for one in LISTED]
    y = [one.sum() for one in rows]
    model = RecurrentRegressor(**QUICK).fit(rows, y)
    columns = [row[:, None] for row in rows]
    assert (model.predict(rows) == model.predict(columns)).all()
    as_objects = np.empty(8, dtype=object)
    as_objects[:] = rows
    assert (model.predict(as_objects) == model.predict(rows)).all()
    # Some of them may be equally long, and are no table of other columns.
    assert model.predict(TABLE[:, :3]) == pytest.approx(model.predict(TABLE[:, :3, None]), rel=1e-12)


@pytest.mark.parametrize("width", [None, 1, 2])
def test_what_is_said_of_each_step_has_the_form_of_what_it_is_said_of(width):
    shape = () if width is None else (width,)
    y = [np.ones((length, *shape)) for length in LENGTHS]
    model = RecurrentRegressor(steps="all", **QUICK).fit(LISTED, y)
    assert [one.shape for one in model.predict(LISTED)] == [(length, *shape) for length in LENGTHS]
    assert model.predict(WHOLE).shape == (8, 6, *shape)
    model = RecurrentRegressor(**QUICK).fit(LISTED, np.ones((8, *shape)))
    assert model.predict(LISTED).shape == (8, *shape)


def test_classes_of_each_step_have_the_form_of_what_they_are_said_of():
    y = [np.where(one[:, 0] > 0, "up", "down") for one in LISTED]
    model = RecurrentClassifier(steps="all", **QUICK).fit(LISTED, y)
    assert [one.shape for one in model.predict(LISTED)] == [(length,) for length in LENGTHS]
    assert [one.shape for one in model.predict_proba(LISTED)] == [(length, 2) for length in LENGTHS]
    assert set(np.concatenate(model.predict(LISTED))) <= {"up", "down"}
    assert model.predict_proba(WHOLE).shape == (8, 6, 2)
    np.testing.assert_allclose(model.predict_proba(WHOLE).sum(axis=-1), 1, rtol=1e-12)


def test_the_features_of_frames_are_known_by_name():
    frames = [pd.DataFrame(one, columns=["open", "close"]) for one in LISTED]
    y = np.ones(8)
    model = RecurrentRegressor(**QUICK).fit(frames, y)
    assert model.feature_names_in_.tolist() == ["open", "close"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict([frame[["close", "open"]] for frame in frames])
    table = pd.DataFrame(TABLE, columns=[f"day {i}" for i in range(6)])
    model = RecurrentRegressor(**QUICK).fit(table, pd.Series(y))
    assert model.feature_names_in_.tolist() == list(table.columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there are no names
        assert (model.predict(table) == model.predict(table.to_numpy())).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (TABLE[:, :4], "has 4 features, but RecurrentRegressor is expecting 6"),
        (WHOLE, "X has 2 features; RecurrentRegressor was fitted on a table"),
    ],
)
def test_a_table_has_the_columns_that_it_was_fitted_on(given, says):
    model = RecurrentRegressor(**QUICK).fit(TABLE, np.ones(8))
    with pytest.raises(ValueError, match=says):
        model.predict(given)
    assert model.predict(TABLE[:, :4, None]).shape == (8,)  # as sequences they may be of any length


def test_one_sequence_alone_is_told_from_a_table():
    model = RecurrentRegressor(**QUICK).fit(WHOLE, np.ones(8))
    with pytest.raises(
        InputError, match=r"fitted on sequences of 2: give \(n, T, 2\).*one sequence alone is X\[None\]"
    ):
        model.predict(WHOLE[0])
    assert model.predict(WHOLE[:1]) == model.predict(WHOLE[0][None])


@pytest.mark.parametrize(
    ("x", "y", "options", "says"),
    [
        ([*LISTED, np.ones((3, 4))], np.ones(9), {}, r"X\[8\] has shape \(3, 4\); expected \(T, 2\)"),
        ([*LISTED, np.ones((0, 2))], np.ones(9), {}, r"X\[8\] has no time step"),
        (LISTED, np.ones(7), {}, "inconsistent numbers of samples"),
        ([*LISTED, np.full((2, 2), np.nan)], np.ones(9), {}, "Input X contains NaN"),
        (WHOLE, np.ones(8), {"steps": "all"}, r'y\[0\] has shape \(\); expected \(6.*say steps="last"'),
        (WHOLE, np.ones((7, 6)), {"steps": "all"}, "y has 7 entries, and X 8 sequences"),
        (WHOLE, np.ones(8), {"steps": "each"}, "steps='each': expected 'last'"),
        (WHOLE, np.ones(8), {"cell": nl.cells.LSTM(inputs=3, hidden=4)}, "has inputs=3, and is given 2"),
        (WHOLE, np.ones(8), {"cell": nl.cells.LSTM(inputs=2, hidden=4)}, "hidden=3 beside cell=LSTM"),
        (WHOLE, np.ones(8), {"cell": 3}, "cell=3: expected the name of a registered cell"),
        (WHOLE, np.ones(8), {"cell": ["LSTM", None]}, r"cell\[1\]=None: expected"),
        (WHOLE, np.ones(8), {"validation": 1.5}, "validation"),
    ],
)
def test_what_cannot_be_fitted_is_told(x, y, options, says):
    with pytest.raises(ValueError, match=says):
        RecurrentRegressor(**QUICK | options).fit(x, y)


def test_classes_that_were_not_fitted_on_are_told():
    y = ["a", "b"] * 4
    with pytest.raises(InputError, match="y has one class, 'a'"):
        RecurrentClassifier(**QUICK).fit(WHOLE, ["a"] * 8)
    with pytest.raises(InputError, match=r"y has the class 'c'; known classes: \['a', 'b'\]"):
        RecurrentClassifier(**QUICK, validation=(WHOLE, ["c"] * 8)).fit(WHOLE, y)
    model = RecurrentClassifier(**QUICK)
    with pytest.raises(InputError, match="classes= must be given in the first call"):
        model.partial_fit(WHOLE, y)
    model.partial_fit(WHOLE, y, classes=["a", "b", "c"])
    with pytest.raises(InputError, match=r"they were \['a', 'b', 'c'\] in the first call"):
        model.partial_fit(WHOLE, y, classes=["a", "b"])
