"""A training as a file: when it is written, what it is refused for, and what becomes of a damaged one."""

import shutil
import signal

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.errors import (
    CheckpointMismatchError,
    DamagedFileError,
    FileAccessError,
    ForeignFileError,
    InputError,
    MissingFileError,
)
from nanolstm.store import archive

OPTIONS = {"batch_size": 7, "epochs": 4, "optimizer": "adam(lr=0.02)", "validation": 0.25, "rng": 5}


def epoch_of(path):
    return archive.read(path, kind="checkpoint").description["values"]["epoch"]


def bits(model, run):
    return [view.copy() for view in model.parameters.values()], run.history.drop(columns="seconds").to_numpy()


def assert_same(one, other):
    for mine, theirs in zip([*one[0], one[1]], [*other[0], other[1]], strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.fixture
def path(tmp_path, make, sums):
    """The checkpoint of a training of two of its four epochs."""
    nl.fit(make(), sums, checkpoint=tmp_path / "run.ckpt", **{**OPTIONS, "epochs": 2})
    return tmp_path / "run.ckpt"


def test_a_training_goes_on_from_a_file_with_the_same_bits(path, make, sums):
    whole, parts = make(), make(rng=99)
    assert epoch_of(path) == 2
    assert_same(bits(parts, nl.fit(parts, sums, resume=path, **OPTIONS)), bits(whole, nl.fit(whole, sums, **OPTIONS)))


def test_resume_true_begins_where_there_is_no_file_and_goes_on_where_there_is(tmp_path, make, sums):
    whole, parts, seen = make(), make(), []
    expected = bits(whole, nl.fit(whole, sums, **OPTIONS))
    for epochs in (3, 4):
        model = make()
        again = {**OPTIONS, "epochs": epochs, "callbacks": lambda training: seen.append(training.epoch)}
        run = nl.fit(model, sums, checkpoint=tmp_path / "run", resume=True, **again)
    assert seen == [1, 2, 3, 4]
    assert_same(bits(model, run), expected)
    with pytest.raises(MissingFileError):
        nl.fit(parts, sums, resume=tmp_path / "none", **OPTIONS)
    with pytest.raises(InputError, match="resume=True: from which file"):
        nl.fit(parts, sums, resume=True)


def test_it_is_written_as_often_as_is_asked_for(tmp_path, make, sums):
    seen, path = [], tmp_path / "run"

    class Looks:
        def step_end(self, training):
            seen.append(epoch_of(path))

    nl.fit(make(), sums, callbacks=Looks(), checkpoint=nl.Checkpoint(path, every_epochs=3), epochs=8)
    assert seen == [0, 0, 0, 3, 3, 3, 6, 6]
    assert epoch_of(path) == 8


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"optimizer": "adam(lr=0.1)"}, r"optimizer: Adam\(.*lr=0.02.* then, Adam\(.*lr=0.1.* now"),
        ({"batch_size": 6}, "batch_size: 7 then, 6 now"),
        ({"batching": "ordered"}, r"batching: Shuffled\(\) then, Ordered\(\) now"),
        ({"loss": "mae"}, "loss: mse then, mae now"),
        ({"validation": None}, "validation: x .* then, none now"),
        ({"clip": 1.0}, r"clip: None then, Clip\(norm=1.0, value=None\) now"),
        ({"rng": np.random.RandomState(0)}, "rng: Generator of PCG64 then, RandomState of MT19937 now"),
    ],
)
def test_a_checkpoint_of_other_options_is_refused_and_changes_nothing(path, make, sums, flat, change, text):
    model = make(rng=99)
    before = flat(model)
    with pytest.raises(CheckpointMismatchError, match=text) as raised:
        nl.fit(model, sums, resume=path, **{**OPTIONS, **change})
    assert str(raised.value).startswith(str(path))
    np.testing.assert_array_equal(flat(model), before)


def test_a_checkpoint_of_another_model_or_other_data_is_refused(path, make, sums):
    with pytest.raises(CheckpointMismatchError, match=r"model: Leaky.* then, 0.Leaky.*, 1.Leaky.* now"):
        nl.fit(make(cells=2), sums, resume=path, **OPTIONS)
    with pytest.raises(CheckpointMismatchError, match=r"data: x \(18, 10, 2\).* then, x \(18, 9, 2\).* now"):
        nl.fit(make(), (sums[0][:, 1:], sums[1][:, 1:]), resume=path, **OPTIONS)
    with pytest.raises(CheckpointMismatchError, match=r"data: x \(18, 10, 2\).* then, x \(18, 10, 2\).* now"):
        nl.fit(make(), (sums[0] + 1e-9, sums[1]), resume=path, **OPTIONS)


def test_a_cell_whose_step_was_edited_is_refused(path, make, sums, leaky):
    class Edited(leaky):
        def step(self, x, h):
            h = nl.sigmoid(self.rate) * h - x @ self.U.T
            return h, h

    Edited.__name__, Edited.__qualname__ = leaky.__name__, leaky.__qualname__
    with pytest.raises(CheckpointMismatchError, match="computed something else then than it does now"):
        nl.fit(make(kind=Edited), sums, resume=path, **OPTIONS)


