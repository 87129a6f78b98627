"""Cells and losses as graphs: here the language in which they are written meets the graph.

A step is run once, on tracers that stand in for its arguments and parameters. What it read beside them is remembered
with the graph (`nanolstm.graph.captured`), so that a graph is used again only where a new trace would give the same.
"""

from __future__ import annotations

import contextlib
import inspect
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import attrs
import numpy as np

from nanolstm.compile.programs import Programs, Variant
from nanolstm.dependencies import layout_of, look_at_cell, look_at_loss, tell_once
from nanolstm.errors import InputError, RandomError, ReturnError, StateShapeError, TraceError, located
from nanolstm.graph.captured import Look
from nanolstm.graph.node import Graph, Node, depending_on, in_order, input_node, signature
from nanolstm.graph.ops import expand
from nanolstm.graph.simplify import simplified
from nanolstm.graph.tracer import Tracer, Tracing
from nanolstm.graph.unchanged import Watch
from nanolstm.graph.vocabulary import VOCABULARY
from nanolstm.graph.vocabulary.elementwise import as_number
from nanolstm.language.cell import Cell
from nanolstm.language.dropout import watched_step
from nanolstm.language.observe import call_with_locals, definition
from nanolstm.language.stepping import misfit
from nanolstm.losses import Loss


@attrs.frozen(eq=False)
class Step:
    """The step of a cell as a graph.

    Attributes:
        graph: from x, the other arguments of `step` and the parameters to "output" and the new states, by name.
        values: the nodes of gates, states and local variables, named as in a recording.
    """

    graph: Graph
    values: Mapping[str, Node]


def trace(cell: Cell) -> Graph:
    """The graph of a cell's step: print it to see one line for each operation.

    ```python
    import nanolstm as nl

    graph = nl.trace(nl.cells.ToyLSTM(inputs=2, hidden=3))
    print(graph)
    ```

    Raises:
        TraceError: the step does something of which no derivative can be taken; which class of error says what, and
            the text says where and what to write instead.
    """
    if not isinstance(cell, Cell):
        raise InputError(f"trace({cell!r}): expected a cell; of a model write nl.trace(model.cells[0])")
    return trace_step(cell).graph


def kernel_source(cell: Cell) -> str:
    """The source of the kernels that compute a cell forward and backward: Python, as Numba compiles it.

    ```python
    import nanolstm as nl

    print(nl.kernel_source(nl.cells.ToyLSTM(inputs=2, hidden=3)))
    ```

    It is the file that is kept in the cache folder for a gradient by the cell's parameters.

    Raises:
        TraceError: see [`trace`][nanolstm.trace].
        KernelError: no kernel can be written for the step.
    """
    from nanolstm.compile.numba_target import written

    if not isinstance(cell, Cell):
        raise InputError(f"kernel_source({cell!r}): expected a cell; of a model write nl.kernel_source(model.cells[0])")
    asked = Variant(wrt=frozenset(cell.parameters), kernel=cell.dtype.name, firsts=False)
    wanted, _ = programs_of(cell).wanted_pair(asked)
    return written(wanted, cell.dtype.name)[0]


def trace_step(cell: Cell) -> Step:
    """Trace a cell's step twice, and compare: what is drawn at random would otherwise become a constant.

    Raises:
        TraceError: see [`trace`][nanolstm.trace].
    """
    step, again = _trace_step(cell), _trace_step(cell)
    if str(step.graph) != str(again.graph) or _constants(step.graph) != _constants(again.graph):
        raise _changing(f"{type(cell).__name__}.step", type(cell).step)
    return step


def _changing(subject: str, function: Callable[..., Any]) -> TraceError:
    return located(
        RandomError,
        f"{subject} computes something else each time that it is run",
        definition(function),
        "what a step keeps is a state; what is random in it is declared: `mask: Array = noise(p)`, an argument of step",
    )


def _constants(graph: Graph) -> list[str]:
    return [repr(node.static) for node in graph.nodes() if node.op.name == "constant"]


