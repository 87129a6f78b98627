"""Work memory is large enough for every call, written before it is read, and never left."""

import attrs
import numpy as np
import pytest

import nanolstm as nl
from nanolstm.compile import numba_target, poison, verify
from nanolstm.compile.index import Affine
from nanolstm.compile.memory import Memory
from nanolstm.compile.packed_matrix import PackedMatrix
from nanolstm.compile.programs import Variant
from nanolstm.errors import WorkspaceError
from nanolstm.gradient.rows import Rows
from nanolstm.graph.node import input_node
from nanolstm.traced import programs_of

pytest.importorskip("numba", reason="the kernels are compiled by Numba")


def lengths_of_every_kind(rng):
    for _ in range(300):
        slices = int(rng.integers(1, 13))
        batch, time = int(rng.integers(slices, 60)), int(rng.integers(1, 40))
        skewed = np.ones(batch, int)
        skewed[rng.integers(batch)] = time
        yield slices, time, rng.integers(1, time + 1, batch)
        yield slices, time, skewed
        yield slices, time, (rng.uniform(size=batch) ** 8 * (time - 1) + 1).astype(int)


def test_no_slice_is_empty_and_none_has_a_sequence_more_than_its_share():
    for slices, time, lengths in lengths_of_every_kind(np.random.default_rng(0)):
        rows = Rows(time, len(lengths), lengths, slices)
        sizes = np.diff(rows.sequences)
        assert sizes.min() >= 1
        assert sizes.sum() == len(lengths)
        of_each = np.add.reduceat(lengths[rows.order], rows.sequences[:-1])
        assert of_each.max() <= lengths.sum() / slices + lengths.max()
        rows.steps().check()


def test_one_long_sequence_among_short_ones_has_the_gradient_that_numpy_gives():
    cell = nl.cells.LSTM(inputs=2, hidden=24, rng=0)
    lengths = np.ones(200, int)
    lengths[7] = 300
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(200, 300, 2)), rng.normal(size=(200, 300, cell.outputs))
    found = [
        nl.Sequence(cell, backend=backend).value_and_grad(x, target, loss="mse", lengths=lengths)
        for backend in ("numba", "numpy")
    ]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    for name, value in found[1][1].items():
        np.testing.assert_allclose(found[0][1][name], value, rtol=1e-9, atol=1e-12)


def test_a_step_with_more_rows_than_memory_is_refused(monkeypatch, cell, data):
    model = nl.Sequence(cell("LSTM"), backend="numba")
    d = data(model, 4, 7)
    monkeypatch.setattr("nanolstm.compile.steps.Steps.widest", 3)
    with pytest.raises(WorkspaceError, match="a step has 4 rows in one slice, where memory is for 3"):
        model.value_and_grad(d.x, d.target, loss="mse")


# The switch itself, shown by faults that are planted.


def test_a_planted_write_behind_the_end_is_found(monkeypatch, cell, data):
    model = nl.Sequence(cell("LSTM"), backend="numba")
    d = data(model, 4, 7)
    taken = Memory.take

    def too_small(self, shape, dtype):
        return (
            taken(self, (shape[0] - 1, *shape[1:]), dtype)
            if len(shape) == 2 and shape[0] == 4
            else taken(self, shape, dtype)
        )

    monkeypatch.setattr(Memory, "take", too_small)
    monkeypatch.setattr("nanolstm.compile.kernel.Call._check_sizes", lambda self: None)
    with poison.poisoned(), pytest.raises(WorkspaceError, match="compiled code wrote behind work buffer"):
        model.value_and_grad(d.x, d.target, loss="mse")


def test_without_the_switch_nothing_is_filled():
    with poison.poisoned(on=False):
        memory = Memory()
        array = memory.take((3, 2), np.dtype("float64"))
        array[...] = 1.0
        memory.poison()
        assert not memory.guarded


