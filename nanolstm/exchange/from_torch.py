"""A module of PyTorch as a model."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from nanolstm.errors import ExchangeError, InputError
from nanolstm.exchange.layers import LAYERS, Layer
from nanolstm.exchange.pytorch import imported
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array
from nanolstm.sequence import Sequence


def from_torch(module: Any, *, readout: Any = None, backend: Literal["auto", "numpy", "numba"] = "auto") -> Sequence:
    """The model that computes what a recurrent module of PyTorch computes, with a copy of its weights.

    ```python title="needs torch"
    import numpy as np
    import torch
    import nanolstm as nl

    module = torch.nn.LSTM(3, 5, num_layers=2, batch_first=True, bidirectional=True)
    model = nl.from_torch(module)
    model.parameters["0.forward.forget.U"].shape           # (5, 3)
    x = np.zeros((8, 100, 3), "float32")
    y = model(x)                                           # (8, 100, 10), as module(torch.from_numpy(x))[0]
    ```

    Sizes, layers, directions and dtype are the module's. `torch.nn.LSTM` becomes [`LSTM`][nanolstm.cells.LSTM], or
    [`ProjectedLSTM`][nanolstm.cells.ProjectedLSTM] where it has a `proj_size`; `torch.nn.GRU` becomes
    [`GRU`][nanolstm.cells.GRU], and `torch.nn.RNN` [`Elman`][nanolstm.cells.Elman] or
    [`ElmanReLU`][nanolstm.cells.ElmanReLU]. `torch.nn.LSTMCell` and its kin make models of one cell. PyTorch has two
    biases for every gate, which are added into the one of ours, but for the new gate of a GRU: its second one, which
    the reset gate multiplies, is a parameter of its own, `new.d`.

    What is different afterwards:

    - A model is batch first whatever `batch_first` says: x is (B, T, M), or (T, M) for one sequence.
    - Last states are named and not stacked: `h_n[i]` is that of the i-th of `model.parts()`.
    - `bias=False` becomes biases of 0, which training would move.
    - There is no dropout between layers. A module that has some, and is in training, is refused; after `module.eval()`
      both compute the same.

    Args:
        module: one of those above, in float32 or float64, on any device; or what
            [`to_torch`][nanolstm.Sequence.to_torch] makes of a model with a readout.
        readout: a `torch.nn.Linear` that the module's output goes through, to be the model's readout. One without a
            bias becomes one whose bias is 0.
        backend: of the model; see [`Sequence`][nanolstm.Sequence].

    Raises:
        ExchangeError: a module that no model here is equal to; the text says why, and what to hand over instead.
        InputError: something that is no module.
        MissingPackageError: PyTorch is not installed.
    """
    torch = imported("nl.from_torch")
    from nanolstm.exchange.with_readout import WithReadout

    if isinstance(module, WithReadout) and readout is None:
        module, readout = module.rnn, module.readout
    layer = _layer_of(module, torch)
    dropout = getattr(module, "dropout", 0.0)
    if dropout and module.training and module.num_layers > 1:
        raise ExchangeError(
            f"nl.from_torch({type(module).__name__}): it is in training, and has a dropout of {dropout} between its "
            "layers, which no model here has. Call module.eval() first: it then draws nothing, and the model is equal"
        )
    if readout is not None and not isinstance(readout, torch.nn.Linear):
        raise InputError(f"nl.from_torch(readout={readout!r}): expected a torch.nn.Linear")
    _check_weights([module, *([readout] if readout is not None else [])])
    alone = not hasattr(module, "num_layers")
    cells, backward = [], []
    for i in range(1 if alone else module.num_layers):
        cells.append(_cell(layer, module, "" if alone else f"_l{i}"))
        if not alone and module.bidirectional:
            backward.append(_cell(layer, module, f"_l{i}_reverse"))
    model = Sequence(cells, backward=backward or None, backend=backend)
    return model if readout is None else _with_readout(model, readout)


def _layer_of(module: Any, torch: Any) -> Layer:
    """The kind of layer that `module` is."""
    if isinstance(module, Mapping):
        raise InputError(
            f"nl.from_torch({type(module).__name__}): weights alone do not say what is computed with them; load them "
            "into a module first, module.load_state_dict(...), and hand over that"
        )
    if not isinstance(module, torch.nn.Module):
        given = f"the class {module.__name__}" if isinstance(module, type) else reprlib.repr(module)
        raise InputError(f"nl.from_torch({given}): expected a module of PyTorch, such as torch.nn.LSTM(3, 5)")
    name = f"{type(module).__module__}.{type(module).__qualname__}"
    for layer in LAYERS:
        for known in _classes(layer, torch):
            if isinstance(module, known) and layer.fits(module):
                if type(module).forward is not known.forward:
                    raise ExchangeError(
                        f"nl.from_torch: {name} has a forward of its own, of which nothing is known "
                        "here; write it as the step of a cell"
                    )
                return layer
    classes = tuple(known for layer in LAYERS for known in _classes(layer, torch))
    inside = [path for path, child in module.named_modules() if isinstance(child, classes)]
    raise ExchangeError(
        f"nl.from_torch({name}): expected one of torch.nn's "
        f"{', '.join(dict.fromkeys(known.__name__ for known in classes))}"
        + (f"; it holds {_named(inside)}: hand over that" if inside else "")
    )


def _classes(layer: Layer, torch: Any) -> tuple[Any, ...]:
    """The module over time, and that of one step, in which PyTorch has no projection."""
    over_time = getattr(torch.nn, layer.module)
    return (over_time,) if layer.projection else (over_time, getattr(torch.nn, f"{layer.module}Cell"))


def _named(paths: list[str]) -> str:
    """What they are in the module that holds them: `.lstm`, `[0]`."""
    parts = [[f"[{name}]" if name.isdigit() else f".{name}" for name in path.split(".")] for path in paths]
    return " and ".join(f"module{''.join(names)}" for names in parts)


def _check_weights(modules: list[Any]) -> None:
    """Refuse weights that a model cannot hold."""
    names: dict[str, str] = {}
    for module in modules:
        for name, weight in module.named_parameters():
            dtype = str(weight.dtype).removeprefix("torch.")
            if dtype not in ("float32", "float64"):
                raise ExchangeError(
                    f"nl.from_torch: {name} is {dtype}, and a model is float32 or float64; convert it: module.float()"
                )
            if weight.is_meta:
                raise ExchangeError(
                    f"nl.from_torch: {name} is on the device 'meta' and holds no numbers; load its weights first"
                )
            names.setdefault(dtype, name)
    if len(names) > 1:
        (one, first), (other, second) = names.items()
        raise ExchangeError(
            f"nl.from_torch: {first} is {one} and {second} {other}, and a model has one dtype; convert them: "
            "module.float() or module.double()"
        )


def _cell(layer: Layer, module: Any, suffix: str) -> Cell:
    """The cell of one layer in one direction; the names of its arrays end with `suffix`."""
    given = {name: _numbers(module, name + suffix) for name in layer.arrays}
    there = {name: array for name, array in given.items() if array is not None}
    weight = there["weight_ih"]
    cell = layer.kind(inputs=weight.shape[1], hidden=module.hidden_size, dtype=weight.dtype, **layer.fields_of(module))
    layer.write(cell, there)
    return cell


def _numbers(module: Any, name: str) -> Array | None:
    """A weight, copied; None where the module has none, as a bias that was not asked for."""
    tensor = getattr(module, name, None)
    return None if tensor is None else np.array(tensor.detach().cpu().numpy())


def _with_readout(model: Sequence, linear: Any) -> Sequence:
    """`model` with the weights of `linear` on top."""
    if linear.in_features != model.outputs:
        raise ExchangeError(
            f"nl.from_torch(readout={linear!r}): it takes {linear.in_features} features, and the module answers with "
            f"{model.outputs}"
        )
    made = Sequence(model.cells, backward=model.backward, readout=linear.out_features, backend=model.backend)
    bias = _numbers(linear, "bias")
    made.parameters["readout.U"] = _numbers(linear, "weight")
    made.parameters["readout.b"] = np.zeros(linear.out_features, model.dtype) if bias is None else bias
    return made
