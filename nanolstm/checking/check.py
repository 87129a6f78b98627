"""Whether a cell is traced as it runs, and derived as it is: every derivative beside differences of eager runs.

A derivative is compared with central differences along random directions: where all comes together, with lengths and
resets, one for each parameter, input and first state, so that none hides behind another, and elsewhere one for each
group of them. A difference is taken at several step sizes, and how far two of them are apart says how much it can be
trusted: where the step has a kink nearby they disagree, and another point is tried.

A truncated gradient is no derivative of the loss. It is compared with what it means: each chunk of steps starts from
the state that the chunk before ended with, held fixed, and the gradient is that of the chunks' losses together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import attrs
import numpy as np

from nanolstm.cells.find import find_cell
from nanolstm.checking.bench import Bench
from nanolstm.checking.comparisons import comparisons
from nanolstm.checking.kernel_runs import kernel_comparisons
from nanolstm.checking.report import Report, Row
from nanolstm.compile.backend import chosen
from nanolstm.compile.poison import poisoned
from nanolstm.errors import InputError, one_line
from nanolstm.language.cell import Cell
from nanolstm.language.declaration import settings_of

SIZES = ((2, 5), (3, 6), (3, 8), (6, 6), (8, 8), (4, 12), (16, 16), (3, 4), (4, 4))
"""Inputs and hidden sizes in the order in which they are tried: some cells have heads, some have inputs = hidden.

