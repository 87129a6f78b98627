"""Whether the derivatives of the NumPy backend are those of the author's step: differences, PyTorch, both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import attrs
import numpy as np

from nanolstm.checking.differences import relative_error

from . import pytorch
from .agreement import settle
from .outcome import DifferError, Outcome
from .reference import DIFFERENCES, Reference, Values
from .results import Results, Run, Runs

CURVATURE = 1e-4
"""How far a second derivative may be from differences, relative to the largest."""


@attrs.frozen(eq=False)
class Derivatives:
    """The derivatives of a reference.

    Attributes:
        expected: what the reference gives, by the call.
    """

    reference: Reference
    runs: Runs
    expected: Callable[[Run], Results]
    outcome: Outcome

    def checks(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What is checked: its name, and what raises a DifferError."""
        case = self.reference.case
        around = case.surroundings
        if not np.isfinite(self.expected(self.runs.output)["y"]).all():
            self.outcome.notes.append("not finite")
            return
        yield "loss", self._loss
        if self.reference.can_be_differenced:
            yield "gradient by differences", self._by_differences
            if "jvp" in around.also:
                yield "jvp by differences", self._tangent_by_differences
        if "jvp" in around.also:
            yield "both modes", self._both_modes
        if case.seed % 4 == 0 and pytorch.takes(case) and find_spec("torch") is not None:
            yield "gradient by PyTorch", self._by_pytorch
        if "hvp" in around.also and not around.truncate:
            yield "hvp by differences", self._curvature_by_differences

    def _loss(self) -> None:
        by = self.reference.loss(self.expected(self.runs.output)["y"])
        settle({"loss": self.expected(self.runs.gradient)["loss"]}, {"loss": by}, "float64")

    def _terms(self) -> list[float]:
        gradient = self.expected(self.runs.gradient)
        return [float(np.sum(gradient[f"{g} {k}".rstrip()] * v)) for (g, k), v in self.runs.direction.items()]

    def _by_differences(self) -> None:
        terms = self._terms()
        by = self.reference.differences(self.runs.direction)[0]
        self.reference.at(self.reference.values)
        error, counts = relative_error(np.sum(terms), by, DIFFERENCES, float(np.linalg.norm(terms)))
        self._judge(error, counts, f"{np.sum(terms)!r}, by differences {by.value!r}")

    def _by_pytorch(self) -> None:
        reference = self.reference
        value, found = pytorch.gradient(reference.case, reference.subject.model, reference.numbers, reference.values)
        by = {"loss": np.asarray(value)} | {f"{g} {k}".rstrip(): v for (g, k), v in found.items()}
        # Where a root is 0 its autograd has 0 * infinity.
        settle(self.expected(self.runs.gradient), {k: v for k, v in by.items() if np.isfinite(v).all()}, "float64")

    def _tangent_by_differences(self) -> None:
        found = self.expected(self.runs.tangent)["dy"]
        by = self.reference.differences(self.runs.direction)[1]
        self.reference.at(self.reference.values)
        error, counts = relative_error(found, by, DIFFERENCES)
        self._judge(error, counts, f"up to {np.abs(found - by.value).max()!r} of {np.abs(by.value).max()!r}")

    def _both_modes(self) -> None:
        terms, loss = self._terms(), float(self.expected(self.runs.gradient)["loss"])
        found = float(self.expected(self.runs.tangent_of_loss)["derivative"])
        # What cancels out leaves rounding of the terms' own factors, which the loss is the measure of.
        error = abs(found - float(np.sum(terms))) / max(float(np.linalg.norm(terms)), 1e-6 * abs(loss), 1e-9)
        if not error <= 1e-8:
            raise DifferError(f"forward {found!r}, backward {float(np.sum(terms))!r}")

    def _curvature_by_differences(self) -> None:
        reference, step = self.reference, 1e-4
        found = self.expected(self.runs.curvature)
        near = [self._gradient_at(reference.moved(self.runs.direction, s * step)) for s in (2, 1, -1, -2, 4, -4)]
        reference.at(reference.values)
        fine = {k: (8 * (near[1][k] - near[2][k]) - (near[0][k] - near[3][k])) / (12 * step) for k in found}
        coarse = {k: (8 * (near[0][k] - near[3][k]) - (near[4][k] - near[5][k])) / (24 * step) for k in found}
        largest = max((np.abs(v).max(initial=0) for v in fine.values()), default=0.0) or 1.0
        error = float(max(np.abs(found[k] - fine[k]).max(initial=0) for k in found) / largest)
        doubt = float(max(np.abs(coarse[k] - fine[k]).max(initial=0) for k in found) / largest)
        self._judge(error, doubt < CURVATURE or error < CURVATURE, f"relative error {error}", allowed=CURVATURE)

    def _gradient_at(self, values: Values) -> Results:
        return self.runs.gradient(self.reference.subject, self.reference.at(values))

    def _judge(self, error: float, counts: bool, detail: str, allowed: float = DIFFERENCES) -> None:
        if not counts:
            self.outcome.notes.append("differences do not settle")
        elif not error <= allowed:
            raise DifferError(f"relative error {error:.1e}: {detail}")
