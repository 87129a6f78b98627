"""`nl.check` checks the kernels too: in poisoned memory, at two hidden sizes, with batches of every kind."""

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, gate, identity, normal, param

pytest.importorskip("numba", reason="the kernels are compiled by Numba")


class Scored(Cell):
    new: Gate = gate(np.tanh)
    score: Gate = gate(identity, U=None)

    def step(self, x, h):
        h = self.new(x, h)
        return h * np.mean(self.score(h), axis=-1, keepdims=True), h


def of_kernels(report):
    return {row.over: row for row in report.rows if row.what == "kernels"}


def test_kernels_are_checked_at_two_sizes_over_batches_of_every_kind():
    report = nl.check(Scored, backend="numba")
    assert report.ok, str(report)
    from nanolstm.kernels.lanes import lanes

    batches = [
        "B = 1",
        "B = 2",
        "B = 2 + lengths, resets",
        *(f"B = {1 + lanes(64)}{x}" for x in ("", " + lengths, resets")),
    ]
    assert [*of_kernels(report)] == [f"hidden {hidden}, {batch}" for hidden in (5, 32) for batch in batches]
    assert of_kernels(nl.check(Scored, backend="numpy")) == {}


def test_a_product_that_reads_unwritten_memory_fails_the_check(monkeypatch):
    monkeypatch.setattr("nanolstm.compile.kernel_steps.is_contiguous", lambda *_: True)
    monkeypatch.setattr("nanolstm.compile.kernel_steps.check_strides", lambda *_: None)
    report = nl.check(Scored, inputs=2, hidden=17, backend="numba")
    assert not report.ok
    assert all(not row.passed for row in of_kernels(report).values())
    assert "the gradient by" in of_kernels(report)["hidden 17, B = 1"].where


def test_a_matrix_that_is_packed_in_one_layout_and_read_in_another_fails_the_check(monkeypatch):
    from nanolstm.compile.kernel import Call

    pack = Call.pack
    monkeypatch.setattr(Call, "pack", lambda self, matrix, room, **_: pack(self, matrix, room))
    report = nl.check(nl.cells.SLSTM, inputs=2, hidden=4, backend="numba")
    failed = {over for over, row in of_kernels(report).items() if not row.passed}
    assert failed == {"hidden 4, B = 1"}


def test_the_kernels_of_a_cell_that_is_made_are_checked_in_its_own_dtype():
    report = nl.check(Scored(inputs=3, hidden=9, dtype="float32", rng=1), backend="numba")
    assert report.ok, str(report)
    errors = [row.error for row in of_kernels(report).values()]
    assert max(errors) > 1e-9
    assert all(row.allowed == 1e-3 for row in of_kernels(report).values())


def test_a_cell_without_kernels_is_told_to_run_in_numpy(monkeypatch):
    def refuse(*_):
        raise NotImplementedError("no kernel computes this")

    monkeypatch.setattr("nanolstm.compile.numba_target.schedule", refuse)
    report = nl.check(Scored, inputs=2, hidden=6, backend="numba")
    assert report.ok
    assert "NumPy runs it: no kernel for Scored.step: no kernel computes this" in str(report)


class Stepped(Cell):
    """The step reads `rate`, and no gradient reaches it."""

    rate: Array = param("hidden", normal(1.0))
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.new(x, h) * np.floor(2 + np.tanh(self.rate))
        return h, h


def test_gradients_that_are_zero_everywhere_are_named():
    report = nl.check(Stepped, backend="numpy")
    assert report.ok, str(report)
    assert report.zero_gradients == ("rate",)
    assert "The gradient by rate is zero everywhere" in report.verdict()
    assert nl.check(Scored, backend="numpy").zero_gradients == ()


@pytest.mark.parametrize(("name", "heads"), [("SLSTM(heads=4)", 4), ("SLSTM(heads=2)", 2), ("SLSTM(heads=3)", 3)])
def test_heads_have_more_than_one_unit_by_default(name, heads):
    hidden = int(nl.check(name, backend="numpy", time=3, batch=2).cell.partition("hidden=")[2].partition(",")[0])
    assert hidden >= 2 * heads
