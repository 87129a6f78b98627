"""The checks of addresses agree with counting: every element of every loop is looked at one by one."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from nanolstm.compile.index import Affine
from nanolstm.compile.verify import PlanFault, check_strides, check_within

FACTORS = st.integers(-3, 3).filter(bool)


def refuses(check, *arguments):
    try:
        check(*arguments)
    except PlanFault:
        return True
    return False


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    const=st.integers(-2, 8),
    terms=st.dictionaries(st.sampled_from("jkl"), FACTORS),
    ranges=st.fixed_dictionaries({name: st.integers(0, 4) for name in "jkl"}),
    width=st.integers(0, 12),
)
def test_a_place_is_within_a_row_if_each_of_its_values_is(const, terms, ranges, width):
    counted = itertools.product(*(range(ranges[name]) for name in terms))
    values = [const + sum(f * at for f, at in zip(terms.values(), count, strict=True)) for count in counted]
    inside = all(0 <= value < width for value in values)
    assert refuses(check_within, Affine(const, terms), width, ranges, "h") is not inside


@settings(max_examples=600, deadline=None, derandomize=True)
@given(
    shape=st.lists(st.integers(0, 4), max_size=3).map(tuple),
    factors=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    strides=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    starts=st.tuples(st.integers(-1, 2), st.integers(-1, 2)),
    same=st.sets(st.sampled_from([0, 1, 2, "start"])),
    turned=st.booleans(),
    width=st.integers(0, 30),
)
def test_strides_are_right_if_each_element_is_read_where_it_stands(
    shape, factors, strides, starts, same, turned, width
):
    strides = [factors[i] if i in same else strides[i] for i in range(len(shape))]
    if turned:  # the transposed matrix: its first element and its last stand in the same places
        strides = factors[: len(shape)][::-1]
    start, read = starts[0], starts[0 if "start" in same else 1]

    def address(index):
        place = Affine(start)
        for where, factor in zip(index, factors, strict=False):
            place += where.times(factor)
        return place

    right = all(
        start + sum(a * f for a, f in zip(at, factors, strict=False))
        == (found := read + sum(a * s for a, s in zip(at, strides, strict=True)))
        and 0 <= found < width
        for at in itertools.product(*map(range, shape))
    )
    assert refuses(check_strides, address, shape, read, strides, width, "h") is not right
