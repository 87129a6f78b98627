"""The folder in which compiled kernels are kept: found again by other processes, and whatever may be wrong with it."""

import errno
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

from numba.core.event import install_recorder

import nanolstm as nl
from nanolstm import Cell
from nanolstm.compile import cache
from nanolstm.errors import KernelWarning

X = np.array([[1.0], [2.0], [3.0]])

SCRIPT = """
import numba.core.event, numpy as np, nanolstm as nl

class Half(nl.Cell):
    def step(self, x, h):
        h = 0.5 * h + x
        return h, h

model = nl.Sequence(Half(inputs=1, hidden=1), backend="numba")
with numba.core.event.install_recorder("numba:compile") as compiled:
    y = model(np.array([[1.0], [2.0], [3.0]]))
assert y[:, 0].tolist() == [1.0, 2.5, 4.25], y
print(len(compiled.buffer) > 0)
"""


def new_model(factor=0.5, name="Half", **more):
    """A model of a class that nothing is known of yet, which halves its state, or what `factor` says."""

    def step(self, x, h):
        h = factor * h + x
        return h, h

    kind = type(Cell)(name, (Cell,), {"step": step})
    return nl.Sequence(kind(**{"inputs": 1, "hidden": 1} | more), backend="numba")


def is_right(model):
    return model(X)[:, 0].tolist() == [1.0, 2.5, 4.25]


def folders(place):
    """What is in a cache folder, whatever it is."""
    return sorted(path.name for path in (place / "kernels").iterdir())


def in_another_process():
    """Forget all that this process has loaded."""
    cache._loaded.clear()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty cache folder, of which this process knows nothing."""
    monkeypatch.setenv("NANOLSTM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_loaded", {})
    return tmp_path / "cache"


@pytest.fixture
def made(monkeypatch):
    """A list that gets the name of each kernel that is compiled from now on."""
    found, make = [], cache._made

    def made(place, name, *more):
        found.append(name)
        return make(place, name, *more)

    monkeypatch.setattr(cache, "_made", made)
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache folder with the kernel of `new_model`, to be copied."""
    place = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NANOLSTM_CACHE", str(place))
        patch.setattr(cache, "_loaded", {})
        assert is_right(new_model())
    return place


@pytest.fixture
def kernel(filled, place):
    """The folder of that kernel in a copy."""
    shutil.copytree(filled, place)
    (folder,) = (place / "kernels").iterdir()
    return folder


# Other processes


def test_another_process_loads_what_one_has_compiled(python, place):
    assert python(SCRIPT) == "True\n"
    (folder,) = folders(place)
    files = sorted(path for path in (place / "kernels").rglob("*") if path.is_file())
    times = [path.stat().st_mtime_ns for path in files]
    assert python(SCRIPT) == "False\n"
    assert folders(place) == [folder]
    assert sorted(path for path in (place / "kernels").rglob("*") if path.is_file()) == files
    assert [path.stat().st_mtime_ns for path in files] == times


@pytest.mark.usefixtures("filled")  # for which what all kernels call is compiled
def test_a_folder_of_numbas_own_changes_nothing(place, made, tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "numba"))
    assert is_right(new_model())
    assert list((place / "kernels").rglob("*.nbc"))
    assert not list((tmp_path / "numba").rglob("*forward*"))
    in_another_process()
    with install_recorder("numba:compile") as compiled:
        assert is_right(new_model())
    assert compiled.buffer == []
    assert len(made) == 1


def test_processes_that_compile_the_same_at_once_leave_one_folder(python, place, made):
    started = [python.start(SCRIPT) for _ in range(3)]
    assert {python.finish(process) for process in started} <= {"True\n", "False\n"}
    assert len(folders(place)) == 1
    assert is_right(new_model())
    assert made == []


