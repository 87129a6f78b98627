"""A key names the same fault after files have moved and names have changed, and no other fault."""

import pytest

from .equivalents import Equivalents, all_keys
from .mutants import changes, mutant
from .tree import Tree

ORIGINAL = '''
import numpy as np

def width(matrix, rows: int) -> int:
    """The width."""
    total = matrix.count + 1
    return total - rows
'''

RENAMED = """
from elsewhere import numpy as np
LIMIT = 3

class Plan:
    def breadth(self_matrix, n):
        # a comment
        size = self_matrix.number + 1
        return size - n
"""


def keys(source):
    tree = Tree.of(source)
    return {(c.kind, made.after): made.key for c in changes(tree) if (made := mutant("file.py", tree, c))}


def test_the_key_survives_another_file_another_name_and_another_comment():
    one, other = keys(ORIGINAL), keys(RENAMED)
    assert one["constant off by one", "2"] == other["constant off by one", "2"]
    assert one["arithmetic replaced", "(total + rows)"] == other["arithmetic replaced", "(size + n)"]


def test_each_change_of_a_function_has_a_key_of_its_own():
    assert len(set(keys(ORIGINAL).values())) == len(keys(ORIGINAL))


def test_another_constant_in_the_function_changes_the_key():
    assert set(keys(ORIGINAL).values()).isdisjoint(keys(ORIGINAL.replace("+ 1", "+ 5")).values())


def test_an_entry_excuses_its_mutant_and_a_function_decides_where_two_look_alike(tmp_path):
    file = tmp_path / "equivalent.toml"
    file.write_text('[[mutant]]\nkey = "k"\nfunction = "f"\nreason = "speed alone"\n')
    named = Equivalents.read(file)
    assert named.reason("k", "renamed") == "speed alone"
    assert named.reason("k", "g", frozenset({"k"})) is None
    assert named.reason("k", "f", frozenset({"k"})) == "speed alone"
    assert named.reason("other", "f") is None
    assert named.stale(["other"]) == ["k"]


def test_an_entry_without_a_reason_is_an_error(tmp_path):
    file = tmp_path / "equivalent.toml"
    file.write_text('[[mutant]]\nkey = "k"\nfunction = "f"\n')
    with pytest.raises(ValueError, match="entry 1 lacks reason"):
        Equivalents.read(file)


def test_functions_that_differ_in_names_alone_share_their_keys():
    twins = "def f(x):\n    return g(x, 1)\n\n\ndef h(y):\n    return k(y, 1)\n"
    assert set(all_keys([twins]).values()) == {2}


def test_the_file_of_equivalents_can_be_read():
    assert all(reason for functions in Equivalents.read().reasons.values() for reason in functions.values())
