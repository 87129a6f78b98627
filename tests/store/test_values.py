"""Plain values as JSON: they come back as what they were, and what is not plain is refused."""

import enum
import json
import math

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanolstm.errors import DescriptionError
from nanolstm.store.values import decoded, encoded, parsed

numpy_numbers = st.one_of(
    st.floats(width=32, allow_nan=False).map(np.float32),
    st.floats(allow_nan=False).map(np.float64),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.integers(0, 255).map(np.uint8),
    st.booleans().map(np.bool_),
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), numpy_numbers)
words = st.one_of(st.text(), st.sampled_from(["tuple", "dict", "float", "numpy"]))
plain = st.recursive(
    leaves,
    lambda inside: st.one_of(st.lists(inside), st.lists(inside).map(tuple), st.dictionaries(words, inside, max_size=3)),
    max_leaves=12,
)


def as_types(value):
    """The value with the type of each part, since True == 1 == 1.0 == np.float32(1), and -0.0 == 0."""
    if isinstance(value, dict):
        return {key: as_types(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [as_types(part) for part in value]
    return type(value), repr(value)


@settings(max_examples=150, deadline=None)
@given(plain)
def test_a_plain_value_comes_back_as_what_it_was(value):
    text = json.dumps(encoded(value, "it"), allow_nan=False)
    assert as_types(decoded(parsed(text))) == as_types(value)


def test_nan_comes_back_as_nan():
    assert math.isnan(decoded(parsed(json.dumps(encoded(math.nan, "it"), allow_nan=False))))


class Colour(enum.IntEnum):
    RED = 1


@attrs.frozen
class Endless:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "value",
    [
        np.tanh,
        np.zeros(2),
        object(),
        {1: 2},
        {2},
        b"x",
        1j,
        np.complex64(1),
        Colour.RED,
        Endless(),
        1 << 5000,
        range(3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_not_come_back_is_refused_and_named(value):
    with pytest.raises(DescriptionError, match=r"settings\['a'\]\[1\] is .* a file holds None, bool"):
        encoded({"a": [1, value]}, "settings")


def test_a_list_that_holds_itself_is_refused():
    ring = []
    ring.append(ring)
    with pytest.raises(DescriptionError, match="holds itself"):
        encoded(ring, "it")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
        ("[NaN]", "NaN is no JSON"),
        ("-Infinity", "-Infinity is no JSON"),
        ("[" * 100_000, "nested without end"),
        ('{"a":' * 100_000, "nested without end"),
        ("1" * 5000, "4300"),
        ("{", "Expecting"),
        (b"\xff\xfe\xff", "decode"),
    ],
)
def test_json_that_is_not_strict_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parsed(text)


@pytest.mark.parametrize(
    "value",
    [
        {"float": 1.0},
        {"float": "infinity"},
        {"float": ["inf"]},
        {"tuple": {}},
        {"dict": []},
        {"numpy": 1},
        {"numpy": ["int8", 300]},
        {"numpy": ["int8", 1.5]},
        {"numpy": ["bool", 3]},
        {"numpy": ["float32", 1e60]},
        {"numpy": ["object", 1]},
        {"numpy": [[], 1]},
        {"numpy": ["int8", 1, 1]},
    ],
    ids=str,
)
def test_what_was_never_encoded_is_not_decoded(value):
    with pytest.raises(ValueError, match=r"is no value|not enough|too many"):
        decoded([value])
