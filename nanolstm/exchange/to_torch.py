"""A model as a module of PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.errors import ExchangeError, InputError
from nanolstm.exchange.layers import LAYERS, Layer
from nanolstm.exchange.pytorch import imported
from nanolstm.language.anatomy import GateAnatomy
from nanolstm.language.cell import Cell
from nanolstm.language.declaration import settings_of
from nanolstm.language.functions import Array

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence

ONE_BY_ONE = "make a module of each, one after the other: nl.Sequence(cell).to_torch()"
BY_HAND = "write its step as a torch.nn.Module; its weights are model.parameters[name], for torch.from_numpy"


def to_torch(model: Sequence, batch_first: bool, bias: bool | None) -> Any:
    """See [`Sequence.to_torch`][nanolstm.Sequence.to_torch]."""
    for name, value in (("batch_first", batch_first), ("bias", bias)):
        if not isinstance(value, bool) and (name, value) != ("bias", None):
            raise InputError(f"to_torch({name}={value!r}): expected True or False")
    cells = {part.prefix: part.cell for part in model.parts() if part.cell is not model.top}
    layer = _layer_of_all(cells)
    if model.has_learned_starts:
        raise ExchangeError(
            f"to_torch: learn_initial=True, and torch.nn.{layer.module} starts from 0. Make it of the cells alone, "
            "nl.Sequence(model.cells, backward=model.backward).to_torch(), and hand it the first states when calling"
        )
    torch = imported("to_torch")
    if bias is None:
        bias = any(key in cell.parameters for cell in cells.values() for key in layer.biases)
    if not bias:
        _check_no_bias(layer, cells)
    dtype = getattr(torch, model.dtype.name)
    # Made without memory and then filled, so that nothing is drawn from the caller's generator.
    options = {
        "num_layers": len(model.cells),
        "bias": bias,
        "batch_first": batch_first,
        "bidirectional": model.bidirectional,
        **layer.arguments_of(model.cells[0]),
    }
    try:
        made = getattr(torch.nn, layer.module)(
            model.inputs, model.cells[0].hidden, **options, dtype=dtype, device="meta"
        )
    except ValueError as error:
        raise ExchangeError(f"to_torch: torch.nn.{layer.module} refuses its arguments: {error}") from None
    module = made.to_empty(device="cpu")
    sides = ("", "_reverse") if model.bidirectional else ("",)
    suffixes = [f"_l{i}{side}" for i in range(len(model.cells)) for side in sides]
    arrays = [layer.read(cell) for cell in cells.values()]
    values = {name + end: value for end, own in zip(suffixes, arrays, strict=True) for name, value in own.items()}
    _fill(module, values, torch)
    if model.top is None:
        return module
    from nanolstm.exchange.with_readout import WithReadout

    linear = torch.nn.Linear(model.top.inputs, model.top.hidden, dtype=dtype, device="meta").to_empty(device="cpu")
    _fill(linear, {"weight": model.top.parameters["U"], "bias": model.top.parameters["b"]}, torch)
    return WithReadout(module, linear)


def _fill(module: Any, values: Mapping[str, Array], torch: Any) -> None:
    """Copy `values` into the parameters of `module`."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(np.array(values[name])))


def _check_no_bias(layer: Layer, cells: Mapping[str, Cell]) -> None:
    for prefix, cell in cells.items():
        for key in layer.biases:
            if key in cell.parameters and cell.parameters[key].any():
                raise ExchangeError(
                    f"to_torch(bias=False): {prefix + key} is not 0 (the largest of it is "
                    f"{np.abs(cell.parameters[key]).max():.3g}); leave bias=False out"
                )


def _layer_of_all(cells: Mapping[str, Cell]) -> Layer:
    """The kind of layer that all cells are, which one module can hold."""
    for name, cell in cells.items():
        if cell.anatomy.masks:
            asked = ", ".join(sorted({mask.setting for mask in cell.anatomy.masks.values()}))
            where = f" (at {name!r})" if name else ""
            raise ExchangeError(
                f"to_torch: {type(cell).__name__}{where} has {asked}, which a module of PyTorch would lose; set it to "
                "0 on the cell before, as in cell.zoneout = 0.0"
            )
    (prefix, first), *others = cells.items()
    layer = _layer_of(first, prefix)
    sizes = {"hidden": first.hidden, **layer.arguments_of(first)}
    for name, cell in others:
        here = _layer_of(cell, name)
        if here is not layer:
            raise ExchangeError(
                f"to_torch: the cells {prefix!r} and {name!r} are of two kinds, {layer.cell} and {here.cell}, and a "
                f"module of PyTorch holds one; {ONE_BY_ONE}"
            )
        for what, value in {"hidden": cell.hidden, **layer.arguments_of(cell)}.items():
            if value != sizes[what]:
                raise ExchangeError(
                    f"to_torch: the cells {prefix!r} and {name!r} have {what} {sizes[what]!r} and {value!r}, and all "
                    f"layers of a torch.nn.{layer.module} have the same; {ONE_BY_ONE}"
                )
    return layer


def _layer_of(cell: Cell, prefix: str) -> Layer:
    """The kind of layer that computes what `cell` does."""
    name = type(cell).__name__
    known = sorted((x for x in LAYERS if isinstance(cell, x.kind)), key=lambda x: -len(x.kind.__mro__))
    if not known:
        goes = ", ".join(layer.cell for layer in LAYERS)
        where = f" (at {prefix!r})" if prefix else ""
        raise ExchangeError(f"to_torch: PyTorch has no module for the cell {name}{where}, only for {goes}; {BY_HAND}")
    differs = [_difference(cell, layer.kind) for layer in known]
    if "" in differs:
        return known[differs.index("")]
    raise ExchangeError(
        f"to_torch: {name} differs from {known[0].cell} in its {differs[0]}, and so from torch.nn.{known[0].module}; "
        f"{BY_HAND}"
    )


def _difference(cell: Cell, kind: type[Cell]) -> str:
    """What of `cell`, an instance of a subclass of `kind`, computes otherwise than `kind`; "" for nothing.

    First values may differ, and biases may be left out.
    """
    if type(cell) is kind:
        return ""
    if type(cell).step is not kind.step:
        return "step"
    settings = {name: getattr(cell, name) for name in settings_of(kind) if name != "rng"}
    own, its = cell.anatomy, kind(**settings).anatomy
    if any(
        own.states[name].shape != state.shape or not np.array_equal(own.states[name].start, state.start)
        for name, state in its.states.items()
    ):
        return "states"
    for name, gate in its.gates.items():
        if _form(own.gates[name]) != _form(gate) or any(
            part.frozen or part.project for key, part in own.parameters.items() if key.startswith(f"{name}.")
        ):
            return f"gate {name!r}"
    return ""


def _form(gate: GateAnatomy) -> Any:
    """What a gate computes; a bias may be there or not."""
    keys = {attribute: key for attribute, key in gate.keys.items() if attribute != "b"}
    return gate.kind, gate.activation, gate.size, gate.products, keys, gate.options