def _trace_step(cell: Cell) -> Step:
    anatomy, name = cell.anatomy, type(cell).__name__
    tracing = Tracing(f"{name}.step", cell.dtype, VOCABULARY)
    rows = {"x": (cell.inputs,), **{state: part.shape for state, part in anatomy.states.items()}}
    rows |= {feed: (part.size,) for feed, part in anatomy.feeds.items()}
    rows |= {noise: (part.size,) for noise, part in anatomy.noises.items()}
    inputs = {argument: input_node(argument, rows[argument], lead=True) for argument in ("x", *anatomy.arguments)}
    own = {key: input_node(key, part.shape, lead=False) for key, part in anatomy.parameters.items()}
    gates: list[tuple[str, Node]] = []

    def tell(gate: str, value: Any) -> None:
        gates.append((gate, tracing.lift(value)))

    reading = cell.reading({key: tracing.given(node) for key, node in own.items()}, tell)
    with tracing.running():
        x, *given = map(tracing.given, inputs.values())
        arguments = dict(zip(anatomy.arguments, given, strict=True))
        result, found = watched_step(reading, x, arguments, watch=tracing.chance.watch)
    tracing.place = found.returned
    outputs = _returned(cell, tracing, result)
    values = _values(gates, outputs, found)
    for label, node in {**dict(gates), **values, **_traced(found)}.items():
        # The last of these is the author's own word; an argument keeps its name.
        if node not in inputs.values() and node not in own.values() and node.op.name != "constant":
            node.name = label
    kept = simplified([*outputs.values(), *values.values()])
    graph = Graph(f"{name}.step", inputs | own, dict(zip(outputs, kept, strict=False)))
    return Step(graph, dict(zip(values, kept[len(outputs) :], strict=True)))


def _traced(found: Mapping[str, Any]) -> dict[str, Node]:
    return {name: value.node for name, value in found.items() if isinstance(value, Tracer)}


def _values(gates: list[tuple[str, Node]], outputs: Mapping[str, Node], found: Mapping[str, Any]) -> dict[str, Node]:
    """Named as a recording names them: gates, then states, then local variables."""
    calls = [name for name, _ in gates]
    values: dict[str, Node] = {}
    for position, (name, node) in enumerate(gates):
        values[name if calls.count(name) == 1 else f"{name}[{calls[:position].count(name)}]"] = node
    states = {name: node for name, node in outputs.items() if name != "output"}
    others = states | {name: node for name, node in _traced(found).items() if name not in states}
    return values | {name: node for name, node in others.items() if name not in values}


def _returned(cell: Cell, tracing: Tracing, result: Any) -> dict[str, Node]:
    """The output and the new states by name, each for each row."""
    states = cell.anatomy.states
    values = result if isinstance(result, tuple) else (result,)
    if len(values) != 1 + len(states):
        raise misfit(ReturnError, cell, f"{len(values)} values", "", tracing.place)
    nodes = {}
    shapes = {"output": (cell.outputs,), **{state: part.shape for state, part in states.items()}}
    for (label, shape), value in zip(shapes.items(), values, strict=True):
        node = tracing.lift(value)
        if node.shape != shape:
            kind = ReturnError if label == "output" else StateShapeError
            raise misfit(kind, cell, f"{label} with features of shape {node.shape}", f"{shape} and ", tracing.place)
        nodes[label] = expand(as_number(node), shape, lead=True)
    return nodes


def trace_loss(loss: Loss, width: int, dtype: np.dtype[Any]) -> Graph:
    """The graph of a loss of `width` columns of prediction: from "prediction" and "target" to "loss".

    Raises:
        TraceError: the loss does something of which no derivative can be taken.
        ReturnError: it returns something other than one number, or one that does not depend on the prediction.
    """
    graph, again = _trace_loss(loss, width, dtype), _trace_loss(loss, width, dtype)
    if str(graph) != str(again) or _constants(graph) != _constants(again):
        raise _changing(f"loss {loss}", loss.function)
    return graph