def test_its_state_goes_on_with_other_options(path, make, sums):
    run = nl.fit(make(), sums, resume=nl.Checkpoint(path).state(), **{**OPTIONS, "optimizer": "adam(lr=0.001)"})
    assert list(run.history["lr"]) == [0.02, 0.02, 0.001, 0.001]


def test_what_was_ended_for_good_stays_ended_and_a_limit_of_time_does_not(tmp_path, make, sums):
    for for_good, epochs in ((True, 2), (False, 4)):
        path, model = tmp_path / f"run {for_good}", make()

        def stop(training, for_good=for_good):
            if training.epoch == 2:
                training.stop("so", for_good=for_good)

        nl.fit(model, sums, checkpoint=path, callbacks=stop, **OPTIONS)
        run = nl.fit(make(), sums, checkpoint=path, resume=True, **OPTIONS)
        assert len(run.history) == epochs
        assert (run.why == "so") is for_good


def test_after_ctrl_c_the_last_checkpoint_stays(tmp_path, make, sums):
    path, whole, parts = tmp_path / "run", make(), make(rng=99)

    class Interrupts:
        def step_end(self, training):
            if training.steps == 8:
                signal.raise_signal(signal.SIGINT)

    keep = {"checkpoint": nl.Checkpoint(path, every_epochs=1)}
    assert nl.fit(make(), sums, callbacks=Interrupts(), **keep, **OPTIONS).stopped == "interrupted"
    assert epoch_of(path) == 2
    expected = bits(whole, nl.fit(whole, sums, **OPTIONS))
    assert_same(bits(parts, nl.fit(parts, sums, **keep, resume=True, **OPTIONS)), expected)


def test_damaged_and_foreign_files_are_refused_and_never_begun_anew(path, make, sums):
    whole = path.read_bytes()
    for kind, content in {"cut": whole[:-9], "flipped": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]}.items():
        broken = path.with_name(kind)
        broken.write_bytes(content)
        with pytest.raises(DamagedFileError, match="damaged"):
            nl.fit(make(), sums, checkpoint=broken, resume=True, **OPTIONS)
        assert broken.read_bytes() == content
    nl.save(make(), path)
    with pytest.raises(ForeignFileError, match="holds a 'model'; expected a 'checkpoint'"):
        nl.fit(make(), sums, resume=path, **OPTIONS)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays, told: arrays.pop("parameters"),
        lambda arrays, told: arrays.update(parameters=np.zeros(1)),
        lambda arrays, told: arrays.pop("history.loss"),
        lambda arrays, told: told.pop("values"),
        lambda arrays, told: told["values"].update(epoch=-1),
        lambda arrays, told: told["values"].update(rng={"kind": "Generator", "bit_generator": "PCG64"}),
        lambda arrays, told: told.update(trials=[]),
    ],
)
def test_a_file_that_was_made_up_is_refused_and_changes_nothing(path, make, sums, flat, spoil):
    held, model = archive.read(path, kind="checkpoint"), make(rng=99)
    before = flat(model)
    spoil(held.arrays, held.description)
    archive.write(path, held.arrays, held.description, kind="checkpoint")
    with pytest.raises(DamagedFileError, match="is damaged, or made up"):
        nl.fit(model, sums, resume=path, **OPTIONS)
    np.testing.assert_array_equal(flat(model), before)


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_trained(tmp_path, make, sums, flat):
    model = make()
    before = flat(model)
    with pytest.raises(FileAccessError, match="there is no folder"):
        nl.fit(model, sums, checkpoint=tmp_path / "none" / "run")
    np.testing.assert_array_equal(flat(model), before)


def test_the_frozen_parameters_of_a_checkpoint_come_back(tmp_path, sums):
    class Reservoir(nl.Cell):
        U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot(), frozen=True)
        b: nl.Array = nl.param("hidden", 0.0)

        def step(self, x, h):
            h = np.tanh(x @ self.U.T + h + self.b)
            return h, h

    models = [nl.Sequence(Reservoir(inputs=2, hidden=3, rng=seed), readout=1, rng=0) for seed in (0, 1)]
    nl.fit(models[0], sums, checkpoint=tmp_path / "run", **{**OPTIONS, "epochs": 2})
    shutil.copy(tmp_path / "run", tmp_path / "copy")
    runs = [nl.fit(model, sums, resume=tmp_path / "copy", **OPTIONS) for model in models]
    assert_same(bits(models[1], runs[1]), bits(models[0], runs[0]))
    np.testing.assert_array_equal(models[1].frozen["U"], models[0].frozen["U"])


@pytest.mark.parametrize("given", [{"checkpoint": 3}, {"checkpoint": ""}, {"resume": 3}, {"resume": ({}, [])}], ids=str)
def test_what_is_no_checkpoint_is_refused(make, sums, given):
    with pytest.raises(InputError, match="expected"):
        nl.fit(make(), sums, **given)
    for options in ({"every_epochs": 0}, {"every_epochs": True}, {"every_seconds": 0}, {"every_seconds": "5"}):
        with pytest.raises(InputError, match="expected a number of"):
            nl.Checkpoint("run", **options)
