"""What is compared: each row of a report, as the errors that it takes the largest of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import attrs
import numpy as np

from nanolstm.checking.bench import TRIES, TRUNCATED, Bench, Run, Setting, label_of
from nanolstm.checking.differences import Difference, differences, largest, relative_error
from nanolstm.checking.report import Row
from nanolstm.errors import one_line
from nanolstm.language.functions import Array

EXACT = 1e-10
"""What two ways of computing the same number may be apart, relative to it."""

_UNSETTLED = "no difference can be trusted, for kinks, jumps or chaos at every point that was tried"


@attrs.frozen
class _Error:
    """How far two numbers are apart, and where; why they cannot be compared."""

    where: str
    error: float
    reason: str = ""


@attrs.frozen
class _Work:
    """A row that is still to be filled: `errors` answers with everything that it compares."""

    what: str
    over: str
    allowed: float
    errors: Callable[[], Iterable[_Error]]

    def done(self) -> Row:
        """The row; what fails in a derived program is told in it, for the other rows are still of use."""
        try:
            found = list(self.errors())
        except Exception as error:  # noqa: BLE001  (any failure of what is checked is a result)
            return Row(self.what, self.over, None, self.allowed, passed=False, reason=one_line(error))
        worst = max(found, key=lambda one: (np.isnan(one.error), one.error))  # what is no number is the worst
        where = worst.where if worst.error else ""
        return Row(self.what, self.over, worst.error, self.allowed, worst.error <= self.allowed, where, worst.reason)


def comparisons(bench: Bench, tolerance: float) -> Iterator[_Work]:
    """Everything that is checked, in its order."""
    settings, general = bench.settings, bench.settings[-1]
    cut = (TRUNCATED,) if bench.cell.anatomy.states else ()
    if not bench.settle((*settings, *cut)):
        nothing = [_Error("the output", np.nan, "it is not finite at any of the random points that were tried")]
        yield _Work("eager run", "all that follows", EXACT, lambda: nothing)
        return
    for s in settings:
        yield _Work("planned run", s.name, EXACT, partial(_of_run, bench.run(s)))
    yield _Work("recorded values", general.name, EXACT, partial(_of_values, bench.run(general)))
    for s in (*settings, *cut):
        yield _Work("value_and_grad", s.name, tolerance, partial(_of_gradient, bench, s, tolerance))
    for s in (*settings, *cut):
        yield _Work("jvp", s.name, tolerance, partial(_of_tangent, bench, s, tolerance))
    for s in (general, *cut):
        yield _Work("both modes agree", s.name, EXACT, partial(_of_both, bench.run(s)))
    for s in (settings[0], general, *cut):
        yield _Work("hvp", s.name, 10 * tolerance, partial(_of_curvature, bench, s, 10 * tolerance))
    for s in (general, *cut):
        yield _Work("hvp, symmetric", s.name, EXACT, partial(_of_symmetry, bench.run(s)))
    for s in (general, *cut):
        yield _Work("checkpoints", s.name, EXACT, partial(_of_checkpoints, bench.run(s)))


def _of_run(run: Run) -> Iterator[_Error]:
    """Eager against planned: the output and the last states."""
    y, state = run.eager
    part, batch = _part_run(run)
    answer = part.ahead({"x": batch.pack(batch.inputs.x)})
    yield _Error("the output", _apart(batch.unpack(answer["output"]), y))
    for name, value in state.items():
        yield _Error(f"last {name}", _apart(answer[f"last {name}"].reshape(value.shape), value))


def _part_run(run: Run) -> tuple[Any, Any]:
    from nanolstm.gradient.batch import check_batch
    from nanolstm.gradient.run import start

    whole = run.whole()
    feeds = {name: whole.pop(name) for name in run.model.feeds()}
    beside = ("lengths", "resets", "initial", "rng", "truncate", "checkpoint_every")
    options: dict[str, Any] = dict.fromkeys(beside) | whole
    batch = check_batch(run.model, options.pop("x"), feeds=feeds, **options)
    batch = batch.in_one_slice()
    return start(run.model, batch, set()).levels[0][0], batch


def _of_values(run: Run) -> Iterator[_Error]:
    """Eager against planned: every gate, state and local variable of the step that both know."""
    from nanolstm.compile.programs import Programs
    from nanolstm.gradient.run import variant
    from nanolstm.graph.ops import expand, where
    from nanolstm.traced import trace_step

    recorded = run.model.record(**run.whole())
    step = trace_step(run.model.cells[0])
    values = {name: node for name, node in step.values.items() if name in recorded}
    numbers = {name: where(node, 1.0, 0.0) if node.boolean else node for name, node in values.items()}
    outputs = {f"value {name}": expand(node, node.shape, lead=True) for name, node in numbers.items()}
    graph = attrs.evolve(step.graph, outputs={**step.graph.outputs, **outputs})
    part, batch = _part_run(run)
    given = {**part.fixed, **part.rows, **part.first, "x": batch.pack(batch.inputs.x)}
    asked = variant(run.model, part.part, batch, set(), along=False, record=False)
    program = Programs(graph, tuple(run.model.cells[0].anatomy.states)).forward(asked)
    answer = program(batch.layout.steps(), run.model.dtype, given)
    yield _Error("the output", _apart(batch.unpack(answer["output"]), recorded.y))
    for name in values:
        yield _Error(name, _apart(batch.unpack(answer[f"value {name}"]), recorded[name]))


def _apart(one: Array, other: Array, least: float = 0.0) -> float:
    """The largest difference relative to the largest value, or `least`; what is not finite must be the same in both."""
    if one.shape != other.shape:
        return np.inf
    finite = np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return np.inf
    return largest((one - other)[finite]) / (max(largest(other[finite]), least) or 1.0)


def _of_gradient(bench: Bench, setting: Setting, allowed: float) -> Iterator[_Error]:
    run = bench.run(setting)
    yield _Error("the loss", _apart(np.asarray(run.planned[0]), run.outputs(run.values)[0]))

    def compared(run: Run, label: str) -> tuple[float, bool]:
        by, gradient, direction = run.differences(label, allowed)[0], run.planned[1], run.directions[label]
        product = sum(float(np.sum(gradient[place] * v)) for place, v in direction.items())
        return relative_error(product, by, allowed, _norm(gradient[place] for place in direction))

    yield from _tried(bench, setting, run.directions, compared)


def _of_tangent(bench: Bench, setting: Setting, allowed: float) -> Iterator[_Error]:
    def compared(run: Run, label: str) -> tuple[float, bool]:
        by = run.differences(label, allowed)[1]
        return relative_error(run.tangent(run.directions[label]), by, allowed)

    yield from _tried(bench, setting, bench.run(setting).directions, compared)


def _tried(
    bench: Bench, setting: Setting, labels: Iterable[str], compared: Callable[[Run, str], tuple[float, bool]]
) -> Iterator[_Error]:
    """The error for each label, at the first point at which it counts, or else at the last.

    Differences that can be trusted and disagree are a failure at once: elsewhere a wrong derivative may be right.
    """
    for label in labels:
        error, counts = np.nan, False
        for attempt in range(TRIES):
            run = bench.run(setting, attempt)
            if not counts and run.finite and label in run.labels:
                error, counts = compared(run, label)
        yield _Error(label, error, "" if counts else _UNSETTLED)


def _norm(values: Iterable[Array]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(value)) for value in values)))


def _of_both(run: Run) -> Iterator[_Error]:
    """Forward and reverse mode give the same number."""
    direction = run.direction(2)
    terms = [np.sum(run.planned[1][place] * v) for place, v in direction.items()]
    product = float(np.sum(terms))
    error = abs(run.tangent(direction, of_loss=True) - product) / (max(abs(product), _norm(terms)) or 1.0)
    yield _Error("", error)


def _of_curvature(bench: Bench, setting: Setting, allowed: float) -> Iterator[_Error]:
    """The Hessian in a direction against differences of gradients, which are checked on their own."""
    found: dict[int, dict[str, tuple[Array, Difference]]] = {}

    def compared(run: Run, label: str) -> tuple[float, bool]:
        if id(run) not in found:
            found[id(run)] = _curvatures(run, allowed)
        curvature, by = found[id(run)][label]
        return relative_error(curvature, by, allowed)

    yield from _tried(bench, setting, map(label_of, bench.run(setting).places), compared)


def _curvatures(run: Run, allowed: float) -> dict[str, tuple[Array, Difference]]:
    """By each place, the product with the Hessian and the difference that it must equal."""
    direction = run.direction(3)

    def at(s: float) -> list[Array]:
        gradient = run.gradient_of_chunks(run.moved(direction, s))
        return [gradient[place] for place in run.places]

    by, products = differences(at, allowed, one_scale=True), run.curvature(direction)
    return {label_of(p): (products[p], difference) for p, difference in zip(run.places, by, strict=True)}


def _of_symmetry(run: Run) -> Iterator[_Error]:
    """A Hessian is symmetric: v H w = w H v."""
    v, w = run.direction(4), run.direction(5)
    along_v, along_w = run.curvature(v), run.curvature(w)
    one = [np.sum(along_v[place] * w[place]) for place in w]
    other = [np.sum(along_w[place] * v[place]) for place in v]
    yield _Error("", float(abs(np.sum(one) - np.sum(other)) / (max(_norm(one), _norm(other)) or 1.0)))


def _of_checkpoints(run: Run) -> Iterator[_Error]:
    """Checkpoints change no derivative."""
    direction = run.direction(2)
    yield _Error("jvp", _apart(run.tangent(direction, checkpoint_every=2), run.tangent(direction)))
    for what, one, other in (
        ("gradient", run.planned[1], run.gradient(checkpoint_every=2)[1]),
        ("hvp", run.curvature(direction), run.curvature(direction, checkpoint_every=2)),
    ):
        least = 1e-4 * max(largest(value) for value in one.values())  # what cancels out is all rounding
        for place, value in one.items():
            yield _Error(f"{what} {label_of(place)}", _apart(other[place], value, least))
