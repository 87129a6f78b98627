"""The draw is the same for a seed, spreads over files and kinds, and never takes a place twice."""

import itertools
from collections import Counter
from pathlib import Path

import pytest

from .drawing import Sources, drawn
from .operators import OPERATORS

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sources():
    return Sources.found(PROJECT)


@pytest.fixture(scope="module")
def hundred(sources):
    return list(itertools.islice(drawn(sources, seed=1), 100))


def test_a_seed_draws_the_same_mutants_each_time(sources):
    few = Sources(dict(itertools.islice(sources.files.items(), 3)))
    one, again, other = (list(itertools.islice(drawn(few, seed), 10)) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_no_two_mutants_change_the_same_place(hundred):
    assert max(Counter(found.key for found in hundred).values()) == 1


def test_a_hundred_mutants_are_of_many_files_and_nearly_all_kinds(sources, hundred):
    folders = Counter(Path(found.file).parts[1] for found in hundred)
    assert set(folders) == {"compile", "kernels", "graph", "gradient"}
    assert len({found.kind for found in hundred}) >= len(OPERATORS) - 3
    assert max(Counter(found.file for found in hundred).values()) <= 12


def test_the_draw_ends_when_each_place_has_had_a_mutant():
    small = Sources({"p/a.py": "x = a + b\n", "p/b.py": "y = f(1)\n"})
    found = list(drawn(small, seed=0))
    assert sorted(made.file for made in found) == ["p/a.py", "p/b.py"]


def test_sources_are_found_by_walking_folders(tmp_path):
    (tmp_path / "pack" / "deep" / "er").mkdir(parents=True)
    (tmp_path / "pack" / "deep" / "er" / "one.py").write_text("x = 1\n")
    assert Sources.found(tmp_path, "pack", ["deep"]).files == {"pack/deep/er/one.py": "x = 1\n"}
    with pytest.raises(FileNotFoundError, match="--folders"):
        Sources.found(tmp_path, "pack", ["gone"])


def test_the_digest_changes_with_a_source():
    assert Sources({"a.py": "1"}).digest != Sources({"a.py": "2"}).digest