def _trace_loss(loss: Loss, width: int, dtype: np.dtype[Any]) -> Graph:
    try:
        inspect.signature(loss.function).bind(None, None, **loss.parameters)
    except TypeError as error:
        raise InputError(f"loss {loss} is called with (prediction, target), which it does not take: {error}") from None
    except ValueError:  # it has no signature that could be read
        pass
    tracing = Tracing(f"loss {loss}", dtype, VOCABULARY, whole=True)
    prediction = input_node("prediction", (width,), lead=True)
    target = input_node("target", (width // loss.columns,), lead=True)
    with tracing.running():
        given = tracing.given(prediction), tracing.given(target)
        result, found = call_with_locals(_bound(loss), *given, watch=tracing.chance.watch)
    node = result.node if isinstance(result, Tracer) else None
    what = "" if node is not None and node.shape == () and not node.lead else repr(result)
    if node is not None and not what and node not in depending_on([prediction], in_order([node])):
        what = "a number that does not depend on its prediction"
    if node is None or what:
        instead = "a loss returns one number computed from its prediction: `return np.mean(np.square(error))`"
        raise located(ReturnError, f"loss {loss} returned {what}", found.returned, instead)
    for label, value in _traced(found).items():
        if value not in (prediction, target):
            value.name = label
    return Graph(f"loss {loss}", {"prediction": prediction, "target": target}, {"loss": simplified([node])[0]})


def _bound(loss: Loss) -> Any:
    def call(prediction: Any, target: Any) -> Any:
        return loss.function(prediction, target, **loss.parameters)

    call.__dict__["__wrapped__"] = loss.function  # whose local variables are looked for
    return call


# A trace is kept as long as a new one would give the same, and with it every program that was made from it. Where that
# cannot be known it is made anew each time, and its programs are kept as long as it comes out the same.

_KEPT = 64
_of_cells: WeakKeyDictionary[type[Cell], OrderedDict[Hashable, Programs]] = WeakKeyDictionary()
_of_losses: OrderedDict[Hashable, Programs] = OrderedDict()
# What was found last, as long as nothing that it was found by has changed.
_watched: WeakKeyDictionary[Cell, tuple[Watch, Programs]] = WeakKeyDictionary()
_watched_losses: WeakKeyDictionary[Callable[..., Any], dict[Any, tuple[Watch, Programs]]] = WeakKeyDictionary()


def programs_of(cell: Cell) -> Programs:
    """The programs of a cell's step, made once for all cells of a class whose trace is the same.

    They are kept here and not with the cell, which is copied and pickled without them.

    Raises:
        TraceError: see [`trace`][nanolstm.trace].
    """
    found = _watched.get(cell)
    if found is not None and found[0].unchanged():
        return found[1]
    look, known = look_at_cell(cell), _of_cells.setdefault(type(cell), OrderedDict())

    def make() -> tuple[Hashable, Programs]:
        step = trace_step(cell)
        return signature(step.graph, step.values), Programs(step.graph, tuple(cell.anatomy.states), step.values)

    programs = _kept(known, look, layout_of(cell), make)
    if look.unknown:
        tell_once(f"{type(cell).__name__}.step", look.unknown)
        _watched.pop(cell, None)
    else:
        _watched[cell] = look.watch, programs
    return programs


def watch_of(cell: Cell) -> Watch | None:
    """What the programs of a cell were found by last, if anybody asked for them and it can be watched."""
    found = _watched.get(cell)
    return found[0] if found is not None else None


def programs_of_loss(loss: Loss, width: int, dtype: np.dtype[Any]) -> Programs:
    """The programs of a loss of `width` columns of prediction, made once for all numbers of rows.

    Raises:
        TraceError: see [`trace_loss`][nanolstm.traced.trace_loss].
    """
    at = (loss.columns, width, dtype)
    found = None if loss.parameters else _watched_loss(loss, at)
    if found is not None and found[0].unchanged():
        return found[1]
    look = look_at_loss(loss)

    def make() -> tuple[Hashable, Programs]:
        graph = trace_loss(loss, width, dtype)
        return signature(graph, {}), Programs(graph)

    programs = _kept(_of_losses, look, (*loss.parameters, *at), make)
    if look.unknown:
        tell_once(f"loss {loss}", look.unknown)
    if not loss.parameters:
        with contextlib.suppress(TypeError):  # of a function that has no hash, or no weak references
            if look.unknown:
                _watched_losses.get(loss.function, {}).pop(at, None)
            else:
                _watched_losses.setdefault(loss.function, {})[at] = look.watch, programs
    return programs


def watch_of_loss(loss: Loss, width: int, dtype: np.dtype[Any]) -> Watch | None:
    """What the programs of a loss were found by last, if anybody asked for them and it can be watched."""
    found = None if loss.parameters else _watched_loss(loss, (loss.columns, width, dtype))
    return found[0] if found is not None else None


def _watched_loss(loss: Loss, at: Any) -> tuple[Watch, Programs] | None:
    try:
        return _watched_losses.get(loss.function, {}).get(at)
    except TypeError:
        return None


def _kept(
    known: OrderedDict[Hashable, Programs], look: Look, form: Hashable, make: Callable[[], tuple[Hashable, Programs]]
) -> Programs:
    """The programs of what was looked at; those of an earlier trace that came out the same, if there is any."""
    key = look.fingerprint()
    found = None if look.unknown else known.get((form, key))
    if found is None:
        traced, made = make()
        found = known.setdefault(traced, made)
        known.move_to_end(traced)
    if not look.unknown:
        known[form, key] = found
        known.move_to_end((form, key))
    while len(known) > _KEPT:
        known.popitem(last=False)
    return found
