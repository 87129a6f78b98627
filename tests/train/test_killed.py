"""A training that is killed, whenever that is, and started again ends with the bits of one that was not."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("killed.py")
WAYS = ("shuffled", "patience", "target", "stateful", "lbfgs")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are things of POSIX")


def program(*arguments):
    ran = subprocess.run([sys.executable, PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def check(folder, way, kills, seed):
    places = int(program("kill", folder, way, kills, seed))
    assert places >= 3, "it was hardly ever killed in the middle: the test tests nothing"
    for _ in range(2):  # by another process, for which addresses in memory are others; the second finds it over
        program("end", folder, way)
        whole, parts = np.load(folder / "whole.npz"), np.load(folder / "parts.npz")
        assert whole.files == parts.files
        for name in whole.files:
            np.testing.assert_array_equal(parts[name], whole[name])


@pytest.mark.parametrize("way", ["shuffled", "patience"])
def test_a_training_that_is_killed_many_times_ends_with_the_same_bits(tmp_path, way):
    check(tmp_path, way, 8, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_is_killed_very_many_times_ends_with_the_same_bits(tmp_path, way, seed):
    check(tmp_path, way, 100, seed)
