"""Everything that a case is compared in: each way of running it with the author's step, and with differences."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

import attrs
import numpy as np

from nanolstm.errors import KernelError

from .agreement import settle, settle_exactly
from .case import Case, Numbers, Subject, build, in_layout, numbers_of, shake, take_over
from .derivatives import Derivatives
from .modes import BACKENDS, EAGER, INTERPRETED, MACHINE, PLANNED, running
from .outcome import DifferError, Failure, Outcome, told
from .reference import Reference
from .results import Results, Run, Runs

PERTURBATION = {"float64": 1e-14, "float32": 1e-6}
"""A relative change of everything that is given, some times as large as that which rounding makes of it."""

MOST_INTERPRETED = 60_000
"""How many elements, over all rows, the statements of a case have at most if its kernels are interpreted."""


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
        outcome.failures.append(Failure(EAGER, "making", told(error)))
        return outcome
    for mode in modes:
        begin = time.perf_counter()
        comparison.run(mode)
        outcome.seconds[mode] = time.perf_counter() - begin
    return outcome


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
                    checks = Derivatives(self.reference, self.runs, self.expected, self.outcome).checks()
                    for what, check in checks:
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
                self.outcome.failures.append(Failure(mode, what, told(error)))
            self.outcome.notes.append(f"no kernel: {error}")
        except DifferError as error:
            self.outcome.failures.append(Failure(mode, what, str(error)))
        except Exception as error:  # noqa: BLE001  # whatever is raised is a finding
            self.outcome.failures.append(Failure(mode, what, told(error)))

    def _is_wanted(self, what: str) -> bool:
        return self.only is None or self.only.what == what

    def _work(self) -> int:
        elements = sum(max(1, int(np.prod(s.shape))) for p in self.case.programs for s in p.statements)
        return elements * self.case.surroundings.rows()

    def _of_mode(self, mode: str) -> Iterator[tuple[str, Run, Run | None]]:
        """What is compared: its name, the call, and the call of the reference if that is another."""
        around, runs = self.case.surroundings, self.runs
        seed, also = self.case.seed, around.also
        steps = "stepper" in also and not around.bidirectional
        if mode == PLANNED:
            yield ("recording", runs.record, None) if "record" in also else ("output", runs.output, None)
            if steps:
                yield "stepper", runs.stepped, runs.not_stepped
            return
        few = mode == MACHINE  # each call may compile another kernel
        yield "training step with its run", runs.whole_step, self._whole
        if few:
            yield "training step on other threads", runs.on_other_threads, self._whole
        if not few or seed % 3 == 0:
            yield "gradient by everything", runs.gradient, None
        if not few and seed % 2 == 0:
            yield "output", runs.output, None
        if not few and seed % 4 == 1:
            yield "gradient by some", runs.gradient_by_some, None
        if "again" in also:
            yield "training step again", runs.again, runs.gradient
        if "record" in also and (not few or seed % 3 == 1):
            yield "recording", runs.record, None
        if steps and not few:
            yield "stepper", runs.stepped, runs.not_stepped
        if "jvp" in also and (not few or seed % 3 == 1):
            yield "jvp", runs.tangent, None
            yield "jvp of the loss", runs.tangent_of_loss, None
        if "hvp" in also and (not few or seed % 3 == 2):
            yield "hvp", runs.curvature, None
        if "ensemble" in also and not few and len(self.reference.subject.model.parameters):
            yield "ensemble", runs.ensemble, runs.members_alone
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
        if run == self.runs.on_other_threads:
            settle_exactly(found, self.runs.whole_step(subject, self.numbers))
        if unexpected := [name for name in found if name not in expected and not name.startswith("value ")]:
            raise DifferError(f"{', '.join(unexpected)} is not expected")
        settle(found, expected, self.case.surroundings.dtype, partial(self._sensitivity, like))

    def _sensitivity(self, run: Run, names: list[str]) -> dict[str, float]:
        """How far results may be off because rounding is: as they change where everything changes a little.

        Everything is what is given, and every number that a step computes: what is equal by its meaning alone, such as
        the mean and the largest of equal numbers, is so no more.
        """
        rng, expected, found = np.random.default_rng(0), self.expected(run), dict.fromkeys(names, 0.0)
        size = PERTURBATION[self.case.surroundings.dtype]
        with running(EAGER, self.case.surroundings):
            for factor in (1.0, -1.0, 0.4, -0.3):
                programs = tuple(attrs.evolve(p, rounding=factor * size) for p in self.case.programs)
                with suppress(Exception):  # of a statement that the shrinker has changed
                    subject = build(attrs.evolve(self.case, programs=programs), dtype="float64")
                    other = Reference(self.case, subject, self.reference.numbers)
                    values = {
                        place: v * (1 + size * rng.normal(size=v.shape)) for place, v in self.reference.values.items()
                    }
                    near = run(subject, other.at(values))
                    for name in names:
                        change = np.abs(np.asarray(near[name], float) - expected[name]).max(initial=0)
                        found[name] = max(found[name], 50 * float(change))
        return found
