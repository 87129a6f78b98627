"""A file is what it was or what it is to be, whatever fails and whenever the process is killed."""

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from nanolstm.errors import FileAccessError
from nanolstm.store import archive
from nanolstm.store.atomic import replacing

pytestmark = pytest.mark.filterwarnings("error")


def numbers(path):
    return archive.read(path, kind="run").arrays["a"]


def write(path, value, count=4):
    archive.write(path, {"a": np.full(count, float(value))}, {}, kind="run")


@pytest.fixture
def old(tmp_path):
    """A file that holds ones, alone in its folder."""
    write(tmp_path / "file", 1)
    return tmp_path / "file"


def assert_untouched(old):
    np.testing.assert_array_equal(numbers(old), np.ones(4))
    assert [path.name for path in old.parent.iterdir()] == ["file"], "something was left behind"


def test_a_new_file_takes_the_place_of_an_old_one(old):
    write(old, 2)
    np.testing.assert_array_equal(numbers(old), np.full(4, 2.0))
    assert [path.name for path in old.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_when_the_system_refuses_the_old_file_stays(old, monkeypatch, function):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, function, refuse)
    with pytest.raises(FileAccessError, match="file cannot be written: No space left on device") as caught:
        write(old, 2)
    assert isinstance(caught.value, OSError)
    monkeypatch.undo()
    assert_untouched(old)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_when_the_writer_stops_half_way_the_old_file_stays(old, error):
    def stop_half_way():
        with replacing(old) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        stop_half_way()
    assert_untouched(old)


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on the size of files is a thing of POSIX")
def test_on_a_full_disk_the_old_file_stays(old):
    """A limit on the size of files refuses the write itself, half-way, as a full disk does."""
    code = f"""
    import resource
    import numpy as np
    from nanolstm.errors import FileAccessError
    from nanolstm.store import archive

    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    try:
        archive.write({str(old)!r}, {{"a": np.zeros(10_000)}}, {{}}, kind="run")
    except FileAccessError as error:
        print(error)
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert f"{old} cannot be written: File too large" in ran.stdout
    assert_untouched(old)


def test_the_data_is_on_the_disk_before_the_name_is_and_then_the_name(old, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (done.append(f"fsync of {os.fstat(handle).st_size > 32}"), fsync(handle))
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), replace(a, b)))
    write(old, 2)
    assert done[:2] == ["fsync of True", "replace"]
    assert len(done) == 3 or sys.platform == "win32"


@pytest.mark.parametrize(
    ("name", "reason"), [("nowhere/file", "there is no folder .*nowhere"), (".", "it is a folder"), ("a\0b", "null")]
)
def test_a_path_that_cannot_be_is_refused(tmp_path, name, reason):
    with pytest.raises(FileAccessError, match=f"cannot be written: .*{reason}"):
        write(f"{tmp_path}/{name}", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to_is_refused(old):
    old.parent.chmod(0o500)
    with pytest.raises(FileAccessError, match="Permission denied"):
        write(old, 2)
    old.parent.chmod(0o700)
    assert_untouched(old)


@pytest.mark.skipif(sys.platform == "win32", reason="links and permissions are others there")
def test_a_link_stays_a_link_and_permissions_stay(tmp_path):
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "file", tmp_path / "link"
    write(real, 1)
    assert real.stat().st_mode & 0o777 == 0o666 & ~_umask(), "a new file has what the user's umask says"
    real.chmod(0o640)
    link.symlink_to(real)
    write(link, 2)
    assert link.is_symlink()
    np.testing.assert_array_equal(numbers(real), np.full(4, 2.0))
    assert real.stat().st_mode & 0o777 == 0o640


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_name_as_long_as_a_name_may_be_is_written(tmp_path):
    path = tmp_path / ("n" * 255)
    write(path, 1)
    np.testing.assert_array_equal(numbers(path), np.ones(4))


def test_what_a_killed_process_left_is_removed_later_and_nothing_else_is(old):
    killed, other, fresh = (old.parent / name for name in (".file.0123.part", "data.part", ".file.4567.part"))
    for path in (killed, other, fresh):
        path.write_bytes(b"half")
    yesterday = time.time() - 86400
    for path in (killed, other):
        os.utime(path, (yesterday, yesterday))
    write(old, 2)
    assert sorted(path.name for path in old.parent.iterdir()) == [".file.4567.part", "data.part", "file"]


WRITER = """
import os, signal, sys
import numpy as np
from nanolstm.store import archive

path, moment = sys.argv[1:]
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if moment != "any":
    setattr(os, moment, kill)
print("ready", flush=True)
value = 2.0
while True:
    archive.write(path, {"a": np.full(200_000, value)}, {}, kind="run")
    print(value, flush=True)
    value += 1.0
"""

posix = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a thing of POSIX")


@posix
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_process_that_is_killed_before_it_is_done_leaves_the_old_file(old, moment):
    ran = subprocess.run([sys.executable, "-c", WRITER, str(old), moment], capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL
    np.testing.assert_array_equal(numbers(old), np.ones(4))


@posix
def test_a_process_that_is_killed_at_any_moment_leaves_one_file_or_the_other(old):
    waits = random.Random(0)
    for writes in range(4):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(old), "any"], stdout=subprocess.PIPE) as process:
            for _ in range(1 + writes):  # "ready", and what has been written
                process.stdout.readline()
            time.sleep(waits.uniform(0.0, 0.02))
            process.kill()
        found = numbers(old)
        assert (found == found[0]).all()
        assert len(found) == (4 if found[0] == 1.0 else 200_000)
        assert found[0] >= 1.0 + writes
