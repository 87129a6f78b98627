"""Ensembles: many models of one shape that differ in their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Several
from functools import partial
from typing import Any, overload

import numpy as np

from nanolstm.ensembles.given import Given, member_examples
from nanolstm.ensembles.run import EnsembleRun
from nanolstm.ensembles.stack import Stack
from nanolstm.ensembles.training import EnsembleTraining
from nanolstm.errors import InputError
from nanolstm.gradient.model import Scored
from nanolstm.inputs import check_inputs, numbers
from nanolstm.language.cell import Cell
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource, random_source
from nanolstm.sequence import Sequence
from nanolstm.train.fit import planned
from nanolstm.train.optimizer import Optimizer


class Ensemble:
    """Many models of the same cells and sizes with different parameters, run and trained side by side.

    ```python
    import numpy as np
    import nanolstm as nl

    x = np.random.default_rng(0).uniform(size=(40, 20, 2))              # 40 sequences of 20 steps
    target = np.cumsum(x, axis=1)[..., :1] / 10
    ensemble = nl.Ensemble(nl.cells.LSTM(inputs=2, hidden=3), members=8, readout=1, rng=0)

    run = ensemble.fit((x, target), epochs=5, validation=0.25, rng=0)
    ensemble(x).shape                                                   # (8, 40, 20, 1): of each member
    ensemble.mean(x).shape, ensemble.spread(x).shape                    # (40, 20, 1), (40, 20, 1)
    best = ensemble[run.best]                                           # an nl.Sequence
    ```

    Every member comes out as it would by itself, to the last bit: `nl.fit(ensemble[3], data, rng=0)` is the same
    training as that of member 3 in `ensemble.fit(data, rng=0)`. What is saved is that what happens around a kernel is
    paid once for all members, and threads divide the members among themselves.

    Args:
        model: a cell, a list of cells (a stack), or a [`Sequence`][nanolstm.Sequence], of which each member is a
            freshly drawn copy; or a list of `Sequence` of one shape, which then are the members themselves.
        members: how many; left out with a list of models.
        rng: draws the members' parameters, one member after the other.
        options: of the members, as for `Sequence`: `readout`, `bidirectional`, `learn_initial`, `backend`; for cells
            only.

    Raises:
        InputError: no such thing, or models that are not of one shape.
    """

    def __init__(
        self,
        model: Cell | Several[Cell] | Sequence | Several[Sequence],
        members: int | None = None,
        *,
        rng: int | RandomSource | None = None,
        **options: Any,
    ) -> None:
        """See the class."""
        self._members = _members(model, members, rng, options)
        _check_alike(self._members)
        self._stack = Stack(self._members)

    @property
    def members(self) -> tuple[Sequence, ...]:
        """The models."""
        return self._members

    def __len__(self) -> int:
        """How many there are."""
        return len(self._members)

    @overload
    def __getitem__(self, member: int) -> Sequence: ...

    @overload
    def __getitem__(self, member: slice) -> Ensemble: ...

    def __getitem__(self, member: int | slice) -> Sequence | Ensemble:
        """One member, which is an ordinary model; or, of a slice, an ensemble of these members."""
        return Ensemble(list(self._members[member])) if isinstance(member, slice) else self._members[member]

    def __iter__(self) -> Iterator[Sequence]:
        """The members, one after the other."""
        return iter(self._members)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made of copies of the members."""
        return Ensemble, (list(self._members),)

    def __repr__(self) -> str:
        return f"Ensemble({len(self)} x {self._members[0]!r})"

    def __call__(self, x: Any, *, lengths: Any = None, resets: Any = None, **feeds: Any) -> Array:
        """Run every member over `x`.

        Args:
            x: as for calling a `Sequence`, the same for all; or of each member its own, (members, B, T, M).
            lengths: as there.
            resets: as there.
            feeds: as there; where x has an axis for the members, they have one too.

        Returns:
            y of each member: (members, B, T, N), or (members, T, N) for one sequence.

        Raises:
            InputError: as there, or another number of members.
        """
        model, array = self._members[0], numbers(x, "x", self._members[0].dtype)
        own, alone = array.ndim == 4, array.ndim == 2
        if own and len(array) != len(self):
            raise InputError(f"x has shape {array.shape}: the first axis is for the {len(self)} members")
        more = {
            name: value for name, value in {"lengths": lengths, "resets": resets, **feeds}.items() if value is not None
        }
        if own:
            for one in array:
                check_inputs(one, model.inputs, model.dtype, lengths=lengths, resets=resets, feeds={}, known_feeds={})
            for name in feeds:
                if len(np.atleast_1d(feeds[name])) != len(self):
                    raise InputError(
                        f"{name} has shape {np.shape(feeds[name])}: the first axis is for {len(self)} members"
                    )
        elif alone:
            array = array[None]
            more = {name: np.asarray(value)[None] if np.ndim(value) else value for name, value in more.items()}
        # A view is another object each time, and so the numbers in it are looked at each time.
        given = Given(array.view(), None, more, own=own)
        y = self._stack.run(np.arange(len(self)), self._stack.vectors(), given).y
        return y[:, 0] if alone else y

    def mean(self, x: Any, **more: Any) -> Array:
        """The mean of the members' outputs, (B, T, N) or (T, N); arguments as for calling."""
        found: Array = self(x, **more).mean(axis=0)
        return found

    def spread(self, x: Any, **more: Any) -> Array:
        """The standard deviation of the members' outputs (of a sample: over members - 1), of the shape of the mean.

        It says how far the members disagree, and nothing of what all of them are wrong about. Of one member it is 0.
        """
        y = self(x, **more)
        found: Array = y.std(axis=0, ddof=1) if len(y) > 1 else np.zeros_like(y[0])
        return found

    def fit(
        self,
        data: Any,
        *,
        loss: str | Callable[..., Any] = "mse",
        optimizer: str | Optimizer = "adam",
        epochs: int = 100,
        batch_size: int | None = None,
        validation: Any = None,
        patience: int | None = None,
        clip: Any = None,
        schedule: str | Callable[[float, int], float] | None = None,
        truncate: int | None = None,
        steps: Scored = "all",
        batching: str = "shuffled",
        metrics: Any = (),
        rng: int | RandomSource | None = None,
        progress: bool = True,
    ) -> EnsembleRun:
        """Train all members in place, and answer with how it went.

        A member whose loss or gradient is not finite any more ends with its last good parameters, and is named in
        `run.diverged`; so does one that has run out of patience. The others go on.

        Args:
            data: in the forms of [`nl.fit`][nanolstm.fit], the same for all members; or of each its own: a list with
                one of these forms for each, or x (members, B, T, M) and target and feeds with such an axis too.
            loss: as for `nl.fit`, like all that follow.
            optimizer: one that works by element updates all members as one vector.
            epochs: as there.
            batch_size: as there.
            validation: in the forms of data, or a share.
            patience: of each member by itself.
            clip: of each member by itself.
            schedule: as there; `plateau` goes by the scores of each member by itself.
            truncate: as there.
            steps: as there.
            batching: as there; all members see the same pieces in the same order.
            metrics: as there.
            rng: as there; masks of cells that have `noise` are the same for all members.
            progress: as there.

        Returns:
            An [`EnsembleRun`][nanolstm.EnsembleRun].

        Raises:
            InputError: an argument that is none of the above.
            UnknownNameError: a name that no plugin registered.
            TraceError: as for `value_and_grad`.
        """
        plan = planned(
            self._members[0],
            partial(member_examples, self._members),
            data,
            validation,
            loss=loss,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            clip=clip,
            schedule=schedule,
            truncate=truncate,
            steps=steps,
            batching=batching,
            metrics=metrics,
            callbacks=(),
            rng=rng,
            progress=progress,
            checkpoint=None,
        )
        if plan.optimizer.full_batch:
            raise InputError(
                f"optimizer {type(plan.optimizer).__name__} chooses its own steps for each model, and an ensemble "
                "takes one step of all members: fit each member by itself, for model in ensemble: nl.fit(model, ...)"
            )
        return EnsembleTraining(plan, self._stack).run()


