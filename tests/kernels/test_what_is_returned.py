"""What a call returns is the caller's own, also while other calls go on."""

import gc
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

import nanolstm as nl


def arrays(result):
    """All arrays of a result, whatever holds them."""
    if isinstance(result, np.ndarray):
        return [result]
    values = result.values() if hasattr(result, "keys") else result if isinstance(result, tuple | list) else ()
    return [array for value in values for array in arrays(value)]


def everything(model, d, **more):
    """Of one call of each kind, those with gradients by everything and by the parameters alone."""
    recording = model.record(d.x, **more)
    return (
        model(d.x, return_state=True, **more),
        (recording.y, recording.state, recording),
        model.value_and_grad(d.x, d.target, wrt=d.wrt, **more),
        model.value_and_grad(d.x, d.target, **more),
    )


@pytest.mark.parametrize("kind", ["ToyLSTM", "Delayed", "Layer"])
@pytest.mark.parametrize("leading", [(3, 7), (7,)])
@pytest.mark.parametrize("more", [{}, {"checkpoint_every": 3, "truncate": 2}])
def test_results_stay_what_they_are_when_the_model_is_called_again(kind, leading, more, cell, data):
    model = nl.Sequence(cell(kind), backend="numba")
    one, other = data(model, *leading), data(model, *leading, seed=1)
    calls = [
        lambda d: model(d.x, return_state=True),
        lambda d: model.value_and_grad(d.x, d.target, wrt=d.wrt, **more),
        lambda d: model.value_and_grad(d.x, d.target, **more),
    ]
    if not more and kind in ("ToyLSTM", "Delayed"):
        calls.append(lambda d: [rec := model.record(d.x), rec.y, rec.state])
    for call in calls:
        found = arrays(call(one))
        before = [np.array(array) for array in found]
        call(other)
        for array, expected in zip(found, before, strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("kind", ["ToyLSTM", "Delayed"])
@pytest.mark.parametrize("leading", [(3, 7), (7,), (1, 1)])
def test_results_are_writable_and_share_memory_with_nothing(kind, leading, cell, data):
    model = nl.Sequence(cell(kind), backend="numba")
    d = data(model, *leading)
    for result in everything(model, d):
        found = arrays(result)
        given = [d.x, d.target, *model.parameters.values(), *model.frozen.values()]
        for i, array in enumerate(found):
            assert array.flags.writeable
            for other in [*found[:i], *given]:
                assert not np.shares_memory(array, other)


def test_writing_to_results_changes_no_later_one(cell, data):
    model = nl.Sequence(cell("ToyLSTM"), backend="numba")
    d = data(model, 3, 7)
    expected = [np.array(array) for array in arrays(everything(model, d))]
    for array in arrays(everything(model, d)):
        array[...] = np.nan
    for array, value in zip(arrays(everything(model, d)), expected, strict=True):
        np.testing.assert_array_equal(array, value)


def test_a_call_after_an_error_gives_the_right_results(cell, data):
    model = nl.Sequence(cell("ToyLSTM"), backend="numba")
    d = data(model, 3, 7)
    expected = arrays(everything(model, d))
    with pytest.raises(nl.errors.InputError):
        model.value_and_grad(d.x, d.target[:, :-1])
    for array, value in zip(arrays(everything(model, d)), expected, strict=True):
        np.testing.assert_array_equal(array, value)


def test_parameters_and_settings_that_change_between_calls_are_seen(cell, data):
    model, reference = (nl.Sequence(cell("ToyLSTM"), backend=backend) for backend in ("numba", "numpy"))
    d = data(model, 3, 7)

    def agree():
        for array, value in zip(arrays(everything(model, d)), arrays(everything(reference, d)), strict=True):
            np.testing.assert_allclose(array, value, rtol=1e-10, atol=1e-12)

    agree()
    for changed in (model, reference):
        changed.parameters["forget.W"][...] = 0.3
    agree()
    for changed in (model, reference):
        changed.parameters["forget.b"] = np.ones(3)
    agree()
    for changed in (model, reference):
        changed.cells[0].parameters.flat[...] *= 0.5
    agree()


@pytest.mark.parametrize("split", [False, True])
def test_threads_that_call_one_model_at_once_get_what_is_theirs(split, cell, data, cut_into_slices):
    if split:
        cut_into_slices(1)
        nl.set_num_threads(3)
    model = nl.Sequence(cell("ToyLSTM"), backend="numba")
    # Twelve shapes: more than are kept ready.
    given = [data(model, 1 + i % 3, 5 + i, seed=i) for i in range(12)]
    lengths = [None if i % 4 else np.arange(1, 2 + i % 3) for i in range(12)]
    expected = [arrays(everything(model, d, lengths=k)) for d, k in zip(given, lengths, strict=True)]
    wrong, failed = [], []
    begin = threading.Barrier(4)

    def work(seed):
        try:
            begin.wait()
            for i in np.random.default_rng(seed).integers(0, 12, 60):
                found = arrays(everything(model, given[i], lengths=lengths[i]))
                if not all(map(np.array_equal, found, expected[i])):
                    wrong.append(i)
        except BaseException as error:  # noqa: BLE001  # told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert wrong == []


def test_a_model_is_freed_with_what_it_worked_in(cell, data):
    model = nl.Sequence(cell("ToyLSTM"), backend="numba")
    everything(model, data(model, 3, 7))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
