"""The recurrent layers of PyTorch beside our cells: one table, by which their weights are read and written.

PyTorch packs the gates of a layer into one array each: `weight_ih` (G K, M), `weight_hh` (G K, K), `bias_ih` and
`bias_hh` (G K,), and `weight_hr` (P, K) where an LSTM projects its state. Which gate has which rows is the table's
matter; the orientation of a weight, (units, what it multiplies), is the same on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array


@attrs.frozen
class Rows:
    """The rows of one gate, by the keys of the parameters that hold them.

    Both biases of PyTorch add up to `b`, unless the cell keeps the second one apart.
    """

    U: str
    W: str
    b: str
    second_bias: str | None = None


@attrs.frozen
class Layer:
    """One kind of layer.

    Attributes:
        module: its class in `torch.nn`; that of a single step has "Cell" behind it.
        cell: its name in `nl.cells`.
        gates: in the order of PyTorch's rows.
        fixed: the arguments of the module that make it this kind.
        settings: fields of the cell, by the argument of the module that says the same and is not 0.
        projection: the key of `weight_hr`, where there is one.
    """

    module: str
    cell: str
    gates: tuple[Rows, ...]
    fixed: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True)
    settings: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    projection: str | None = attrs.field(default=None, kw_only=True)

    @property
    def kind(self) -> type[Cell]:
        """The cell's class."""
        from nanolstm import cells

        found: type[Cell] = getattr(cells, self.cell)
        return found

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of PyTorch's arrays, without their place in a stack."""
        packed = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return (*packed, "weight_hr") if self.projection else packed

    @property
    def biases(self) -> list[str]:
        """The keys of all biases."""
        return [key for rows in self.gates for key in (rows.b, rows.second_bias) if key]

    def fits(self, module: Any) -> bool:
        """Whether a module of this class is of this kind."""
        fixed = all(getattr(module, name) == value for name, value in self.fixed.items())
        return fixed and all(getattr(module, name, 0) for name in self.settings.values())

    def fields_of(self, module: Any) -> dict[str, Any]:
        """The fields of a cell that computes as `module` does."""
        return {field: getattr(module, name) for field, name in self.settings.items()}

    def arguments_of(self, cell: Cell) -> dict[str, Any]:
        """The arguments of a module that computes as `cell` does."""
        return {**self.fixed, **{name: getattr(cell, field) for field, name in self.settings.items()}}

    def write(self, cell: Cell, given: Mapping[str, Array]) -> None:
        """Write PyTorch's arrays into the parameters of `cell`; biases that are not given are 0."""
        none = np.zeros(len(given["weight_ih"]), cell.dtype)
        packed = [given.get(name, none) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        parts = zip(*(np.split(array, len(self.gates)) for array in packed), strict=True)
        for rows, (U, W, first, second) in zip(self.gates, parts, strict=True):
            cell.parameters[rows.U] = U
            cell.parameters[rows.W] = W
            cell.parameters[rows.b] = first if rows.second_bias else first + second
            if rows.second_bias:
                cell.parameters[rows.second_bias] = second
        if self.projection:
            cell.parameters[self.projection] = given["weight_hr"]

    def read(self, cell: Cell) -> dict[str, Array]:
        """PyTorch's arrays from the parameters of `cell`: a bias that is one here is all in `bias_ih`."""
        values = cell.parameters

        def bias(key: str | None) -> Array:
            return values[key] if key and key in values else np.zeros(cell.hidden, cell.dtype)

        packed = {
            "weight_ih": [values[rows.U] for rows in self.gates],
            "weight_hh": [values[rows.W] for rows in self.gates],
            "bias_ih": [bias(rows.b) for rows in self.gates],
            "bias_hh": [bias(rows.second_bias) for rows in self.gates],
        }
        if self.projection:
            packed["weight_hr"] = [values[self.projection]]
        return {name: np.concatenate(parts) for name, parts in packed.items()}


def _rows(*gates: str, second_bias: str | None = None) -> tuple[Rows, ...]:
    """Of gates by name; the last one keeps its second bias under that key."""
    rows = [Rows(f"{gate}.U", f"{gate}.W", f"{gate}.b") for gate in gates]
    return (*rows[:-1], attrs.evolve(rows[-1], second_bias=second_bias))


_LSTM = _rows("input", "forget", "new", "output")

LAYERS = (
    Layer("RNN", "Elman", _rows("new"), fixed={"nonlinearity": "tanh"}),
    Layer("RNN", "ElmanReLU", _rows("new"), fixed={"nonlinearity": "relu"}),
    Layer("LSTM", "ProjectedLSTM", _LSTM, settings={"outputs": "proj_size"}, projection="projection.W"),
    Layer("LSTM", "LSTM", _LSTM),
    Layer("GRU", "GRU", _rows("reset", "update", "new", second_bias="new.d")),
)
"""Every kind that PyTorch and the zoo both have; a module is of the first that it fits."""
