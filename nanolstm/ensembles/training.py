"""The loop in which all members of an ensemble are trained: every step is one of all that still go on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from nanolstm.ensembles.given import Given, taken
from nanolstm.ensembles.member import Member
from nanolstm.ensembles.run import EnsembleRun
from nanolstm.ensembles.stack import Ran, Stack
from nanolstm.ensembles.updating import Updates, clip_each, norms_of
from nanolstm.language.functions import Array
from nanolstm.train.plan import Plan
from nanolstm.train.progress import progress
from nanolstm.train.scoring import Held, Predictions


class EnsembleTraining:
    """A training of all members on the same pieces in the same order, each with its own parameters and its own end.

    What belongs to the members that go on stands in rows: of `vectors`, `gradients`, `good`. When one ends, its row is
    put away, and the others close up.
    """

    def __init__(self, plan: Plan, stack: Stack) -> None:
        """Ready to begin."""
        self._plan, self._stack = plan, stack
        self._members = [Member(i, model) for i, model in enumerate(stack.models)]
        self._alive = np.arange(len(self._members))
        self._vectors = stack.vectors()
        self._gradients, self._good = np.empty_like(self._vectors), self._vectors.copy()
        self._updates = Updates(plan.optimizer, plan.schedule, self._vectors)
        self._rng = plan.rng if any(part.cell.anatomy.noises for part in plan.model.parts()) else None
        draws = plan.batching.draws(plan.examples, plan.batch_size)
        self._fixed = None if draws else [(piece, self._take(piece)) for piece in self._pieces()]
        self._rates, self._losses, self._norms = np.zeros((3, len(self._members)))
        self._steps = 0
        self._carried: dict[str, Array] | None = None
        self._epoch, self._exact = 0, False
        self._timings = {"total": 0.0, "training": 0.0, "validation": 0.0}

    def run(self) -> EnsembleRun:
        """Train until every member has a reason to end."""
        plan, began = self._plan, time.perf_counter()
        bar = progress(plan.progress, plan.epochs, 0)
        try:
            while len(self._alive) and self._epoch < plan.epochs:
                self._train_epoch(bar)
        except KeyboardInterrupt:
            for member in self._members:
                member.ending = member.ending or ("interrupted", "it was interrupted")
        finally:
            if bar is not None:
                bar.close()
        for row in range(len(self._alive)):
            self._put_away(row)
        self._timings["total"] = time.perf_counter() - began
        runs = tuple(member.run(plan, self._timings) for member in self._members)
        return EnsembleRun(runs=runs, timings={**self._timings, "steps": self._steps})

    def _pieces(self) -> list[Any]:
        return self._plan.batching.plan(self._plan.examples, self._plan.batch_size, self._plan.rng)

    def _take(self, piece: Any) -> Given:
        return taken(self._plan.examples, piece, last=self._plan.steps == "last")

    def _train_epoch(self, bar: Any) -> None:
        plan, began = self._plan, time.perf_counter()
        parts = self._fixed if self._fixed is not None else [(piece, None) for piece in self._pieces()]
        keep = len(parts) > 1 or bool(plan.metrics)
        found = {int(member): Predictions(plan.steps) for member in self._alive}
        self._carried = None
        for position, (piece, given) in enumerate(parts):
            batch = given or self._take(piece)
            ran = self._step(batch, position, len(parts), fresh=piece.fresh, keep=keep)
            if not len(self._alive):
                return
            if keep:
                self._add(found, ran, batch)
            if bar is not None:
                bar.step(self._epoch + (position + 1) / len(parts))
        self._epoch += 1
        self._exact = len(parts) == 1 and plan.held is None
        scores = [
            found[member].scores(plan.loss, plan.metrics) if keep else {"loss": loss}
            for member, loss in zip(self._alive.tolist(), self._losses.tolist(), strict=True)
        ]
        self._timings["training"] += time.perf_counter() - began
        if plan.held is not None:
            scores = [one | own for one, own in zip(scores, self._validation(plan.held), strict=True)]
        self._end_epoch(scores, began, bar)

    def _step(self, given: Given, position: int, count: int, *, fresh: bool, keep: bool) -> Ran:
        """One update of every member that goes on; those whose numbers have run away end before it."""
        plan = self._plan
        ran = self._stack.derive(
            self._alive,
            self._vectors,
            self._gradients,
            self._of_alive(given),
            loss=plan.loss,
            steps=plan.steps,
            truncate=plan.truncate,
            rng=self._rng,
            initial=None if fresh else self._carried,
            keep=keep or plan.batching.carries,
        )
        self._losses, norms = ran.loss, norms_of(self._gradients)
        if plan.batching.carries:
            self._carried = dict(ran.state)
        finite = np.isfinite(self._losses) & np.isfinite(norms)
        if not finite.all():
            for row in np.flatnonzero(~finite).tolist():
                where = f"in epoch {self._epoch + 1}, batch {position + 1}"
                self._members[self._alive[row]].diverge(plan, self._not_finite(row, where))
            norms = norms[finite]
            self._close_up()
            rows = np.flatnonzero(finite)
            ran = Ran(ran.y[rows] if len(ran.y) else ran.y, ran.state, self._losses)
            if not len(self._alive):
                return ran
        np.maximum(self._norms, norms, out=self._norms)
        self._steps += 1
        self._good[...] = self._vectors
        if plan.clip is not None:
            clip_each(plan.clip, self._gradients, norms)
        done = self._epoch + (position + 0.5) / count
        self._rates = self._updates(self._vectors, self._gradients, done, plan.epochs)
        self._stack.project(self._alive, self._vectors)
        return ran

    def _of_alive(self, given: Given) -> Given:
        return given if len(self._alive) == len(self._members) else given.of_some(self._alive)

    def _not_finite(self, row: int, where: str) -> str:
        """What is not finite in a row, and where."""
        bad = self._stack.flats[0].not_finite(self._gradients[row])
        loss = self._losses[row]
        what = f"the loss is {loss} {where}"
        if np.isfinite(loss):
            what = f"the gradient is not finite {where} (the loss is {loss:.6g})"
        more = f" and {len(bad) - 4} more" if len(bad) > 4 else ""
        return what + (f"; by parameter: {', '.join(bad[:4])}{more}" if bad else "")

    def _add(self, found: dict[int, Predictions], ran: Ran, given: Given) -> None:
        for row, member in enumerate(self._alive):
            _, target, more = given.of(int(member))
            found[int(member)].add(ran.y[row], target, more.get("lengths"))

    def _validation(self, held: Held) -> list[dict[str, float]]:
        """The scores of every member that goes on."""
        plan, began = self._plan, time.perf_counter()
        found = [Predictions(plan.steps) for _ in self._alive]
        for piece in held.pieces:
            given = taken(held.examples, piece, last=plan.steps == "last")
            with np.errstate(over="ignore", invalid="ignore"):  # told by the scores
                y = self._stack.run(self._alive, self._vectors, self._of_alive(given)).y
            for row, member in enumerate(self._alive):
                _, target, more = given.of(int(member))
                target = target[:, held.begin :] if held.begin else target
                found[row].add(y[row][:, held.begin :], target, more.get("lengths"))
        self._timings["validation"] += time.perf_counter() - began
        return [one.scores(plan.loss, plan.metrics, "validation_") for one in found]

    def _end_epoch(self, scores: list[dict[str, float]], began: float, bar: Any) -> None:
        seconds, kept = time.perf_counter() - began, self._good if self._exact else self._vectors
        rates, norms = self._rates.tolist(), self._norms.tolist()
        for row, (number, own) in enumerate(zip(self._alive.tolist(), scores, strict=True)):
            line = {"epoch": self._epoch, **own, "lr": rates[row], "gradient_norm": norms[row], "seconds": seconds}
            score = self._members[number].end_epoch(self._plan, line, kept[row])
            if score is not None:
                self._updates.observe(row, score)
        self._norms[...] = 0.0
        if bar is not None:
            names = [name for name in ("loss", "validation_loss") if name in scores[0]]
            bar.epoch({"epoch": self._epoch} | {name: np.mean([own[name] for own in scores]) for name in names})
        self._close_up()

    def _close_up(self) -> None:
        """Put the rows of those away that have ended, and go on with the others."""
        ended = np.array([self._members[member].ending is not None for member in self._alive])
        if not ended.any():
            return
        for row in np.flatnonzero(ended).tolist():
            self._put_away(row)
        rows = np.flatnonzero(~ended).tolist()
        self._alive, self._losses, self._norms = self._alive[rows], self._losses[rows], self._norms[rows]
        self._vectors, self._gradients, self._good = (
            np.ascontiguousarray(array[rows]) for array in (self._vectors, self._gradients, self._good)
        )
        if self._carried is not None:
            self._carried = {name: value[rows] for name, value in self._carried.items()}
        if len(rows):
            self._updates.keep(rows, self._vectors)

    def _put_away(self, row: int) -> None:
        """Give a member the parameters that it comes back with."""
        member = self._members[self._alive[row]]
        member.steps = self._steps
        vector = member.parameters(self._plan, self._vectors[row], self._good[row], exact=self._exact)
        self._stack.put(member.number, vector)