With four heads a hidden size of 4 would leave one unit for each, which hides what goes wrong within a head.
"""

USUAL = ((8, 32), (32, 32), (8, 64), (64, 64), (8, 48))
"""The same for the usual size, at which kernels are checked as well."""


def check(
    cell: Cell | type[Cell] | str,
    *,
    inputs: int | None = None,
    hidden: int | None = None,
    time: int = 6,
    batch: int = 4,
    seed: int = 0,
    tolerance: float = 1e-7,
    backend: str = "auto",
    tell: Callable[[str], None] | None = None,
    **fields: Any,
) -> Report:
    """Check that a cell is traced as it runs, and that all its derivatives are right.

    ```python
    import numpy as np
    import nanolstm as nl

    class Leaky(nl.Cell):
        new: nl.Gate = nl.gate(np.tanh)

        def step(self, x, h):
            h = 0.9 * h + 0.1 * self.new(x, h)
            return h, h

    report = nl.check(Leaky)
    assert report.ok, report
    ```

    The step is traced; runs of the graph are compared with eager ones, in output, last states and recorded values;
    `value_and_grad` and `jvp` with central differences of eager runs, by each parameter, x, each feed and each first
    state; `hvp` with differences of gradients. All this for one sequence, a batch, unequal lengths, resets, first
    states and truncation; checkpoints must change nothing. Numbers are random and in float64: parameters are as drawn
    plus a little noise, so that no zero hides anything. A state that counts (its values are whole) is not moved.

    Where models run in kernels, these are compared with NumPy: outputs, states, recorded values and gradients of one
    sequence, of two and of one more than a vector of the processor holds, with lengths and resets, at a small and at a
    usual hidden size. In all runs work memory is poisoned: filled with NaN before each call, and guarded.

    Args:
        cell: a class, which is made at a small size that fits it; a cell, whose own numbers are then taken and left as
            they are; or a name as `--cell` takes it.
        inputs: the width of x; by default the first small one that fits.
        hidden: the hidden size; likewise.
        time: the steps of a sequence.
        batch: the sequences of a batch.
        seed: of all that is random.
        tolerance: the largest relative error of a first derivative; a second one may have ten times that.
        backend: "numpy" leaves the kernels out, "numba" demands them; "auto" checks them where models run in them.
        tell: called with what comes next, for a display of progress.
        fields: values for the fields of the class.

    Raises:
        TraceError: the step does something of which no derivative can be taken; the text says where.
        CellError: the step itself is wrong, as in a run.
        InputError: `cell` is none, or sizes are given with a cell that is made already.
        UnknownNameError: there is no cell of that name.
    """
    if time < 3 or batch < 2:
        raise InputError(f"check(time={time}, batch={batch}): expected 3 steps and 2 sequences, or more")
    told = tell or (lambda _: None)
    made = _made(cell, inputs, hidden, seed, fields)
    with np.errstate(all="ignore"), poisoned():
        bench = Bench(made, time, batch, seed)
        told("trace")
        graph = bench.trace()
        rows = [Row("trace", f"a step, {len(graph.nodes())} nodes", None, None, passed=True)]
        for work in comparisons(bench, tolerance):
            told(f"{work.what} over {work.over}")
            rows.append(work.done())
        if chosen(backend) != "numpy":
            for one in _in_kernels(cell, made, inputs, hidden, {**fields, "rng": seed}):
                for work in kernel_comparisons(one, time, seed):
                    told(f"{work.what} over {work.over}")
                    rows.append(work.done())
        zero = bench.zero_gradients() if all(row.passed for row in rows) else ()
    unread = _unread(made, {node.name for node in graph.nodes() if node.op.name == "input"})
    zero = tuple(name for name in zero if name not in unread)
    advice = " ".join(line for line in (_advice(made, unread), _about_zeros(zero), _about_sizes(made)) if line)
    return Report(repr(made), tuple(rows), len(graph.nodes()), unread, advice, zero)


def _in_kernels(cell: Any, made: Cell, inputs: int | None, hidden: int | None, fields: dict[str, Any]) -> list[Cell]:
    """The cells whose kernels are checked: one that was given in its own dtype, a class also at a usual size."""
    if isinstance(cell, Cell):
        own: Cell = attrs.evolve(cast("Any", made), dtype=cell.dtype, rng=0)
        for ours, theirs in ((own.parameters, cell.parameters), (own.frozen, cell.frozen)):
            for name in ours:
                ours[name] = theirs[name]
        return [own]
    if inputs or hidden:
        return [made]
    kind = type(made)
    given = find_cell(cell)[1] if isinstance(cell, str) else {}
    return [made, _fitting(kind, None, None, {**given, **fields, "dtype": "float64"}, USUAL)]


def _about_zeros(zero: tuple[str, ...]) -> str:
    """What to say of gradients that are zero everywhere."""
    if not zero:
        return ""
    return (
        f"The gradient by {', '.join(zero)} is zero everywhere: the step reads it, and no change of it reaches the "
        "output (through np.floor, np.sign, a comparison, or a state that nothing reads)."
    )


def _made(cell: Any, inputs: int | None, hidden: int | None, seed: int, fields: dict[str, Any]) -> Cell:
    """A cell of its own in float64: what is checked may not be changed."""
    if isinstance(cell, str):
        cell, given = find_cell(cell)
        fields = {**given, **fields}
    if isinstance(cell, type) and issubclass(cell, Cell):
        return _fitting(cell, inputs, hidden, {**fields, "rng": seed, "dtype": "float64"})
    if not isinstance(cell, Cell):
        raise InputError(f"check({cell!r}): expected a cell, its class or its name; of a model write model.cells[0]")
    if fields or inputs or hidden:
        raise InputError("check: a cell that is made has its sizes and fields; give the class to choose others")
    twin: Cell = attrs.evolve(cast("Any", cell), dtype="float64", rng=seed)
    for ours, theirs in ((twin.parameters, cell.parameters), (twin.frozen, cell.frozen)):
        for name in ours:
            ours[name] = theirs[name].astype(np.float64)
    return twin


def _fitting(
    kind: type[Cell],
    inputs: int | None,
    hidden: int | None,
    fields: dict[str, Any],
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> Cell:
    """A cell of the first size that its class takes; where it takes none, the error is that of the first."""
    refused: Exception | None = None
    for m, k in dict.fromkeys((inputs or m, hidden or k) for m, k in sizes):
        try:
            return kind(inputs=m, hidden=k, **fields)
        except Exception as error:  # noqa: BLE001  (a step that does not like the size may raise anything)
            refused = refused or error
    assert refused is not None
    raise refused


def _about_sizes(cell: Cell) -> str:
    """What to say of a cell that is as wide as its input: there, a matrix may be the wrong way round."""
    if cell.inputs != cell.hidden:
        return ""
    fields = {name: getattr(cell, name) for name in settings_of(type(cell)) if name not in ("inputs", "hidden", "rng")}
    try:
        type(cell)(inputs=cell.inputs, hidden=2 * cell.hidden, **fields, rng=0)
    except Exception as error:  # noqa: BLE001  (whatever a step does that does not like the size)
        return f"It runs where inputs and hidden are equal, and not otherwise: {one_line(error)}."
    return ""


def _unread(cell: Cell, read: set[str]) -> tuple[str, ...]:
    starts = {part.start for part in cell.anatomy.states.values() if isinstance(part.start, str)}
    return tuple(key for key in cell.anatomy.parameters if key not in read and key not in starts)


def _advice(cell: Cell, unread: tuple[str, ...]) -> str:
    """What to write so that nothing is trained in vain: a whole gate is absent, of another a weight is left out."""
    if not unread:
        return ""
    gates = cell.anatomy.gates
    whole = [name for name, gate in gates.items() if gate.keys and set(gate.keys.values()) <= set(unread)]
    whole += [name for name, key in cell.anatomy.params.items() if key in unread]
    rest = [key for key in unread if key.partition(".")[0] not in whole]
    lines = [f"`{name} = absent`" for name in whole]
    lines += [f"`{key.partition('.')[0]}: Gate = gate(...)` without {key.partition('.')[2]}" for key in rest]
    return f"No step reads {', '.join(unread)}, which would be trained in vain; write {', '.join(lines)}."
