"""The same bits from run to run and with every number of threads: what is added up in which order is up to shapes."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

import nanolstm as nl


def flat(result):
    """All numbers of a result, whatever holds them."""
    if isinstance(result, tuple | list):
        return [number for value in result for number in flat(value)]
    if hasattr(result, "keys"):
        return [number for value in result.values() for number in flat(value)]
    return [np.asarray(result).tobytes()]


@pytest.fixture
def always_split(cut_into_slices):
    """However little there is to do, all threads take part."""
    cut_into_slices(2)


@pytest.fixture
def results(data):
    """Everything of a model on some data, for several numbers of threads, twice each."""

    def collect(model, *leading, wrt=None, **more):
        d = data(model, *leading)
        found = []
        for threads in (1, 2, 3, 2, 1):
            nl.set_num_threads(threads)
            run = model(d.x, return_state=True, **more)
            found.append(flat([run, model.value_and_grad(d.x, d.target, wrt=wrt or d.wrt, **more)]))
        return found

    return collect


@pytest.mark.usefixtures("always_split")
@pytest.mark.parametrize("kind", ["GRU", "MatrixMemory", "Diagonal", "Layer"])
@pytest.mark.parametrize("lengths", [None, [1, 6, 3, 6, 2, 1, 5]])
def test_the_number_of_threads_changes_no_bit(kind, lengths, cell, results):
    first, *others = results(nl.Sequence(cell(kind), backend="numba"), 7, 6, lengths=lengths)
    assert all(other == first for other in others)


@pytest.mark.usefixtures("always_split")
@pytest.mark.parametrize("batch", [1, 2, 3, 20])
def test_sums_over_many_rows_are_cut_without_a_change(batch, cell, results):
    first, *others = results(nl.Sequence(cell("LSTM", hidden=17), backend="numba"), batch, 150, wrt="parameters")
    assert all(other == first for other in others)


def test_work_worth_a_thread_is_split_without_a_change(cell, results, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nanolstm.compile.kernel.WORTH_A_THREAD", 10**12)
        alone = results(nl.Sequence(cell("LSTM", hidden=17), backend="numba"), 16, 100, wrt="parameters")
    assert results(nl.Sequence(cell("LSTM", hidden=17), backend="numba"), 16, 100, wrt="parameters") == alone


@pytest.mark.usefixtures("always_split")
def test_more_threads_than_sequences_are_no_harm(cell, data):
    model = nl.Sequence(cell("Diagonal"), backend="numba")
    d = data(model, 2, 5)
    nl.set_num_threads(1)
    expected = flat(model.value_and_grad(d.x, d.target, wrt=d.wrt, lengths=[1, 5]))
    nl.set_num_threads(16)
    assert flat(model.value_and_grad(d.x, d.target, wrt=d.wrt, lengths=[1, 5])) == expected


def test_a_process_runs_on_as_many_threads_as_it_is_told(monkeypatch):
    default = nl.get_num_threads()
    assert default >= 1
    monkeypatch.setenv("NANOLSTM_NUM_THREADS", "3")
    nl.set_num_threads(None)
    assert nl.get_num_threads() == 3
    nl.set_num_threads(5)
    assert nl.get_num_threads() == 5
    nl.set_num_threads(None)
    assert nl.get_num_threads() == 3


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", True])
def test_a_number_of_threads_is_a_number_from_1_on(wrong):
    with pytest.raises(nl.errors.InputError, match=r"set_num_threads\(.*expected a number of threads from 1 on"):
        nl.set_num_threads(wrong)


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_of_threads_in_the_environment_is_told(wrong, monkeypatch):
    monkeypatch.setenv("NANOLSTM_NUM_THREADS", wrong)
    nl.set_num_threads(None)
    with pytest.raises(nl.errors.InputError, match=r"NANOLSTM_NUM_THREADS=.*expected a number of threads from 1 on"):
        nl.get_num_threads()


@pytest.mark.usefixtures("always_split")
def test_an_error_in_a_slice_is_raised_after_all_have_ended():
    from nanolstm.kernels.threads import run_all

    ended = []

    def fails(signals):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_all([lambda signals: ended.append(0), fails, lambda signals: ended.append(2)])
    assert sorted(ended) == [0, 2]
