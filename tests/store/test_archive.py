"""Arrays and a description in one file: exactly what was written, or an error that names the file and the reason."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

import nanolstm
from nanolstm.errors import (
    DamagedFileError,
    DescriptionError,
    FileAccessError,
    ForeignFileError,
    MissingFileError,
    NanolstmError,
    NewerFileError,
)
from nanolstm.store import archive

DTYPES = sorted(archive.DTYPES.values())
arrays = st.dictionaries(
    st.sampled_from(["input.U", "0.forward.h", "../../etc/passwd", "sha256", "gewählt", 'a "b" \\', "0" * 64]),
    st.sampled_from(DTYPES).flatmap(
        lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    max_size=4,
)


def known(**more):
    return {"format": 1, "kind": "model", "version": "0.1.0", "description": {}, **more}


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def assert_equal_bits(found, written):
    assert found.keys() == written.keys()
    for name, array in written.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@settings(max_examples=60, deadline=None)
@given(arrays)
def test_arrays_come_back_to_the_last_bit_and_are_the_readers_own(tmp_path_factory, given_arrays):
    path = tmp_path_factory.mktemp("files") / "file"
    archive.write(path, given_arrays, {"step": 3, "sizes": (1, 2), "best": float("inf")}, kind="run")
    held = archive.read(path, kind="run")
    assert_equal_bits(held.arrays, given_arrays)
    assert held.description == {"step": 3, "sizes": (1, 2), "best": float("inf")}
    assert all(array.flags.writeable for array in held.arrays.values())


def test_an_array_in_another_order_of_axes_or_bytes_keeps_its_numbers(tmp_path):
    numbers = np.arange(6.0).reshape(2, 3)
    given_arrays = {
        "turned": numbers.T,
        "every other": numbers[:, ::2],
        "big": numbers.astype(">f8"),
        "one": np.array(2),
    }
    archive.write(tmp_path / "file", given_arrays, {}, kind="run")
    for name, array in archive.read(tmp_path / "file", kind="run").arrays.items():
        np.testing.assert_array_equal(array, given_arrays[name])
        assert array.shape == given_arrays[name].shape


def test_safetensors_itself_reads_the_arrays(tmp_path):
    written = {"input.U": np.arange(6.0).reshape(2, 3), "h": np.float32([1, np.nan])}
    archive.write(tmp_path / "file", written, {"a": 1}, kind="run")
    assert_equal_bits(load_file(tmp_path / "file"), written)


def test_the_same_arrays_make_the_same_file(tmp_path):
    for name in ("one", "other"):
        archive.write(tmp_path / name, {"b": np.ones(3), "a": np.zeros(2)}, {"z": 1, "a": 2}, kind="run")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("name", "array"),
    [("a", np.zeros(2, complex)), ("a", np.array(["x"])), ("a", np.array([None])), ("", 1.0), (3, 1.0), ("a\nb", 1.0)],
    ids=repr,
)
def test_an_array_that_a_file_cannot_hold_is_refused_before_anything_is_written(tmp_path, name, array):
    with pytest.raises(DescriptionError, match=r"file cannot be written: .*(array|name)"):
        archive.write(tmp_path / "file", {name: array}, {}, kind="run")
    assert not list(tmp_path.iterdir())


def test_a_description_that_a_file_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(DescriptionError, match=r"file cannot be written: the description\['f'\] is .*ufunc"):
        archive.write(tmp_path / "file", {}, {"f": np.tanh}, kind="run")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small(tmp_path):
    """A file with two arrays, a dict and a number."""
    path = tmp_path / "small"
    archive.write(path, {"a": np.arange(4.0), "b": np.array([True, False])}, {"name": "x", "best": 0.5}, kind="model")
    return path


def test_a_file_that_is_cut_off_anywhere_is_damaged(small):
    whole = small.read_bytes()
    for length in range(len(whole)):
        small.write_bytes(whole[:length])
        with pytest.raises(DamagedFileError, match="small"):
            archive.read(small, kind="model")


def test_a_file_with_something_after_its_end_is_damaged(small):
    small.write_bytes(small.read_bytes() + b"\0")
    with pytest.raises(DamagedFileError, match="checksum"):
        archive.read(small, kind="model")


def test_no_bit_can_change_unnoticed(small):
    whole = small.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        small.write_bytes(changed)
        with pytest.raises(DamagedFileError, match="small"):
            archive.read(small, kind="model")


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_file_with_a_right_checksum_is_read_or_refused_and_never_crashes(small, sealed, seed):
    whole, rng = small.read_bytes(), np.random.default_rng(seed)
    refused = 0
    for _ in range(400):
        changed = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 4)):
            changed[at] = rng.choice([*b'{}[]",:0129-eN\\ ', 0, 255, changed[at] ^ 1])
        small.write_bytes(sealed(bytes(changed)))
        try:
            archive.read(small, kind="model")
        except NanolstmError as error:
            assert "small" in str(error)  # noqa: PT017
            refused += 1
    assert 100 < refused < 400, "either the checksum is not right, or nothing is refused"


FOUR = np.arange(4.0)
HOSTILE = {
    "arrays that overlap": ([("a", entry("F64", [2], 0, 16)), ("b", entry("F64", [3], 8, 32))], known(), "table"),
    "an array beyond the end": ([("a", entry("F64", [5], 0, 40))], known(), "table"),
    "a part that is no array's": ([("a", entry("F64", [3], 8, 32))], known(), "table"),
    "an end before its beginning": ([("a", entry("F64", [4], 32, 0))], known(), "table"),
    "a shape that is too large": ([("a", entry("F64", [2**40, 2**40], 0, 32))], known(), "table"),
    "a negative shape": ([("a", entry("F64", [-4], 0, 32))], known(), "table"),
    "another dtype's size": ([("a", entry("F32", [4], 0, 32))], known(), "table"),
    "a dtype that there is not": ([("a", entry("F99", [4], 0, 32))], known(), "table"),
    "a dtype that we do not write": ([("a", entry("BF16", [16], 0, 32))], known(), "BF16"),
    "bools that are none": ([("a", entry("BOOL", [32], 0, 32))], known(), "bool"),
    "one name twice": (
        [("a", entry("F64", [2], 0, 16)), ("a", entry("F64", [2], 16, 32))],
        known(),
        "'a' stands twice",
    ),
    "an entry that is none": ([("a", 3)], known(), "table"),
    "no description": ([], "", "no JSON"),
    "a description that is a list": ([], "[1]", "lacks"),
    "a description with one key twice": ([], '{"sha256":"' + "0" * 64 + '","format":1,"format":1}', "stands twice"),
    "NaN": ([], '{"sha256":"' + "0" * 64 + '","format":NaN}', "NaN is no JSON"),
    "deep nesting": ([], "[" * 100_000, "nested without end"),
    "deep lists": ([], known(description={"a": json.loads("[" * 400 + "]" * 400)}), "50 deep"),
    "deep dicts": ([], known(description={"a": json.loads('{"b":' * 400 + "1" + "}" * 400)}), "50 deep"),
    "no checksum": ([], '{"format":1}', "lacks 'sha256'"),
    "a checksum that is none": ([], known(sha256="\ud800" * 64), "checksum is none"),
    "a checksum in another place": ([], '{"kind":"","sha256" : "' + "0" * 64 + '","format":1,"version":""}', "place"),
    "a format that is text": ([], known(format="1"), "lacks 'format'"),
    "a format of true": ([], known(format=True), "lacks 'format'"),
    "a format that never was": ([], known(format=-1), "never was"),
    "a description that is no dict": ([], known(description=[1]), "no dict"),
    "a value that is none": ([], known(description={"a": {"float": "1e5"}}), "is no value"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_reason(tmp_path, made_up, name):
    table, told, reason = HOSTILE[name]
    (tmp_path / "hostile").write_bytes(made_up(table, told, FOUR if table else []))
    with pytest.raises(DamagedFileError, match=f"hostile.*{reason}"):
        archive.read(tmp_path / "hostile", kind="model")


def test_the_files_of_the_test_above_are_read_where_nothing_is_wrong_with_them(tmp_path, made_up):
    (tmp_path / "sound").write_bytes(made_up([("a", entry("F64", [2, 2], 0, 32))], known(description={"a": 1}), FOUR))
    held = archive.read(tmp_path / "sound", kind="model")
    np.testing.assert_array_equal(held.arrays["a"], [[0, 1], [2, 3]])
    assert held.description == {"a": 1}


@pytest.mark.parametrize("length", [0, 1, 2**20, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_a_wrong_length_is_refused_without_reading_it(tmp_path, made_up, length):
    (tmp_path / "hostile").write_bytes(made_up([], known(), [], length=length))
    with pytest.raises(DamagedFileError, match="hostile is damaged"):
        archive.read(tmp_path / "hostile", kind="model")


def test_a_large_file_of_another_kind_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "large"
    save_file({"weight": np.zeros(3, np.float32)}, path)
    os.truncate(path, 1 << 42)  # four terabytes, none of them on the disk
    with pytest.raises(ForeignFileError, match="large is no file of nanolstm's"):
        archive.read(path, kind="model")


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"PK\x03\x04\x14\x00\x08\x08\x00\x00", "zip archive"),
        (b"\x80\x05\x95\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00", "pickle"),
        (b"\x80\x04}q\x00(X\x01\x00\x00", "pickle"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "numpy.save"),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "HDF5"),
        (b"", "empty"),
        (b"a,b,c\n1,2,3\n", "damaged"),
    ],
)
def test_a_foreign_file_is_told_what_it_looks_like(tmp_path, start, reason):
    (tmp_path / "foreign").write_bytes(start)
    with pytest.raises(DamagedFileError, match=f"foreign.*{reason}"):
        archive.read(tmp_path / "foreign", kind="model")


def test_a_safetensors_file_of_others_is_foreign(tmp_path):
    save_file({"weight": np.zeros(3)}, tmp_path / "theirs", metadata={"format": "pt"})
    with pytest.raises(ForeignFileError, match="theirs is no file of nanolstm's: its header has no description"):
        archive.read(tmp_path / "theirs", kind="model")


def test_a_file_of_a_newer_version_says_so(tmp_path, made_up):
    told = {"format": 7, "kind": "model", "version": "3.1.0", "parts": "nothing that we know"}
    (tmp_path / "newer").write_bytes(made_up([("a", entry("BF16", [16], 0, 32))], told, FOUR))
    with pytest.raises(NewerFileError, match=r"newer was written by nanolstm '3.1.0' in format 7; this is nanolstm "):
        archive.read(tmp_path / "newer", kind="model")


def test_a_damaged_file_is_not_taken_for_a_newer_one(small):
    whole = small.read_bytes()
    small.write_bytes(whole.replace(b'\\"format\\":1', b'\\"format\\":9'))
    assert small.read_bytes() != whole
    with pytest.raises(DamagedFileError, match="checksum"):
        archive.read(small, kind="model")


def test_a_file_of_another_kind_is_foreign(small):
    with pytest.raises(ForeignFileError, match="small holds a 'model'; expected a 'checkpoint'"):
        archive.read(small, kind="checkpoint")


def test_a_file_that_is_not_there_is_a_missing_file(tmp_path):
    for path in (tmp_path / "nothing", f"{tmp_path}/a\0b"):
        with pytest.raises(MissingFileError) as caught:
            archive.read(path, kind="model")
        assert isinstance(caught.value, FileNotFoundError)


def test_a_folder_and_a_pipe_are_refused_at_once(tmp_path):
    with pytest.raises(FileAccessError, match="it is a folder"):
        archive.read(tmp_path, kind="model")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FileAccessError, match="no regular file"):
            archive.read(tmp_path / "pipe", kind="model")


def test_the_version_that_wrote_a_file_stands_in_it(small):
    assert f'\\"version\\":\\"{nanolstm.__version__}\\"'.encode() in small.read_bytes()


def test_safetensors_is_imported_when_it_is_used(small):
    code = "import sys, nanolstm.store.archive as archive; assert 'safetensors' not in sys.modules; "
    subprocess.run([sys.executable, "-c", f"{code} archive.read({str(small)!r}, kind='model')"], check=True)