def test_what_a_killed_process_has_left_does_no_harm(place, made):
    left = place / "kernels" / ".making-killed"
    left.mkdir(parents=True)
    (left / "Half_step_float64.py").write_text("def forward(")
    assert is_right(new_model())
    in_another_process()
    assert is_right(new_model())
    assert len(made) == 1


def test_one_that_was_faster_is_no_error(place, filled, made, monkeypatch):
    rename = Path.rename

    def late(path, target):
        shutil.copytree(filled / "kernels" / Path(target).name, target)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    assert is_right(new_model())
    assert len(folders(place)) == 1
    assert len(made) == 1


def test_a_copy_of_the_folder_is_as_good(kernel, made):
    assert is_right(new_model())
    assert made == []


# What is another kernel


def test_each_cell_size_and_dtype_has_a_folder_of_its_own(place):
    models = [new_model(), new_model(0.25), new_model(name="Other"), new_model(inputs=2, hidden=2)]
    for model in [*models, new_model(dtype="float32")]:
        model(np.ones((3, model.inputs)))
    assert len(folders(place)) == 5
    assert sum(name.startswith("Half_step_float64-") for name in folders(place)) == 3
    assert sum(name.startswith("Half_step_float32-") for name in folders(place)) == 1


def test_other_numbers_of_parameters_and_data_are_the_same_kernel(place, cell):
    for seed in (0, 1):
        model = nl.Sequence(cell("Diagonal", hidden=5, rng=seed), backend="numba")
        model(np.ones((2 + seed, 3, 2)))
        model(np.ones((4, 2)))
    assert len(folders(place)) == 1


def test_the_same_cell_of_another_class_is_loaded_and_not_compiled(made):
    assert is_right(new_model())
    assert is_right(new_model())
    in_another_process()
    assert is_right(new_model())
    assert len(made) == 1


# A folder that cannot be written to


def compiles_in_memory(place):
    """Whether a model runs with a warning that says what to do, and the same model without one from then on."""
    model = new_model()
    with pytest.warns(KernelWarning, match=rf"cannot be kept in {place}.*NANOLSTM_CACHE names another folder") as told:
        y = model(X)
    assert y[:, 0].tolist() == [1.0, 2.5, 4.25]
    assert len(told) == 1
    assert told[0].category is KernelWarning
    assert is_right(model)
    assert is_right(new_model())


def test_where_no_folder_can_be_made_kernels_are_compiled_in_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NANOLSTM_CACHE", str(tmp_path / "file" / "below"))
    compiles_in_memory(tmp_path / "file" / "below" / "kernels")


def test_a_folder_that_is_read_only_is_told_of(place, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cache.tempfile, "mkdtemp", refused)
    compiles_in_memory(place / "kernels")


def test_a_read_only_folder_that_has_the_kernel_is_enough(kernel, made, monkeypatch):
    refuse_to_write(monkeypatch, errno.EROFS)
    assert is_right(new_model())
    assert made == []


def test_a_full_disk_is_told_of_and_nothing_half_written_is_left(place, monkeypatch):
    with monkeypatch.context() as patch:
        refuse_to_write(patch, errno.ENOSPC)
        compiles_in_memory(place / "kernels")
    assert folders(place) == []


