"""Everything that a case is compared in: each way of running it with the author's step, and with differences."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from importlib.util import find_spec

import attrs
import numpy as np

from nanolstm.checking.differences import relative_error
from nanolstm.errors import KernelError

from . import pytorch
from .case import Case, Numbers, Subject, build, in_layout, numbers_of, shake, take_over
from .modes import BACKENDS, EAGER, INTERPRETED, MACHINE, PLANNED, running
from .reference import DIFFERENCES, Reference, Values
from .results import Results, Run, Runs

TOLERANCE = {"float64": 1e-9, "float32": 2e-3}
"""Relative to the largest value of an array, or to a share of the largest of all."""

SHARE = {"float64": 1e-4, "float32": 1e-1}
"""What is smaller than so much of the largest result is measured by that: the rest is rounding."""

PERTURBATION = {"float64": 1e-14, "float32": 1e-6}
"""A relative change of everything that is given, some times as large as that which rounding makes of it."""

ROUNDING = {"float64": 1e-15, "float32": 5e-7}
"""What is smaller is rounding of factors near 1, as 1 - tanh(a)**2 is where a saturates."""

MOST_INTERPRETED = 60_000
"""How many elements, over all rows, the statements of a case have at most if its kernels are interpreted."""


@attrs.frozen
class Failure:
    """Two results that differ, or an error.

    Attributes:
        mode: how it was run.
        what: was compared.
        detail: where they differ, and by how much.
    """

    mode: str
    what: str
    detail: str

    @property
    def is_certain(self) -> bool:
        """Whether no rounding can explain it."""
        return "Error" in self.detail or "off by nan" in self.detail or "finite" in self.detail

    @property
    def kind(self) -> str:
        """What a smaller case has to have in common with this one to be the same failure."""
        error = self.detail.partition(":")[0]
        return f"{self.mode} {error if 'Error' in error else 'differs'}"

    def __str__(self) -> str:
        return f"{self.what}, {self.mode}: {self.detail}"


@attrs.define
class Outcome:
    """What came of a case.

    Attributes:
        failures: at most one of each mode.
        notes: what could not be compared, and why.
        seconds: by mode.
        pairs: operations of which one reads what the other made.
    """

    failures: list[Failure] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    seconds: dict[str, float] = attrs.field(factory=dict)
    pairs: set[tuple[str, str]] = attrs.field(factory=set)


class DifferError(Exception):
    """Two results differ; the text says where."""


def compare(
    case: Case, modes: Sequence[str] = (EAGER, PLANNED, INTERPRETED), *, only: Failure | None = None
) -> Outcome:
    """Run a case in every one of `modes`, and compare.

    A difference that is found at one point only, and not at two others, is noted and no failure: rounding decides there
    which of two branches is taken. With `only`, nothing is compared but what that failure was about.
    """
    outcome = _compare(case, modes, only)
    if outcome.failures and not any(f.is_certain for f in outcome.failures):
        # Where nothing is 0, or equal to something else, by declaration: there several kinks may coincide.
        points = [attrs.evolve(case.surroundings, draw=draw, initial=_has_states(case)) for draw in (1, 2)]
        again = [
            _compare(attrs.evolve(case, surroundings=point), modes, failure)
            for point in points
            for failure in outcome.failures[:1]
        ]
        if not any(other.failures for other in again):
            outcome.notes += [f"at one point only: {failure}" for failure in outcome.failures]
            outcome.failures = []
    return outcome


def _has_states(case: Case) -> bool:
    fields = {f.name for p in case.programs for f in p.fields if f.kind in ("feed", "noise")}
    return any(name not in fields for p in case.programs for name in p.arguments)


def _compare(case: Case, modes: Sequence[str], only: Failure | None) -> Outcome:
    outcome = Outcome()
    try:
        with running(EAGER, case.surroundings):
            comparison = Comparison.of(case, outcome, only)
    except Exception as error:  # noqa: BLE001  # the library refuses, or fails at, what is valid
        outcome.failures.append(Failure(EAGER, "making", _told(error)))
        return outcome
    for mode in modes:
        begin = time.perf_counter()
        comparison.run(mode)
        outcome.seconds[mode] = time.perf_counter() - begin
    return outcome


def _told(error: BaseException) -> str:
    lines = traceback.format_exception(error, limit=-2)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}\n{''.join(lines[-6:])}"


@attrs.define(eq=False)
class Comparison:
    """One case under comparison.

    Attributes:
        reference: runs step by step, in float64.
        runs: its calls.
        numbers: as the models under comparison are given them.
        kept: results of the reference by the name of the call.
    """

    case: Case
    reference: Reference
    runs: Runs
    numbers: Numbers
    outcome: Outcome
    only: Failure | None
    kept: dict[str, Results] = attrs.field(factory=dict)

    @classmethod
    def of(cls, case: Case, outcome: Outcome, only: Failure | None) -> Comparison:
        """The comparison of a case, about to begin."""
        subject = build(case, dtype="float64")
        if case.surroundings.dtype == "float32":
            take_over(subject.model, build(case).model)  # parameters such as float32 can hold
        if case.surroundings.draw:
            shake(subject.model, case)
        numbers = numbers_of(case, subject.model)
        reference = Reference(case, subject, numbers)
        runs = Runs(case.surroundings, reference.wrt, reference.direction(0))
        return cls(case, reference, runs, in_layout(numbers, case.surroundings.layout), outcome, only)

    def run(self, mode: str) -> None:
        """Compare everything in one mode, up to the first failure."""
        if self.only is not None and self.only.mode != mode:
            return
        if mode == INTERPRETED and self._work() > MOST_INTERPRETED:
            self.outcome.notes.append("too large to be interpreted")
            return
        what = "making"
        try:
            with running(mode, self.case.surroundings):
                if mode == EAGER:
                    for what, check in self._of_reference():
                        if self._is_wanted(what):
                            check()
                    return
                subject = build(self.case, BACKENDS[mode])
                take_over(subject.model, self.reference.subject.model)
                for what, run, like in self._of_mode(mode):
                    if self._is_wanted(what):
                        self._check(subject, run, like or run)
        except KernelError as error:
            if "a fault of nanolstm" in str(error):
                self.outcome.failures.append(Failure(mode, what, _told(error)))
            self.outcome.notes.append(f"no kernel: {error}")
        except DifferError as error:
            self.outcome.failures.append(Failure(mode, what, str(error)))
        except Exception as error:  # noqa: BLE001  # whatever is raised is a finding
            self.outcome.failures.append(Failure(mode, what, _told(error)))

    def _is_wanted(self, what: str) -> bool:
        return self.only is None or self.only.what == what

    def _work(self) -> int:
        elements = sum(max(1, int(np.prod(s.shape))) for p in self.case.programs for s in p.statements)
        return elements * self.case.surroundings.rows()

    # The reference itself.

    def _of_reference(self):
        reference, around = self.reference, self.case.surroundings
        y = self.expected(self.runs.output)["y"]
        if not np.isfinite(y).all():
            self.outcome.notes.append("not finite")
            return
        yield "loss", self._loss
        if reference.can_be_differenced:
            yield "gradient by differences", self._gradient_by_differences
            if "jvp" in around.also:
                yield "jvp by differences", self._tangent_by_differences
        if "jvp" in around.also:
            yield "both modes", self._both_modes
        if self.case.seed % 4 == 0 and pytorch.takes(self.case) and find_spec("torch") is not None:
            yield "gradient by PyTorch", self._gradient_by_pytorch
        if "hvp" in around.also and not around.truncate:
            yield "hvp by differences", self._curvature_by_differences

    def _loss(self) -> None:
        found = self.expected(self.runs.gradient)["loss"]
        by = self.reference.loss(self.expected(self.runs.output)["y"])
        self._settle({"loss": found}, {"loss": by}, None)

    def _gradient_by_differences(self) -> None:
        direction = self.runs.direction
        gradient = self.expected(self.runs.gradient)
        terms = [np.sum(gradient[f"{g} {k}".rstrip()] * v) for (g, k), v in direction.items()]
        by = self.reference.differences(direction)[0]
        self.reference.at(self.reference.values)
        error, counts = relative_error(np.sum(terms), by, DIFFERENCES, float(np.linalg.norm(terms)))
        self._judge(error, counts, f"{np.sum(terms)!r}, by differences {by.value!r}")

    def _gradient_by_pytorch(self) -> None:
        reference = self.reference
        value, found = pytorch.gradient(self.case, reference.subject.model, reference.numbers, reference.values)
        by = {"loss": np.asarray(value)} | {f"{g} {k}".rstrip(): v for (g, k), v in found.items()}
        expected = self.expected(self.runs.gradient)
        self._settle({name: expected[name] for name in by}, by, None)

    def _tangent_by_differences(self) -> None:
        found = self.expected(self.runs.tangent)["dy"]
        by = self.reference.differences(self.runs.direction)[1]
        self.reference.at(self.reference.values)
        error, counts = relative_error(found, by, DIFFERENCES)
        self._judge(error, counts, f"up to {np.abs(found - by.value).max()!r} of {np.abs(by.value).max()!r}")

    def _both_modes(self) -> None:
        gradient = self.expected(self.runs.gradient)
        terms = [np.sum(gradient[f"{g} {k}".rstrip()] * v) for (g, k), v in self.runs.direction.items()]
        found = self.expected(self.runs.tangent_of_loss)["derivative"]
        # What cancels out leaves rounding of the terms' own factors, which the loss is the measure of.
        size = max(float(np.linalg.norm(terms)), 1e-6 * abs(float(self.expected(self.runs.gradient)["loss"])), 1e-9)
        error = abs(float(found) - float(np.sum(terms))) / size
        if not error <= 1e-8:
            raise DifferError(f"forward {float(found)!r}, backward {float(np.sum(terms))!r}")

    def _curvature_by_differences(self) -> None:
        reference, step = self.reference, 1e-4
        found = self.expected(self.runs.curvature)
        near = [self._gradient_at(reference.moved(self.runs.direction, s * step)) for s in (2, 1, -1, -2, 4, -4)]
        reference.at(reference.values)
        fine = {k: (8 * (near[1][k] - near[2][k]) - (near[0][k] - near[3][k])) / (12 * step) for k in found}
        coarse = {k: (8 * (near[0][k] - near[3][k]) - (near[4][k] - near[5][k])) / (24 * step) for k in found}
        largest = max((np.abs(v).max(initial=0) for v in fine.values()), default=0.0) or 1.0
        error = max(np.abs(found[k] - fine[k]).max(initial=0) for k in found) / largest
        doubt = max(np.abs(coarse[k] - fine[k]).max(initial=0) for k in found) / largest
        self._judge(float(error), bool(doubt < 1e-4) or error < 1e-4, f"relative error {error}", allowed=1e-4)

    def _gradient_at(self, values: Values) -> Results:
        return self.runs.gradient(self.reference.subject, self.reference.at(values))

    def _judge(self, error: float, counts: bool, detail: str, allowed: float = DIFFERENCES) -> None:
        if not counts:
            self.outcome.notes.append("differences do not settle")
        elif not error <= allowed:
            raise DifferError(f"relative error {error:.1e}: {detail}")

    # Other modes.

    def _of_mode(self, mode: str):
        """What is compared: its name, the call, and the call of the reference if that is another."""
        runs, also = self.runs, self.case.surroundings.also
        if mode == PLANNED:
            yield "recording" if "record" in also else "output", runs.record if "record" in also else runs.output, None
            if "stepper" in also and not self.case.surroundings.bidirectional:
                yield "stepper", runs.stepped, runs.not_stepped
            return
        few = mode == MACHINE  # each call may compile another kernel
        yield "training step with its run", runs.whole_step, self._whole
        if not few or self.case.seed % 3 == 0:
            yield "gradient by everything", runs.gradient, None
        if not few and self.case.seed % 2 == 0:
            yield "output", runs.output, None
        if not few and self.case.seed % 4 == 1:
            yield "gradient by some", runs.gradient_by_some, None
        if "again" in also:
            yield "training step again", runs.again, runs.gradient
        if "record" in also and (not few or self.case.seed % 3 == 1):
            yield "recording", runs.record, None
        if "stepper" in also and not self.case.surroundings.bidirectional and not few:
            yield "stepper", runs.stepped, runs.not_stepped
        if "jvp" in also and (not few or self.case.seed % 3 == 1):
            yield "jvp", runs.tangent, None
            yield "jvp of the loss", runs.tangent_of_loss, None
        if "hvp" in also and (not few or self.case.seed % 3 == 2):
            yield "hvp", runs.curvature, None
        if "ensemble" in also and not few and len(self.reference.subject.model.parameters):
            yield "ensemble", runs.ensemble, runs.members_alone
            around = self.case.surroundings
            if around.batch and around.noise is None and around.layout != "list":
                yield "ensemble in training", runs.trained_together, runs.trained_alone

    def _whole(self, subject: Subject, numbers: Numbers) -> Results:
        if subject is self.reference.subject and numbers is self.reference.numbers:
            return {**self.expected(self.runs.gradient), **self.expected(self.runs.output)}
        return {**self.runs.gradient(subject, numbers), **self.runs.output(subject, numbers)}

    def expected(self, run: Run) -> Results:
        """What the reference gives."""
        name = getattr(run, "__name__", "")
        if name not in self.kept:
            with running(EAGER, self.case.surroundings):
                self.kept[name] = run(self.reference.subject, self.reference.numbers)
        return self.kept[name]

    def _check(self, subject: Subject, run: Run, like: Run) -> None:
        expected = self.expected(like)
        # A stepper knows nothing of lengths, beyond which there may be anything.
        found = run(subject, self.reference.numbers if run == self.runs.stepped else self.numbers)
        self._settle(found, expected, like)

    def _settle(self, found: Results, expected: Results, like: Run | None) -> None:
        """Raise a DifferError if results differ by more than rounding can explain."""
        dtype = self.case.surroundings.dtype if like is not None else "float64"
        if like is not None and like != self.runs.record:
            missing = [name for name in found if name not in expected]
            if missing:
                raise DifferError(f"{', '.join(missing)} is not expected")
        names = [name for name in expected if name in found]
        largest = max(
            (np.abs(v).max(initial=0) for n, v in expected.items() if v.dtype.kind == "f" and np.isfinite(v).all()),
            default=0.0,
        )
        wrong = {}
        for name in names:
            one, other = np.asarray(found[name]), np.asarray(expected[name])
            if one.shape != other.shape:
                raise DifferError(f"{name} has shape {one.shape} and not {other.shape}")
            if (one.dtype.kind == "b") != (other.dtype.kind == "b"):
                raise DifferError(f"{name} is {one.dtype} and not {other.dtype}")
            one, other = one.astype(float), other.astype(float)
            finite = np.isfinite(other)
            if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
                raise DifferError(f"{name} is not finite in other places")
            error = np.abs(one - other)[finite].max(initial=0)
            size = max(np.abs(other[finite]).max(initial=0), SHARE[dtype] * largest)
            if not error <= max(TOLERANCE[dtype] * size, ROUNDING[dtype]):
                wrong[name] = (error, size)
        if wrong and like is not None:
            change = self._sensitivity(like, list(wrong), dtype)
            wrong = {name: (error, size) for name, (error, size) in wrong.items() if not error <= change[name]}
        if wrong:
            name, (error, size) = max(wrong.items(), key=lambda item: item[1][0] / (item[1][1] or 1.0))
            more = f" and {len(wrong) - 1} more" if wrong else ""
            raise DifferError(f"{name} is off by {error:.2e} of {size:.2e}{more}")

    def _sensitivity(self, run: Run, names: list[str], dtype: str) -> dict[str, float]:
        """How far results may be off because rounding is: as they change where all that is given changes a little."""
        reference, rng = self.reference, np.random.default_rng(0)
        expected, found = self.expected(run), dict.fromkeys(names, 0.0)
        with running(EAGER, self.case.surroundings):
            for _ in range(4):
                values = {
                    place: v * (1 + PERTURBATION[dtype] * rng.normal(size=v.shape))
                    for place, v in reference.values.items()
                }
                near = run(reference.subject, reference.at(values))
                for name in names:
                    change = np.abs(np.asarray(near[name], float) - expected[name]).max(initial=0)
                    found[name] = max(found[name], 50 * float(change))
            reference.at(reference.values)
        return found