@pytest.mark.parametrize(("dtype", "value"), [("float32", np.nan), ("int64", 2**62 - 1), ("bool", True)])
def test_poison_is_a_value_that_spoils_whatever_reads_it(dtype, value):
    with poison.poisoned():
        array = Memory().take((3, 2), np.dtype(dtype))
    np.testing.assert_array_equal(array, np.full((3, 2), value, dtype))


# The verifier, shown by plans that are spoiled.


SPOILED = {
    "stages in the wrong order": lambda plan: attrs.evolve(plan, stages=list(plan.stages)[::-1]),
    "a stage that is left out": lambda plan: attrs.evolve(plan, stages=list(plan.stages)[:-1]),
    "a value that is not stored": lambda plan: attrs.evolve(plan, stored=frozenset()),
}
"""Plans with one thing wrong, by what it is."""


@pytest.fixture
def plans(monkeypatch, cell):
    """What the verifier is called with for the forward and the backward kernel of a cell."""

    def of(kind):
        found = []

        def keep(*arguments):
            found.append(arguments)
            verify.check_order(*arguments)

        monkeypatch.setattr(numba_target, "check_order", keep)
        one = cell(kind)
        variant = Variant(wrt=frozenset(one.parameters), kernel="float64", firsts=False)
        numba_target.written(programs_of(one).wanted_pair(variant)[0], "float64")
        return found

    return of


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "LayerNorm"])
def test_a_spoiled_plan_is_refused(kind, how, plans):
    refused = 0
    for plan, *rest in plans(kind):
        if len(plan.stages) > 1:
            with pytest.raises(verify.PlanFault, match="a fault of nanolstm"):
                verify.check_order(SPOILED[how](plan), *rest)
            refused += 1
    assert refused


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "LayerNorm"])
@pytest.mark.parametrize("row", ["thread", "p + r"])
def test_memory_for_fewer_rows_than_are_read_is_refused(kind, row, plans):
    refused = 0
    for plan, must, _, names in plans(kind):
        if plan.sums or row == "thread":
            with pytest.raises(verify.PlanFault, match=r"in memory for one (row|step)|added up over the rows"):
                verify.check_order(plan, must, lambda node: row, names)
            refused += 1
    assert refused


def test_an_element_outside_of_its_row_is_refused():
    place = Affine(1, {"j": 2})
    verify.check_within(place, 6, {"j": 3}, "h")
    with pytest.raises(verify.PlanFault, match="reaches from 1 to 7 in a row of 6"):
        verify.check_within(place, 6, {"j": 4}, "h")
    with pytest.raises(verify.PlanFault, match="no loop over j"):
        verify.check_within(place, 6, {"k": 3}, "h")


def test_a_product_that_reads_a_repeated_number_as_a_vector_is_refused():
    def repeated(index):
        return index[0].times(0) + Affine(2)

    verify.check_strides(repeated, (4,), 2, [0], 6, "d_h")
    with pytest.raises(verify.PlanFault, match=r"reads element \(3,\) at 5, which stands at 2 of 6"):
        verify.check_strides(repeated, (4,), 2, [1], 6, "d_h")


def test_a_matrix_is_read_in_no_layout_but_its_own():
    matrix = input_node("A", (2, 3), lead=False)
    columns, panels = (
        PackedMatrix("A_packed", matrix, transposed=False, columns_if_alone=own) for own in (True, False)
    )
    assert columns.in_columns("j", "k", alone=True) == "A_packed[q, 2 * k + j]"
    assert columns.panels(alone=False) == panels.panels(alone=None) == "A_packed, q * A_packed.shape[1]"
    for read in (
        lambda: columns.panels(alone=None),
        lambda: columns.panels(alone=True),
        lambda: panels.in_columns("j", "k", alone=True),
        lambda: columns.in_columns("j", "k", alone=None),
    ):
        with pytest.raises(AssertionError, match="A_packed may stand in"):
            read()
