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
from nanolstm.errors import KernelError, one_line
from nanolstm.language.functions import Array

EXACT = 1e-10
"""What two ways of computing the same number may be apart, relative to it."""

_UNSETTLED = "no difference can be trusted, for kinks, jumps or chaos at every point that was tried"


@attrs.frozen
class Deviation:
    """How far apart two numbers are, and where; or why they cannot be compared."""

    where: str
    error: float
    reason: str = ""


@attrs.frozen
class Comparison:
    """A row that is still to be computed: `errors` returns the deviations that it compares."""

    what: str
    over: str
    allowed: float
    errors: Callable[[], Iterable[Deviation]]

    def done(self) -> Row:
        """The row; what fails in a derived program is told in it, for the other rows are still of use."""
        try:
            found = list(self.errors())
        except KernelError as error:  # then NumPy runs it, which is no fault
            return Row(self.what, self.over, None, None, passed=True, reason=f"NumPy runs it: {one_line(error)}")
        except Exception as error:  # noqa: BLE001  (any failure of what is checked is a result)
            return Row(self.what, self.over, None, self.allowed, passed=False, reason=one_line(error))
        worst = max(found, key=lambda one: (np.isnan(one.error), one.error))  # what is no number is the worst
        where = worst.where if worst.error else ""
        return Row(self.what, self.over, worst.error, self.allowed, worst.error <= self.allowed, where, worst.reason)


def comparisons(bench: Bench, tolerance: float) -> Iterator[Comparison]:
    """Everything that is checked, in its order."""
    settings, general = bench.settings, bench.settings[-1]
    cut = (TRUNCATED,) if bench.cell.anatomy.states else ()
    if not bench.settle((*settings, *cut)):
        nothing = [Deviation("the output", np.nan, "it is not finite at any of the random points that were tried")]
        yield Comparison("eager run", "all that follows", EXACT, lambda: nothing)
        return
    for s in settings:
        yield Comparison("planned run", s.name, EXACT, partial(_of_run, bench.run(s)))
    yield Comparison("recorded values", general.name, EXACT, partial(_of_values, bench.run(general)))
    for s in (*settings, *cut):
        yield Comparison("value_and_grad", s.name, tolerance, partial(_of_gradient, bench, s, tolerance))
    for s in (*settings, *cut):
        yield Comparison("jvp", s.name, tolerance, partial(_of_tangent, bench, s, tolerance))
    for s in (general, *cut):
        yield Comparison("both modes agree", s.name, EXACT, partial(_of_both, bench.run(s)))
    for s in (settings[0], general, *cut):
        yield Comparison("hvp", s.name, 10 * tolerance, partial(_of_curvature, bench, s, 10 * tolerance))
    for s in (general, *cut):
        yield Comparison("hvp, symmetric", s.name, EXACT, partial(_of_symmetry, bench.run(s)))
    for s in (general, *cut):
        yield Comparison("checkpoints", s.name, EXACT, partial(_of_checkpoints, bench.run(s)))


def _of_run(run: Run) -> Iterator[Deviation]:
    """Eager against planned: the output and the last states."""
    y, state = run.eager
    part, batch = _part_run(run)
    answer = part.ahead({"x": batch.pack(batch.inputs.x)})
    yield Deviation("the output", deviation(batch.unpack(answer["output"]), y))
    for name, value in state.items():
        yield Deviation(f"last {name}", deviation(answer[f"last {name}"].reshape(value.shape), value))


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


def _of_values(run: Run) -> Iterator[Deviation]:
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
    yield Deviation("the output", deviation(batch.unpack(answer["output"]), recorded.y))
    for name in values:
        yield Deviation(name, deviation(batch.unpack(answer[f"value {name}"]), recorded[name]))


def deviation(one: Array, other: Array, least: float = 0.0) -> float:
    """Returns the largest difference relative to the largest value, or `least`; infinities must be the same in both."""
    if one.shape != other.shape:
        return np.inf
    finite = np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return np.inf
    return largest((one - other)[finite]) / (max(largest(other[finite]), least) or 1.0)


def _of_gradient(bench: Bench, setting: Setting, allowed: float) -> Iterator[Deviation]:
    run = bench.run(setting)
    yield Deviation("the loss", deviation(np.asarray(run.planned[0]), run.outputs(run.values)[0]))

    def compared(run: Run, label: str) -> tuple[float, bool]:
        by, gradient, direction = run.differences(label, allowed)[0], run.planned[1], run.directions[label]
        product = sum(float(np.sum(gradient[place] * v)) for place, v in direction.items())
        return relative_error(product, by, allowed, _norm(gradient[place] for place in direction))

    yield from _tried(bench, setting, run.directions, compared)


def _of_tangent(bench: Bench, setting: Setting, allowed: float) -> Iterator[Deviation]:
    def compared(run: Run, label: str) -> tuple[float, bool]:
        by = run.differences(label, allowed)[1]
        return relative_error(run.tangent(run.directions[label]), by, allowed)

    yield from _tried(bench, setting, bench.run(setting).directions, compared)


def _tried(
    bench: Bench, setting: Setting, labels: Iterable[str], compared: Callable[[Run, str], tuple[float, bool]]
) -> Iterator[Deviation]:
    """The error for each label, at the first point at which it counts, or else at the last.

    Differences that can be trusted and disagree are a failure at once: elsewhere a wrong derivative may be right.
    """
    for label in labels:
        error, counts = np.nan, False
        for attempt in range(TRIES):
            run = bench.run(setting, attempt)
            if not counts and run.finite and label in run.labels:
                error, counts = compared(run, label)
        yield Deviation(label, error, "" if counts else _UNSETTLED)


def _norm(values: Iterable[Array]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(value)) for value in values)))


def _of_both(run: Run) -> Iterator[Deviation]:
    """Forward and reverse mode give the same number."""
    direction = run.direction(2)
    terms = [np.sum(run.planned[1][place] * v) for place, v in direction.items()]
    product = float(np.sum(terms))
    error = abs(run.tangent(direction, of_loss=True) - product) / (max(abs(product), _norm(terms)) or 1.0)
    yield Deviation("", error)


def _of_curvature(bench: Bench, setting: Setting, allowed: float) -> Iterator[Deviation]:
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


def _of_symmetry(run: Run) -> Iterator[Deviation]:
    """A Hessian is symmetric: v H w = w H v."""
    v, w = run.direction(4), run.direction(5)
    along_v, along_w = run.curvature(v), run.curvature(w)
    one = [np.sum(along_v[place] * w[place]) for place in w]
    other = [np.sum(along_w[place] * v[place]) for place in v]
    yield Deviation("", float(abs(np.sum(one) - np.sum(other)) / (max(_norm(one), _norm(other)) or 1.0)))


def _of_checkpoints(run: Run) -> Iterator[Deviation]:
    """Checkpoints change no derivative."""
    direction = run.direction(2)
    yield Deviation("jvp", deviation(run.tangent(direction, checkpoint_every=2), run.tangent(direction)))
    for what, one, other in (
        ("gradient", run.planned[1], run.gradient(checkpoint_every=2)[1]),
        ("hvp", run.curvature(direction), run.curvature(direction, checkpoint_every=2)),
    ):
        least = 1e-4 * max(largest(value) for value in one.values())  # what cancels out is all rounding
        for place, value in one.items():
            yield Deviation(f"{what} {label_of(place)}", deviation(other[place], value, least))
