"""The loop: epochs of steps, and what is remembered between them."""

from __future__ import annotations

import math
import time
from typing import Any, NoReturn, TypeAlias

import attrs

from nanolstm.errors import DivergedError
from nanolstm.language.functions import Array
from nanolstm.train.clipping import norm_of
from nanolstm.train.examples import Piece
from nanolstm.train.flat import Flat
from nanolstm.train.generator import set_state, state_of
from nanolstm.train.keeper import Keeper
from nanolstm.train.plan import Plan
from nanolstm.train.progress import Progress, progress
from nanolstm.train.run import Ending, Run
from nanolstm.train.schedule import Watching
from nanolstm.train.scoring import Held, Predictions
from nanolstm.train.state import State, capture, put_back

Batch: TypeAlias = tuple[Array, Array, dict[str, Any]]
"""x, target, and whatever else comes with them."""


@attrs.define(eq=False)
class Best:
    """The best epoch so far: its number, its score, its parameters."""

    epoch: int = 0
    score: float = math.inf
    vector: Array | None = None


class _Ended(Exception):  # noqa: N818  (no error: it only leads out of a step, and of an optimizer's own search)
    """The training has ended in the middle of a step; `ending` says why."""


class Training:
    """A training as callbacks and plugins see it while it goes on.

    Attributes:
        model: what is trained, with the parameters as they are now.
        history: a row, as a dict, for each epoch that has ended; see [`Run`][nanolstm.Run].
        epoch: how many epochs have ended.
        epochs: how many there will be.
        position: how many steps of the present epoch are done.
        loss: that of the last step, before its update.
        rate: the learning rate of that step.
        steps: how many steps are done in all.
        best: the best epoch so far: `best.epoch`, `best.score`, `best.vector` (all parameters, in their order).
        plan: everything that was asked for.
    """

    def __init__(self, plan: Plan) -> None:
        """Ready to begin, or to be restored."""
        self.plan, self.model = plan, plan.model
        self.epochs, self.epoch, self.position, self.steps = plan.epochs, 0, 0, 0
        self.history: list[dict[str, float]] = []
        self.best = Best()
        self.flat = Flat(plan.model)
        self.ending: tuple[Ending, str] | None = None
        self.for_good = True
        self.timings = {"total": 0.0, "training": 0.0, "first_step": 0.0, "validation": 0.0}
        plan.optimizer.start(self.flat.vector)
        self.carried: dict[str, Array] | None = None
        self.predictions = Predictions(plan.steps)
        self.epoch_norm = 0.0
        self._draws = plan.batching.draws(plan.examples, plan.batch_size)
        self.epoch_rng: dict[str, Any] | None = None
        self.loss = self.rate = math.nan
        self._began: float | None = None
        # An order that is the same in each epoch is laid out once: slices of the data, which take no room.
        self._fixed = None if self._draws else [(piece, self._batch(piece)) for piece in self._pieces()]
        self._options: dict[str, Any] = {"loss": plan.loss, "truncate": plan.truncate, "steps": plan.steps}
        if any(part.cell.anatomy.noises for part in plan.model.parts()):
            self._options["rng"] = plan.rng
        self._observe = plan.schedule.observe if isinstance(plan.schedule, Watching) else None
        self.good = self.flat.vector.copy()
        self.exact = False
        self._progress: Progress | None = None
        self._keeper = None if plan.checkpoint is None else Keeper(plan.checkpoint)

    def stop(self, why: str, *, for_good: bool = True) -> None:
        """Ask for an end after the present step, and say why: "the loss is below 0.01".

        A training that goes on from the checkpoint of one that was ended for good is ended, too, and does not train
        on; with `for_good=False`, which is for limits of time and the like, it does.
        """
        self.ending, self.for_good = ("asked", why), for_good

    def state(self) -> State:
        """All that is needed to go on from here later, with the same bits: arrays by name, and what JSON can hold.

        Hand it to `nl.fit(..., resume=state)` with the same model, data and arguments; `epochs` may be another number.
        It is complete after a step (`step_end` of a callback) and after an epoch.
        """
        return capture(self)

    def restore(self, state: State) -> None:
        """Go on from what `state` answered with.

        Raises:
            InputError: it is of a model with other parameters, or of another optimizer or generator.
        """
        put_back(self, state)
        if self.epoch and self.position == 0:  # it may have been over already
            self._lose_patience()

    def run(self) -> Run:
        """Train until there is a reason to end."""
        self._began = time.perf_counter()
        self._progress = progress(self.plan.progress, self.epochs, self.epoch)
        try:
            self.plan.listeners.tell("fit_start", self)
            if self._keeper is not None:
                self._keeper.begin(self)
            if self.ending is None and self.plan.optimizer.full_batch:
                self._minimize()
            while self.ending is None and self.epoch < self.epochs:
                self._train_epoch()
            if self._keeper is not None:  # not after an interruption, which may be in the middle of a step
                self._keeper.finish(self)
        except _Ended:
            pass
        except KeyboardInterrupt:
            self.ending = ("interrupted", "it was interrupted")
        finally:
            self.timings, self._began = self.timings_so_far, None
            if self._progress is not None:
                self._progress.close()
        run = self._finished()
        self.plan.listeners.tell_end(self, run)
        if run.stopped == "diverged":
            error = DivergedError(run.why)
            error.run = run
            raise error
        return run

    @property
    def timings_so_far(self) -> dict[str, float]:
        """Where the time went, that of processes from which this training was resumed included."""
        running = 0.0 if self._began is None else time.perf_counter() - self._began
        return {**self.timings, "total": self.timings["total"] + running}

    def _train_epoch(self) -> None:
        """One epoch, or what is left of one that was begun."""
        began = time.perf_counter()
        self.flat.pull()
        parts = self._fixed if self._fixed is not None else [(piece, None) for piece in self._pieces()]
        # One batch is all there is to score, and its loss is known.
        keep = len(parts) > 1 or bool(self.plan.metrics)
        for piece, batch in parts[self.position :]:
            self._step(batch or self._batch(piece), len(parts), fresh=piece.fresh, keep=keep)
            if self._progress is not None:
                self._progress.step(self.epoch + self.position / len(parts))
            for method in self.plan.listeners.methods["step_end"]:
                method(self)
            if self._keeper is not None:
                self._keeper.step_end(self)
            if self.ending is not None and self.position < len(parts):
                self.timings["training"] += time.perf_counter() - began
                return
        self.position, self.carried = 0, None
        scores = {"loss": self.loss}
        if keep:
            scores = self.predictions.scores(self.plan.loss, self.plan.metrics)
            self.predictions = Predictions(self.plan.steps)
        self.timings["training"] += time.perf_counter() - began
        # The loss of one batch is exactly that of the parameters before the step.
        self.exact = len(parts) == 1 and self.plan.held is None
        self._end_epoch(scores, self.good if self.exact else self.flat.vector, began)

    def _pieces(self) -> list[Piece]:
        """The steps of the epoch that begins, or of that in whose middle the training goes on."""
        plan, now = self.plan, None
        if self._draws and self.position == 0:
            self.epoch_rng = state_of(plan.rng)
        elif self._draws and self.epoch_rng is not None:
            now = state_of(plan.rng)
            set_state(plan.rng, self.epoch_rng)
        pieces = plan.batching.plan(plan.examples, plan.batch_size, plan.rng)
        if now is not None:
            set_state(plan.rng, now)
        return pieces

    def _batch(self, piece: Piece) -> Batch:
        return self.plan.examples.take(piece, last=self.plan.steps == "last")

    def _step(self, batch: Batch, count: int, *, fresh: bool, keep: bool) -> None:
        """One update, of `count` in this epoch."""
        began = time.perf_counter() if self.steps == 0 else 0.0
        x, target, more = batch
        plan, flat = self.plan, self.flat
        if not fresh and self.carried is not None:
            more = {**more, "initial": self.carried}
        run = None
        if keep or plan.batching.carries:
            value, gradients, run = self.model.value_grad_and_run(x, target, **self._options, **more)
        else:
            value, gradients = self.model.value_and_grad(x, target, **self._options, **more)
        self.loss, norm = value, self._gathered(value, gradients)
        optimizer = plan.optimizer
        optimizer.steps += 1
        factor = 1.0
        if plan.schedule is not None:  # asked at the middle of the step, lest the first or the last be lost at 0
            factor = plan.schedule(self.epoch + (self.position + 0.5) / count, self.epochs)
        self.rate = optimizer.lr * factor
        if plan.clip is not None:
            plan.clip(flat.gradient, norm)
        optimizer.update(flat.vector, flat.gradient, self.rate)
        flat.project()
        flat.push()
        if run is not None:
            self.carried = dict(run.state) if plan.batching.carries else None
            if keep:
                self.predictions.add(run.y, target, more.get("lengths"))
        self.position += 1
        self.steps += 1
        if began:
            self.timings["first_step"] = time.perf_counter() - began

    def _gathered(self, value: float, gradients: dict[str, Array]) -> float:
        """Lay the gradient out and answer with its norm; where it or the loss is not finite, end."""
        flat = self.flat
        flat.gather(gradients)
        norm = norm_of(flat.gradient)
        if not (math.isfinite(value) and math.isfinite(norm)):
            self._diverge(self._not_finite(value))
        self.epoch_norm = max(self.epoch_norm, norm)
        self.good[...] = flat.vector
        return norm

    def _not_finite(self, value: float) -> str:
        """What is not finite, and where."""
        bad = self.flat.not_finite(self.flat.gradient)
        where = f"in epoch {self.epoch + 1}, batch {self.position + 1}"
        if not math.isfinite(value):
            what = f"the loss is {value} {where}"
        else:
            what = f"the gradient is not finite {where} (the loss is {value:.6g})"
        more = f" and {len(bad) - 4} more" if len(bad) > 4 else ""
        return what + (f"; by parameter: {', '.join(bad[:4])}{more}" if bad else "")

    def _diverge(self, what: str) -> NoReturn:
        kept = f"those of epoch {self.best.epoch}" if self.plan.held and self.best.epoch else "the last good ones"
        self.ending = (
            "diverged",
            f"{what}. The parameters are {kept}. Try a smaller learning rate, clip=1.0 for the norm of the gradient, "
            "or data scaled to about -1..1",
        )
        raise _Ended

    def _end_epoch(self, scores: dict[str, float], parameters: Array, began: float) -> None:
        """Score the epoch and the parameters that it stands for, keep the best, and see whether to go on."""
        plan = self.plan
        self.epoch += 1
        row: dict[str, float] = {"epoch": self.epoch, **scores}
        if plan.held is not None:
            row |= self._validation(plan.held)
        score = row["loss" if plan.held is None else "validation_loss"]
        row["lr"], row["gradient_norm"], self.epoch_norm = self.rate, self.epoch_norm, 0.0
        row["seconds"] = time.perf_counter() - began
        self.history.append(row)
        if not math.isfinite(score):
            self._diverge(f"the {plan.watched} after epoch {self.epoch} is {score}")
        if score < self.best.score:
            vector = self.best.vector if self.best.vector is not None else parameters.copy()
            vector[...] = parameters
            self.best = Best(self.epoch, score, vector)
        elif self.ending is None:
            self._lose_patience()
        if self._observe is not None:
            self._observe(score)
        if self._progress is not None:
            self._progress.epoch(row)
        plan.listeners.tell("epoch_end", self)
        if self._keeper is not None:
            self._keeper.epoch_end(self)

    def _lose_patience(self) -> None:
        plan, best = self.plan, self.best
        if plan.patience is not None and self.epoch - best.epoch >= plan.patience:
            self.ending = (
                "patience",
                f"for {plan.patience} epochs no {plan.watched} was better than {best.score:.6g}, that of epoch "
                f"{best.epoch}",
            )

    def _validation(self, held: Held) -> dict[str, float]:
        began = time.perf_counter()
        plan = self.plan
        found = held.predictions(self.model, plan.steps)
        scores = found.scores(plan.loss, plan.metrics, "validation_")
        self.timings["validation"] += time.perf_counter() - began
        return scores

    def _minimize(self) -> None:
        """Hand everything to an optimizer that goes its own way; what it calls an iteration is an epoch."""
        plan, flat = self.plan, self.flat
        x, target, more = self._batch(self._pieces()[0])
        began = time.perf_counter()

        def objective(values: Array) -> tuple[float, Array]:
            self.steps += 1
            flat.vector[...] = values
            flat.push()
            value, gradients = self.model.value_and_grad(x, target, **self._options, **more)
            self._gathered(value, gradients)
            return value, flat.gradient.astype(float)

        def done(values: Array, value: float) -> bool:
            nonlocal began
            flat.vector[...] = values
            flat.push()
            self.timings["training"] += time.perf_counter() - began
            scores = {"loss": value}
            if plan.metrics:
                found = Held(plan.examples, self._pieces()).predictions(self.model, plan.steps)
                scores |= found.scores(None, plan.metrics)
            self._end_epoch(scores, flat.vector, began)
            if self._progress is not None:
                self._progress.step(self.epoch)
            began = time.perf_counter()
            return self.ending is not None

        why = plan.optimizer.minimize(objective, flat.vector.astype(float), self.epochs, done)
        if self.ending is None and self.epoch < self.epochs:
            self.ending = ("converged", why)

    def _finished(self) -> Run:
        """Put the best parameters back, and say how it was."""
        import pandas as pd

        stopped, why = self.ending or ("epochs", f"all {self.epochs} epochs are done")
        # What was not validated is only known to be good while the next loss was finite.
        if stopped == "diverged" and (self.plan.held is None or self.best.vector is None):
            self.flat.vector[...] = self.good
        elif self.best.vector is not None and not (self.exact and self.best.epoch == self.epoch):
            # Where it has been going down to the end, the last step has no loss of its own yet, and stays.
            self.flat.vector[...] = self.best.vector
        self.flat.push()
        return Run(
            model=self.model,
            history=pd.DataFrame(self.history).set_index("epoch") if self.history else pd.DataFrame(),
            best_epoch=self.best.epoch,
            best_score=self.best.score,
            stopped=stopped,
            why=why,
            timings={**self.timings, "steps": self.steps},
        )
