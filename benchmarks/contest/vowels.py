"""JapaneseVowels: nine speakers say two vowels one after the other; who is it? Read from the wheel of aeon.

12 cepstral coefficients for each of 7 to 29 time steps; 270 utterances to train on, 370 to test.

Source: Kudo, Toyama & Shimbo (1999), Multidimensional curve classification using passing-through regions, Pattern
Recognition Letters 20(11-13), 1103-1111; UCI Machine Learning Repository, Japanese Vowels.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from contest.task import Examples

MEMBER = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_{}.ts"


class NoVowelsError(Exception):
    """The data cannot be had."""


def vowels(wheel: Path | None = None) -> tuple[Examples, Examples]:
    """Those to train on and those to test, x (B, 29, 12) in float32 and classes 0 to 8.

    Args:
        wheel: of aeon, whichever version; None: pip is asked for it. It is not installed, and nothing of it is run.

    Raises:
        NoVowelsError: there is no wheel, or the data is not in it.
    """
    if wheel is not None:
        return _in_wheel(wheel)
    with tempfile.TemporaryDirectory() as folder:
        return _in_wheel(_downloaded(Path(folder)))


def _downloaded(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
    asked = subprocess.run([*pip, "aeon"], check=False, capture_output=True, text=True)
    wheels = list(folder.glob("aeon-*.whl"))
    if asked.returncode or not wheels:
        why = asked.stderr.strip().splitlines() or ["it wrote no wheel"]
        raise NoVowelsError(
            f"pip could not download the wheel of aeon, in which the data lies ({why[-1]}); where there is no network, "
            "give one that is there: --wheel aeon-1.6.0-py3-none-any.whl"
        )
    return wheels[0]


def _in_wheel(wheel: Path) -> tuple[Examples, Examples]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            train, test = (archive.read(MEMBER.format(part)).decode() for part in ("TRAIN", "TEST"))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise NoVowelsError(f"{wheel}: JapaneseVowels cannot be read from it ({error})") from error
    return examples(train), examples(test)


def examples(text: str) -> Examples:
    """What a file says: below `@data` a sequence a line, `values:values:...:class`, the values of a dimension each."""
    lines = text.partition("@data")[2].split()
    rows = [line.split(":") for line in lines]
    series = [np.array([part.split(",") for part in dimensions], dtype="float32").T for *dimensions, _ in rows]
    lengths = np.array([len(one) for one in series])
    x = np.zeros((len(series), lengths.max(), series[0].shape[1]), "float32")
    for padded, one in zip(x, series, strict=True):
        padded[: len(one)] = one
    return Examples(x, np.array([int(label) - 1 for *_, label in rows]), lengths)