def _members(model: Any, members: int | None, rng: Any, options: Mapping[str, Any]) -> tuple[Sequence, ...]:
    if isinstance(model, list | tuple) and model and all(isinstance(one, Sequence) for one in model):
        if members not in (None, len(model)) or options or rng is not None:
            raise InputError(
                f"Ensemble: a list of {len(model)} models are the members themselves; leave members=, rng= and options "
                "of models out"
            )
        if len({id(one) for one in model}) < len(model):
            raise InputError("Ensemble: one model stands twice in the list; give copies: copy.deepcopy(model)")
        return tuple(model)
    if isinstance(members, bool) or not isinstance(members, int) or members < 1:
        raise InputError(f"Ensemble(members={members!r}): expected how many models there are, from 1 on")
    if isinstance(model, Sequence) and options:
        raise InputError(f"Ensemble: a Sequence has its options already; leave {', '.join(options)} out")
    template = model if isinstance(model, Sequence) else Sequence(model, **options)
    source = random_source(rng)
    return tuple(_drawn(template, source) for _ in range(members))


def _drawn(template: Sequence, rng: RandomSource) -> Sequence:
    """A model like `template`, with parameters of its own."""
    cells = [cell.fresh(rng) for cell in template.cells]
    backward = None if template.backward is None else [cell.fresh(rng) for cell in template.backward]
    return Sequence(
        cells,
        backward=backward,
        readout=template.readout,
        learn_initial=template.learn_initial,
        rng=rng,
        backend=template.backend,
    )


def _check_alike(models: tuple[Sequence, ...]) -> None:
    """Whether models compute the same and have parameters of the same names and shapes.

    Raises:
        InputError: they do not.
    """
    first = _shape(models[0])
    for i, model in enumerate(models[1:], 1):
        other = _shape(model)
        for name, value in first.items():
            if other[name] != value:
                raise InputError(f"Ensemble: member {i} differs from member 0 in {name}: {other[name]}, and {value}")
        for own, part in zip(model.parts(), models[0].parts(), strict=True):
            if type(own.cell) is not type(part.cell):
                raise InputError(
                    f"Ensemble: the {type(own.cell).__name__} of member {i} is another class than that of member 0, of "
                    "the same name; make all members of one"
                )


def _shape(model: Sequence) -> dict[str, Any]:
    return {
        "dtype": model.dtype.name,
        "backend": model.backend,
        "cells": ", ".join(f"{part.prefix}{part.cell!r}" for part in model.parts()),
        "parameters": {name: view.shape for name, view in {**model.parameters, **model.frozen}.items()},
        "outputs": model.outputs,
    }
