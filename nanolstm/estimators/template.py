"""A freshly drawn model from what an estimator is told of its cell."""

from __future__ import annotations

from typing import Any

from nanolstm.cells.find import find_cell
from nanolstm.errors import InputError
from nanolstm.language.cell import Cell
from nanolstm.sequence import Sequence

HIDDEN = 16


def fresh_model(
    cell: Any, *, hidden: int | None, inputs: int, outputs: int, bidirectional: bool, backend: Any, seeds: Any
) -> Sequence:
    """A model whose parameters are newly drawn, whatever `cell` has been used for.

    Args:
        cell: a registered name, a class, a cell, or a list of these, from the lowest up.
        hidden: of cells that are given by name or class; None for 16.
        inputs: the width of the data.
        outputs: the width of the linear readout on top.
        bidirectional: as for `Sequence`.
        backend: as for `Sequence`.
        seeds: an iterator of ints, one for each cell and one for the model.

    Raises:
        InputError: something that is no cell, or a cell of another size.
        UnknownNameError: no such cell is registered.
    """
    cells: list[Cell] = []
    several = isinstance(cell, list | tuple)
    for i, one in enumerate(cell if several else [cell]):
        width = inputs if i == 0 else cells[-1].outputs * (2 if bidirectional else 1)
        where = f"cell[{i}]" if several else "cell"
        cells.append(_fresh(one, where, hidden, width, next(seeds)))
    return Sequence(cells, bidirectional=bidirectional, readout=outputs, backend=backend, rng=next(seeds))


def _fresh(given: Any, where: str, hidden: int | None, inputs: int, seed: int) -> Cell:
    if isinstance(given, Cell):
        if given.inputs != inputs:
            raise InputError(
                f"{where}={given!r} has inputs={given.inputs}, and is given {inputs}: a sequence (n, T, M) has M, a "
                f"table (n, T) has 1. Make it with inputs={inputs}, or give its class, whose inputs are then found"
            )
        if hidden not in (None, given.hidden):
            raise InputError(
                f"hidden={hidden!r} beside {where}={given!r}: a cell that is made has its size; leave hidden= out, or "
                "give the class"
            )
        return given.fresh(seed)
    if isinstance(given, str):
        kind, fields = find_cell(given)
    elif isinstance(given, type) and issubclass(given, Cell):
        kind, fields = given, {}
    else:
        raise InputError(
            f"{where}={given!r}: expected the name of a registered cell, such as 'LSTM', a class of cells, a cell, or "
            "a list of these from the lowest up"
        )
    return kind(inputs=inputs, hidden=HIDDEN if hidden is None else hidden, rng=seed, **fields)