def test_a_disk_that_is_full_when_numba_writes_is_told_of(place, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", full)
    compiles_in_memory(place / "kernels")
    assert folders(place) == []


def refuse_to_write(patch, number):
    """Every attempt to open a file for writing, or to make a folder in the cache, fails."""
    import builtins
    import io

    opened = io.open

    def refuse(file, mode="r", *args, **kwargs):
        if set(mode) & set("wax+") and "cache" in str(file):
            raise OSError(number, "refused", str(file))
        return opened(file, mode, *args, **kwargs)

    patch.setattr(builtins, "open", refuse)
    patch.setattr(io, "open", refuse)


# A folder with which something is wrong


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def one_bit_is_another(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def emptied(path):
    path.write_bytes(b"")


def gone(path):
    path.unlink()


def edited(path):
    path.write_text(path.read_text().replace("0.5", "0.75"))


def a_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        *(("*.nbc", harm) for harm in (cut_short, one_bit_is_another, emptied, gone, a_folder)),
        *(("*.nbi", harm) for harm in (one_bit_is_another, emptied, gone)),
        *(("*.py", harm) for harm in (edited, emptied, gone)),
        *(("checksums.json", harm) for harm in (cut_short, emptied, gone, a_folder)),
    ],
)
def test_a_kernel_with_which_something_is_wrong_is_compiled_again(file, harm, kernel, made):
    (path,) = kernel.rglob(file)
    harm(path)
    assert is_right(new_model())
    assert len(made) == 1
    in_another_process()
    assert is_right(new_model())
    assert len(made) == 1, "what was compiled again is not found"


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "sums", ["[]", "null", "{}", '{"a": 1}', "1e400", "{", "\xff", NESTED], ids=lambda sums: sums[:12]
)
def test_checksums_of_any_kind_but_the_right_one_are_not_trusted(sums, kernel, made):
    (kernel / "checksums.json").write_text(sums, encoding="latin-1")
    assert is_right(new_model())
    assert len(made) == 1
    in_another_process()
    assert is_right(new_model())
    assert len(made) == 1, "what was compiled again is not found"


@pytest.mark.parametrize("file", ["*.nbi", "*.nbc", "*.py"])
def test_what_cannot_be_read_is_compiled_again_though_checksums_are_right(file, kernel, made):
    for path in kernel.rglob(file):
        path.write_bytes(b"\x80\x04." if file != "*.py" else b"raise RecursionError")
    (kernel / "checksums.json").write_text(json.dumps(cache._checksums(kernel)))
    assert is_right(new_model())
    assert len(made) == 1
    assert kernel.is_dir()


def test_an_index_of_another_version_of_numba_is_not_used(kernel, made):
    (index,) = kernel.rglob("*.nbi")
    index.write_bytes(pickle.dumps("0.1.2") + index.read_bytes())
    (kernel / "checksums.json").write_text(json.dumps(cache._checksums(kernel)))
    with install_recorder("numba:compile") as compiled:
        assert is_right(new_model())
    assert made == []
    assert compiled.buffer


def test_a_file_that_does_not_belong_there_is_not_trusted(kernel, made):
    (kernel / "__pycache__" / "other.nbc").write_bytes(b"")
    assert is_right(new_model())
    assert len(made) == 1


def test_an_edited_source_is_not_run(kernel, made):
    (path,) = kernel.glob("*.py")
    path.write_text(path.read_text() + "\nraise SystemExit\n")
    assert is_right(new_model())
    assert "SystemExit" not in path.read_text()
    assert len(made) == 1


def a_file(path):
    path.write_text("a file")


def a_dangling_link(path):
    path.symlink_to(path.parent / "nowhere")


def a_link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize("put", [a_file, a_dangling_link, a_link_to_itself])
def test_what_is_in_place_of_the_folder_is_replaced_and_told_of_once(put, kernel, made):
    shutil.rmtree(kernel)
    put(kernel)
    with pytest.warns(KernelWarning, match=f"{kernel} was not the folder of a kernel, and has been replaced") as told:
        assert is_right(new_model())
    assert len(told) == 1
    assert kernel.is_dir()
    assert not kernel.is_symlink()
    in_another_process()
    assert is_right(new_model())
    assert len(made) == 1
    assert folders(kernel.parents[1]) == [kernel.name]


