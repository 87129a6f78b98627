"""Splits by time, compared with scikit-learn's where it has the same."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

import nanolstm as nl
from nanolstm.errors import InputError

DAYS = pd.date_range("2024-01-01", periods=103)


def cut(index=DAYS, **sizes):
    return list(nl.Splits(**sizes).cut(index))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"folds": 4}, {"n_splits": 4}),
        ({"folds": 4, "test": 10}, {"n_splits": 4, "test_size": 10}),
        ({"folds": 3, "test": 10, "train": 30}, {"n_splits": 3, "test_size": 10, "max_train_size": 30}),
        ({"folds": 3, "test": 10, "gap": 4}, {"n_splits": 3, "test_size": 10, "gap": 4}),
        (
            {"folds": 2, "test": 20, "train": 30, "gap": 7},
            {"n_splits": 2, "test_size": 20, "max_train_size": 30, "gap": 7},
        ),
    ],
)
def test_the_rows_are_those_of_scikit_learns_time_series_split(ours, theirs):
    expected = list(TimeSeriesSplit(**theirs).split(DAYS))
    got = cut(**ours)
    assert len(got) == len(expected)
    for fold, (train, test) in zip(got, expected, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)
        assert len(fold.validation) == 0


def test_one_split_holds_out_the_end_and_validates_before_it():
    (fold,) = cut(folds=1, test=0.2, validation=0.1)
    assert (fold.train, fold.validation, fold.test) == (range(72), range(72, 82), range(82, 103))


@pytest.mark.parametrize("sizes", [{}, {"train": 40}, {"gap": 3}, {"train": 40, "gap": 3}])
def test_training_validation_and_test_follow_each_other_in_every_fold(sizes):
    folds = cut(folds=4, test=12, validation=8, **sizes)
    gap = sizes.get("gap", 0)
    for fold in folds:
        assert fold.train.stop == fold.validation.start
        assert fold.validation.stop + gap == fold.test.start
        assert (len(fold.validation), len(fold.test)) == (8, 12)
        assert fold.train.start == (0 if "train" not in sizes else fold.validation.stop - 40)
    assert [f.test.start for f in folds[1:]] == [f.test.stop for f in folds[:-1]]
    assert folds[-1].test.stop == len(DAYS)


def test_a_test_may_begin_at_a_time():
    (fold,) = cut(folds=1, test="2024-03-01")
    assert DAYS[fold.test.start] == pd.Timestamp("2024-03-01")
    first, second = cut(folds=2, test="2024-03-01")
    assert (len(first.test), len(second.test)) == (21, 21)
    assert second.test.stop == len(DAYS)
    (zoned,) = cut(DAYS.tz_localize("Europe/Berlin"), folds=1, test="2024-03-01")
    assert zoned == fold
    (monthly,) = cut(pd.period_range("2020-01", periods=24, freq="M"), folds=1, test="2021-07")
    assert monthly.test == range(18, 24)


def test_folds_are_fitted_anew_as_often_as_asked():
    assert [nl.Splits().fits(n) for n in range(4)] == [True, True, True, True]
    assert [nl.Splits(refit=False).fits(n) for n in range(4)] == [True, False, False, False]
    assert [nl.Splits(refit=2).fits(n) for n in range(4)] == [True, False, True, False]


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"folds": 0}, r"Splits\(folds=0\): expected an int from 1 on"),
        ({"gap": -1}, r"Splits\(gap=-1\): expected an int from 0 on"),
        ({"every": 0}, r"Splits\(every=0\)"),
        ({"refit": 0}, r"Splits\(refit=0\)"),
        ({"refit": "no"}, r"Splits\(refit='no'\)"),
        ({"validation": 1.0}, r"a share of all rows \(0.2 for a fifth\)"),
        ({"train": -3}, r"Splits\(train=-3\)"),
        ({"test": 0.3, "folds": 5}, "103 rows are too few for .*: 5 tests of 31 rows"),
        ({"test": 0}, "too few"),
        ({"test": 20, "folds": 4, "validation": 23}, "leave 0 rows to train on"),
        ({"test": 20, "folds": 2, "train": 10, "validation": 10}, "too few"),
        ({"test": "soon"}, "or a time of the index, which runs from 2024-01-01"),
        ({"test": "2025-01-01", "folds": 1}, "too few"),
    ],
)
def test_sizes_that_do_not_work_are_refused(sizes, text):
    with pytest.raises(InputError, match=text):
        cut(**sizes)
