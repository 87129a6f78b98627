"""Members run and derived: as many at once as stay in the cache, through kernels that they share, or one by one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.compile.programs import Programs
from nanolstm.ensembles.alike import Alike
from nanolstm.ensembles.given import Given
from nanolstm.gradient.batch import Batch, check_batch
from nanolstm.gradient.model import Scored
from nanolstm.gradient.side_by_side import BoundMembers, bound_members
from nanolstm.kernels.threads import get_num_threads
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource
from nanolstm.losses import Loss
from nanolstm.train.flat import Flat
from nanolstm.train.generator import set_state, state_of

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence

_AT_ONCE = 8 << 20
"""Bytes that a step of the members passes through which run at once: about what stays in the second cache."""

_KEPT = 8
"""For how many shapes of batches members are kept bound."""


@attrs.frozen(eq=False)
class Ran:
    """What members answer with, each array with an axis for them before all others.

    Attributes:
        y: (members, B, T, N).
        state: the last states by name, (members, B, ...).
        loss: (members,); empty where nothing was derived.
    """

    y: Array
    state: Mapping[str, Array]
    loss: Array


@attrs.frozen
class _Key:
    """What a call has to have in common with another to use the same bound members."""

    time: int
    batch: int
    slices: int
    truncate: int | None
    restarts: bool
    derive: bool
    threads: int


class Stack:
    """The members of an ensemble and their parameters, a row for each.

    Attributes:
        models: the members.
        flats: of each member, its parameters as one vector.
    """

    def __init__(self, models: tuple[Sequence, ...]) -> None:
        """Of models of one shape."""
        self.models = models
        self.flats = [Flat(model) for model in models]
        self._sizes: dict[_Key, int] = {}
        self._bound: OrderedDict[tuple[_Key, int], BoundMembers] = OrderedDict()
        self._chosen: dict[tuple[int, ...], tuple[Sequence, ...]] = {}
        self._alike = Alike(models)
        self._programs: tuple[Programs, ...] | None = None

    def vectors(self) -> Array:
        """The parameters of all members as they are, (members, P): the caller's own."""
        for flat in self.flats:
            flat.pull()
        return np.stack([flat.vector for flat in self.flats])

    def put(self, member: int, vector: Array) -> None:
        """Give a member its parameters."""
        self.flats[member].vector[...] = vector
        self.flats[member].push()

    def project(self, members: Array, vectors: Array) -> None:
        """Bring each parameter that was declared with `project=` back where it belongs."""
        if self.flats[0].projected:
            for member, vector in zip(members, vectors, strict=True):
                flat = self.flats[member]
                flat.vector[...] = vector
                flat.project()
                vector[...] = flat.vector

    def run(
        self,
        members: Array,
        vectors: Array,
        given: Given,
        *,
        initial: Mapping[str, Array] | None = None,
        rng: RandomSource | None = None,
    ) -> Ran:
        """Run some members, whose parameters are `vectors`; `initial` are first states by name, (members, B, ...)."""
        found = self._at_once(members, vectors, given, initial, rng, None)
        if found is not None:
            return found
        answers = []
        for row, again in self._each(members, vectors, rng):
            x, _, more = given.of(row)
            first = None if initial is None else {name: value[row] for name, value in initial.items()}
            answers.append(self.models[members[row]](x, **more, initial=first, return_state=True, rng=again))
        return _joined(answers, [])

    def derive(
        self,
        members: Array,
        vectors: Array,
        gradients: Array,
        given: Given,
        *,
        loss: Loss,
        steps: Scored,
        truncate: int | None,
        rng: RandomSource | None = None,
        initial: Mapping[str, Array] | None = None,
        keep: bool = True,
    ) -> Ran:
        """Run some members, and put their gradients by their parameters into `gradients`.

        Without `keep` it may answer with no y and no state.
        """
        asked = _Asked(gradients, loss, steps, truncate, keep)
        found = self._at_once(members, vectors, given, initial, rng, asked)
        if found is not None:
            return found
        answers, losses = [], []
        for row, again in self._each(members, vectors, rng):
            x, target, more = given.of(row)
            first = None if initial is None else {name: value[row] for name, value in initial.items()}
            value, gradient, run = self.models[members[row]].value_grad_and_run(
                x, target, loss=loss, steps=steps, truncate=truncate, rng=again, initial=first, **more
            )
            flat = self.flats[members[row]]
            flat.gather(gradient)
            gradients[row] = flat.gradient
            answers.append((run.y, run.state))
            losses.append(value)
        return _joined(answers, losses)

    def _each(self, members: Array, vectors: Array, rng: RandomSource | None) -> Any:
        """Every row of `vectors` once its member has it, and the generator as it was: all draw the same masks."""
        before = None if rng is None else state_of(rng)
        for row, member in enumerate(members):
            if rng is not None and before is not None:
                set_state(rng, before)
            self.put(member, vectors[row])
            yield row, rng

    def _at_once(
        self,
        members: Array,
        vectors: Array,
        given: Given,
        initial: Mapping[str, Array] | None,
        rng: RandomSource | None,
        asked: _Asked | None,
    ) -> Ran | None:
        """Through kernels bound together; None where there are none."""
        if not given.shared:
            return None
        model, before = self.models[0], None if rng is None else state_of(rng)
        more = dict(given.more)
        x, lengths, resets = given.x[0] if given.own else given.x, more.pop("lengths", None), more.pop("resets", None)
        truncate = None if asked is None else asked.truncate
        batch = check_batch(model, x, lengths, resets, None, rng, truncate, None, more)
        size = self._group(batch, derive=asked is not None)
        if size is None:
            return None
        programs = self._alike.programs()
        if programs is None:
            return None
        if self._programs not in (None, programs):
            self._bound.clear()
            self._sizes.clear()
            size = self._group(batch, derive=asked is not None)
            if size is None:
                return None
        self._programs = programs
        found = []
        for begin in range(0, len(members), size):
            some = slice(begin, begin + size)
            if rng is not None and before is not None:
                set_state(rng, before)
            bound = self._bind(batch, len(members[some]), derive=asked is not None)
            assert bound is not None
            first = None if initial is None else {name: value[some] for name, value in initial.items()}
            own = given.of_some(some)
            bound.run(self._models(members[some]), vectors[some], batch, own.x, first)
            losses = np.zeros(0)
            if asked is not None and own.target is not None:
                losses = bound.loss(asked.loss, own.target, asked.steps)
                bound.back(asked.gradients[some])
            keep = asked is None or asked.keep
            found.append((bound.predictions(), bound.last(), losses) if keep else (np.zeros((0, 0)), {}, losses))
        ys, states, values = zip(*found, strict=True)
        state = {name: np.concatenate([one[name] for one in states]) for name in states[0]}
        return Ran(np.concatenate(ys), state, np.concatenate(values))

    def _models(self, members: Array) -> tuple[Sequence, ...]:
        """The same tuple each time."""
        key = tuple(members.tolist())
        return self._chosen.setdefault(key, tuple(self.models[i] for i in key))

    def _group(self, batch: Batch, *, derive: bool) -> int | None:
        """How many members run at once; None if their kernels cannot be bound together."""
        key = _key(batch, derive=derive)
        if key not in self._sizes:
            bound = self._bind(batch, 1, derive=derive)
            fits = 0 if bound is None else _AT_ONCE // max(bound.size, 1)
            # For every thread one at least.
            self._sizes[key] = 0 if bound is None else max(fits, -(-key.threads // key.slices), 1)
        return self._sizes[key] or None

    def _bind(self, batch: Batch, count: int, *, derive: bool) -> BoundMembers | None:
        key = _key(batch, derive=derive), count
        bound = self._bound.get(key)
        if bound is None:
            bound = bound_members(self.models[:count], batch, derive=derive)
            if bound is None:
                return None
            self._bound[key] = bound
            while len(self._bound) > _KEPT:
                self._bound.popitem(last=False)
        self._bound.move_to_end(key)
        return bound


@attrs.frozen(eq=False)
class _Asked:
    """What a derivation is asked for."""

    gradients: Array
    loss: Loss
    steps: Scored
    truncate: int | None
    keep: bool


def _key(batch: Batch, *, derive: bool) -> _Key:
    layout, resets = batch.layout, batch.inputs.resets
    restarts = resets is not None and bool(resets.any())
    return _Key(layout.time, layout.batch, layout.slices, batch.truncate, restarts, derive, get_num_threads())


def _joined(answers: list[tuple[Array, Mapping[str, Array]]], losses: list[float]) -> Ran:
    ys, states = zip(*answers, strict=True)
    return Ran(np.stack(ys), {name: np.stack([one[name] for one in states]) for name in states[0]}, np.array(losses))