def test_a_link_to_a_folder_that_is_damaged_is_replaced_and_not_followed(kernel, made, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("")
    shutil.rmtree(kernel)
    kernel.symlink_to(elsewhere)
    assert is_right(new_model())
    assert not kernel.is_symlink()
    assert (elsewhere / "precious").exists()
    in_another_process()
    assert is_right(new_model())
    assert len(made) == 1


def test_a_link_to_the_folder_is_as_good(kernel, made, tmp_path):
    shutil.move(kernel, tmp_path / "elsewhere")
    kernel.symlink_to(tmp_path / "elsewhere")
    assert is_right(new_model())
    assert made == []


def test_next_to_a_folder_that_can_be_neither_read_nor_removed_is_another(kernel, made, monkeypatch):
    """As that of another user is, in a cache folder with the sticky bit."""
    (kernel / "checksums.json").write_text("another user's")
    rename = Path.rename

    def refused(path, target):
        if path == kernel:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.warns(KernelWarning, match=f"{kernel} can be neither used nor removed; .* kept in {kernel}-2$") as told:
        assert is_right(new_model())
    assert len(told) == 1
    in_another_process()
    assert is_right(new_model())
    assert len(made) == 1
    assert (kernel / "checksums.json").read_text() == "another user's"


def test_where_nothing_can_be_removed_kernels_are_compiled_in_memory(kernel, monkeypatch):
    (kernel / "checksums.json").write_text("another user's")
    for number in range(2, 2 + cache._PLACES):
        kernel.with_name(f"{kernel.name}-{number}").write_text("in the way")

    def refused(path, target):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "rename", refused)
    compiles_in_memory(kernel.parent)


def test_a_cache_folder_that_is_a_dangling_link_is_told_of(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    monkeypatch.setenv("NANOLSTM_CACHE", str(tmp_path / "link"))
    compiles_in_memory(tmp_path / "link" / "kernels")


def test_kernels_whose_classes_differ_in_case_alone_have_two_folders(place):
    for name in ("Half", "half", "HALF"):
        assert is_right(new_model(name=name))
    assert len({name.lower() for name in folders(place)}) == 3


def test_a_source_is_written_whatever_the_encoding_of_the_machine(place, made, monkeypatch):
    write = Path.write_text

    def as_told(path, text, encoding="ascii", **more):
        return write(path, text, encoding=encoding, **more)

    monkeypatch.setattr(Path, "write_text", as_told)
    assert is_right(new_model(name="Étendue"))
    in_another_process()
    assert is_right(new_model(name="Étendue"))
    assert len(made) == 1


def test_a_folder_names_what_is_in_it(kernel):
    sums = json.loads((kernel / "checksums.json").read_text())
    assert set(sums) == {str(path.relative_to(kernel)) for path in kernel.rglob("*.*") if path.name != "checksums.json"}
    assert kernel.name.startswith("Half_step_float64-")


# When they are compiled


def test_compiling_is_announced_at_a_terminal_and_nowhere_else(capsys, monkeypatch):
    new_model(0.125)(X)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    new_model(0.0625)(X)
    assert capsys.readouterr() == ("", "nanolstm: compiling Half_step_float64, once\n")
    new_model(0.0625)(X)
    assert capsys.readouterr() == ("", "")


def test_a_model_that_is_compiled_ahead_of_time_compiles_nothing_later(made, cell, data):
    model = nl.Sequence(cell("Diagonal", hidden=4), readout=7, backend="numba")
    model.compile()
    assert len(made) == 5, "two kinds of running, two of both ways, a loss"
    d = data(model, 2, 5)
    for more in ({}, {"lengths": [5, 3]}, {"resets": d.resets}, {"truncate": 2}, {"checkpoint_every": 2}):
        model.value_and_grad(d.x, d.target, **more)
    model(d.x)
    model.stepper()(d.x[0, 0])
    assert len(made) == 5


def test_running_alone_can_be_compiled_ahead_of_time(made, cell):
    model = nl.Sequence(cell("Diagonal", hidden=6), backend="numba")
    model.compile(gradients=False)
    assert len(made) == 1
    model(np.ones((3, 2)))
    model.stepper(batch=2)(np.ones((2, 2)))
    assert len(made) == 1
