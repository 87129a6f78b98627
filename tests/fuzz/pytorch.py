"""A traced step in PyTorch, operation by operation from a table of its own, and derived by its autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

import nanolstm as nl
from nanolstm.language.stepping import start_states

from .case import Case, Numbers
from .reference import Place, Values
from .surroundings import LOSSES

MOST_STEPS = 40
"""How many time steps a case has at most."""


def table() -> dict[str, Callable[..., Any]]:
    """What each operation means: a function of its operands, then of the node."""
    import torch

    def one(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: function(*given[:-1])

    def sliced(x: Any, node: Any) -> Any:
        axis, start, count, step = node.static
        return x.index_select(x.ndim + axis, torch.arange(count) * step + start)

    def placed(x: Any, node: Any) -> Any:
        axis, start, size, step = node.static
        shape = [*x.shape[:axis], size, *x.shape[x.ndim + axis + 1 :]]
        places = torch.arange(x.shape[axis]) * step + start
        return torch.zeros(shape, dtype=x.dtype).index_add(x.ndim + axis, places, x)

    def expanded(x: Any, node: Any) -> Any:
        shape, lead = node.static
        own = tuple(node.inputs[0].shape)
        if node.inputs[0].lead:
            return x.reshape(x.shape[0], *(1,) * (len(shape) - len(own)), *own).expand(x.shape[0], *shape)
        return x.expand(*((ROWS[0],) if lead else ()), *shape)

    def contracted(a: Any, b: Any, node: Any) -> Any:
        left, right, result, lead = node.static
        words = ["z" * x.lead + word for x, word in zip(node.inputs, (left, right), strict=True)]
        return torch.einsum(f"{words[0]},{words[1]}->{'z' * lead}{result}", a, b)

    def reshaped(x: Any, node: Any) -> Any:
        return x.reshape((*((x.shape[0],) if node.lead else ()), *node.shape))

    def transposed(x: Any, node: Any) -> Any:
        lead = int(node.lead)
        return x.permute(*range(lead), *(lead + p for p in node.static))

    def reduced(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, node: function(x, tuple(node.static[0]), keepdim=True)

    same = ("neg", "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "sqrt", "abs", "sign", "sin", "cos")
    found = {name: one(getattr(torch, name)) for name in (*same, "floor", "add", "sub", "mul", "div", "logaddexp")}
    found |= {name: one(getattr(torch, name)) for name in ("maximum", "minimum", "less", "less_equal")}
    found |= {
        "softplus": lambda x, node: torch.logaddexp(x, torch.zeros_like(x)),
        "power": one(torch.pow),
        "mod": one(torch.remainder),
        "equal": one(torch.eq),
        "where": one(torch.where),
        "stop": lambda x, node: x.detach(),
        "sum": reduced(torch.sum),
        "max": reduced(torch.amax),
        "concat": lambda *given: torch.cat(given[:-1], dim=given[-1].static[0]),
        "slice": sliced,
        "place": placed,
        "expand": expanded,
        "reshape": reshaped,
        "transpose": transposed,
        "contract": contracted,
    }
    return found


ROWS = [1]
"""How many examples there are: of what is the same for all, an expand repeats it so often."""


def takes(case: Case) -> bool:
    """Whether a case is one cell over time, as it is run here."""
    around = case.surroundings
    plain = not (around.bidirectional or around.readout or around.learn_initial or around.noise is not None)
    return plain and len(case.programs) == 1 and around.time <= MOST_STEPS and not case.programs[0].settings


def gradient(case: Case, model: Any, numbers: Numbers, values: Values) -> tuple[float, Values]:
    """The loss and its gradient by everything, by autograd."""
    import torch

    leaves = {place: torch.tensor(value, dtype=torch.float64, requires_grad=True) for place, value in values.items()}
    y = _outputs(case, model, numbers, leaves)
    loss = _loss(case, numbers, y) + 0.0 * leaves["x", ""].sum()  # which may depend on nothing
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    zeros = (np.zeros_like(value) for value in values.values())
    return float(loss), {
        place: zero if g is None else g.numpy() for place, g, zero in zip(leaves, found, zeros, strict=True)
    }


def _outputs(case: Case, model: Any, numbers: Numbers, leaves: Mapping[Place, Any]) -> Any:
    import torch

    (cell,), around = model.cells, case.surroundings
    graph, batched = nl.trace(cell), bool(around.batch)
    own = {key: value for (group, key), value in leaves.items() if group in ("parameters", "frozen")}
    x = leaves["x", ""] if batched else leaves["x", ""][None]
    size = ROWS[0] = len(x)
    states: dict[str, Any] = {}
    for name, value in start_states(cell).items():
        declared = cell.anatomy.states[name].start
        first = own[declared] if isinstance(declared, str) else torch.tensor(value, dtype=torch.float64)
        states[name] = first.expand(size, *first.shape)
    start = dict(states)
    for (group, name), value in leaves.items():
        if group == "initial":
            states[name] = value if batched else value[None]
    beside = {n: torch.full((size, p.size), p.mean, dtype=torch.float64) for n, p in cell.anatomy.noises.items()}
    ends = torch.tensor(around.lengths or (around.time,) * size)
    resets = torch.tensor(np.atleast_2d(numbers.more["resets"])) if "resets" in numbers.more else None
    outputs = []
    for t in range(around.time):
        if around.truncate and t and t % around.truncate == 0:
            states = {name: value.detach() for name, value in states.items()}
        if resets is not None:
            states = {name: _chosen(resets[:, t], start[name], value) for name, value in states.items()}
        given = {**own, **states, **beside, "x": x[:, t]}
        for name, part in cell.anatomy.feeds.items():
            if (name, "") in leaves:
                feed = leaves[name, ""] if batched else leaves[name, ""][None]
                given[name] = feed[:, t].reshape(size, part.size)
            else:
                given[name] = torch.full((size, part.size), part.default, dtype=torch.float64)
        found = evaluated(graph, given)
        going = t < ends
        states = {name: _chosen(going, found[name], value) for name, value in states.items()}
        outputs.append(_chosen(going, found["output"], torch.zeros_like(found["output"])))
    return torch.stack(outputs, dim=1)


def _chosen(condition: Any, this: Any, that: Any) -> Any:
    import torch

    return torch.where(condition.reshape(-1, *(1,) * (this.ndim - 1)), this, that)


def evaluated(graph: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a graph."""
    import torch

    meaning = table()
    values = {node: given[name] for name, node in graph.inputs.items() if name in given}
    for node in graph.nodes():
        if node in values:
            continue
        if node.op.name == "constant":
            kind = torch.bool if node.boolean else torch.float64
            values[node] = torch.tensor(node.static[0], dtype=kind)
        else:
            values[node] = meaning[node.op.name](*(values[x] for x in node.inputs), node)
    return {name: values[node] for name, node in graph.outputs.items()}


def _loss(case: Case, numbers: Numbers, y: Any) -> Any:
    """The loss of the case, on PyTorch's functions in the place of NumPy's."""
    import torch

    around = case.surroundings
    target = torch.tensor(numbers.target)
    target = target if around.batch else target[None]
    ends = torch.tensor(around.lengths or (around.time,) * len(y))
    if around.last:
        prediction, true = y[torch.arange(len(y)), ends - 1], target
    else:
        valid = torch.arange(around.time)[None] < ends[:, None]
        prediction, true = y[valid], target[valid]
    return eval(LOSSES[around.loss], {"np": _numpy(), "prediction": prediction, "target": true})


def _numpy() -> SimpleNamespace:
    """The functions that losses call, on tensors."""
    import torch

    def reduced(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda a, axis=None: function(a, tuple(range(a.ndim)) if axis is None else axis)

    named = ("square", "sqrt", "logaddexp", "where", "abs", "exp", "log", "log1p", "tanh", "einsum")
    functions: dict[str, Any] = {name: getattr(torch, name) for name in named}
    functions |= {"mean": reduced(torch.mean), "sum": reduced(torch.sum), "max": reduced(torch.amax)}
    functions |= {"std": lambda a: torch.std(a, correction=0), "var": lambda a: torch.var(a, correction=0)}
    return SimpleNamespace(**functions)
