"""The derivatives of a model: its parts one on the other, the loss on top, and every gradient under its own name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.compile.programs import CUT, RESTART, Variant
from nanolstm.eager import draw_noises
from nanolstm.errors import InputError, nearest
from nanolstm.gradient.part import PartRun
from nanolstm.gradient.rows import Rows
from nanolstm.inputs import Inputs, check_initial, check_inputs, numbers
from nanolstm.language.functions import Array
from nanolstm.language.initialisers import RandomSource, random_source
from nanolstm.language.stepping import start_states
from nanolstm.losses import Loss
from nanolstm.losses import loss as find_loss
from nanolstm.traced import programs_of, programs_of_loss

if TYPE_CHECKING:
    from nanolstm.sequence import Part, Sequence

Structure = dict[str, Any]


@attrs.frozen(eq=False)
class Batch:
    """What a model is run on, checked, and the layout of its rows.

    `bare` are the feeds of width 1 that came without an axis for it.
    """

    inputs: Inputs
    initial: Mapping[str, Array]
    layout: Rows
    bare: frozenset[str]
    rng: RandomSource | None
    truncate: int | None
    segments: list[range]

    def pack(self, array: Array) -> Array:
        """The rows of an array (T, *batch, ...)."""
        return self.layout.pack(
            array.reshape(self.layout.time, self.layout.batch, *array.shape[1 + len(self.inputs.batch) :])
        )

    def unpack(self, rows: Array) -> Array:
        """The array, batch first, of rows; the caller's own."""
        array = self.layout.unpack(rows)
        return np.array(np.swapaxes(array, 0, 1) if self.inputs.batch else array[:, 0], order="C")

    def pack_batch_first(self, array: Array) -> Array:
        """The rows of an array, batch first."""
        return self.pack(np.swapaxes(array, 0, 1) if self.inputs.batch else array)


def check_batch(
    model: Sequence,
    x: Any,
    *,
    lengths: Any,
    resets: Any,
    initial: Mapping[str, Any] | None,
    rng: Any,
    truncate: int | None,
    checkpoint_every: int | None,
    feeds: Mapping[str, Any],
) -> Batch:
    """Check everything that comes with a call.

    Raises:
        InputError: see [`Sequence`][nanolstm.Sequence]; or `truncate` or `checkpoint_every` is no number of steps.
    """
    given = check_inputs(
        x, model.inputs, model.dtype, lengths=lengths, resets=resets, feeds=feeds, known_feeds=model.feeds()
    )
    for name, steps in (("truncate", truncate), ("checkpoint_every", checkpoint_every)):
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1):
            raise InputError(f"{name}={steps!r}: expected a number of time steps from 1 on, or None")
    layout = Rows(
        len(given.x), given.batch[0] if given.batch else 1, given.lengths if given.valid is not None else None
    )
    time = len(layout.steps)
    piece = checkpoint_every or time
    return Batch(
        given,
        check_initial(initial, model.states(), given.batch, model.dtype),
        layout,
        frozenset(
            name for name, feed in model.feeds().items() if feed.size == 1 and _rank(feeds.get(name)) < given.x.ndim
        ),
        None if rng is None else random_source(rng),
        truncate,
        [range(t, min(t + piece, time)) for t in range(0, time, piece)],
    )


def _rank(value: Any) -> int:
    return np.ndim(value) if value is not None else 0


@attrs.define(eq=False)
class ModelRun:
    """A model on a batch: `levels` from the input to the output, each of one part, or of the two directions."""

    batch: Batch
    here: Mapping[str, Structure]
    levels: list[list[PartRun]]

    def ahead(self, *, derive: bool) -> dict[str, Array]:
        """The output of all rows, "output", and its tangent in the direction of the run, "v output"."""
        values = {f"{way}x": self.batch.pack(structure["x"]) for way, structure in self.here.items()}
        for level in self.levels:
            found = [run.ahead(values, derive=derive) for run in level]
            outputs = {f"{way}output": [answer[f"{way}output"] for answer in found] for way in self.here}
            joined = {name: np.concatenate(v, axis=-1) if len(v) > 1 else v[0] for name, v in outputs.items()}
            values = {name.replace("output", "x"): value for name, value in joined.items()}
        return joined

    def back(self, cotangents: Mapping[str, Array]) -> list[list[dict[str, Array]]]:
        """What each part answers to the cotangent of the model's output, "d output" (and "v d output")."""
        answers: list[list[dict[str, Array]]] = []
        for level in reversed(self.levels):
            ends = np.cumsum([run.part.cell.outputs for run in level])
            found = []
            for run, end in zip(level, ends, strict=True):
                columns = slice(end - run.part.cell.outputs, end)
                found.append(run.back({name: value[:, columns] for name, value in cotangents.items()}))
            answers.insert(0, found)
            ways = [name for name in ("d x", "v d x") if name in found[0]]
            cotangents = {
                name.replace("x", "output"): np.sum([f[name] for f in found], axis=0)
                if len(found) > 1
                else found[0][name]
                for name in ways
            }
        return answers


def point(model: Sequence, batch: Batch) -> Structure:
    """Everything that a gradient can be taken by, as it is: the structure that `wrt` chooses from.

    "parameters" and "frozen" by name, "x" and each feed as (T, *batch, size), "initial" by name as (*batch, ...).
    """
    initial = {}
    for part in model.parts():
        starts = start_states(part.cell) | model.starts_of(part)
        for name, value in starts.items():
            state = batch.initial.get(part.prefix + name)
            repeated = np.broadcast_to(value, (*batch.inputs.batch, *value.shape))
            initial[part.prefix + name] = repeated if state is None else state
    parameters, frozen = dict(model.parameters), dict(model.frozen)
    return {"parameters": parameters, "frozen": frozen, "x": batch.inputs.x, "initial": initial, **batch.inputs.feeds}


def start(model: Sequence, batch: Batch, wrt: set[str], direction: Structure | None = None) -> ModelRun:
    """Everything that a run needs, part by part: at `point`, and along `direction` from there."""
    here = {"": point(model, batch)} | ({"v ": direction} if direction is not None else {})
    levels: list[list[PartRun]] = [[]]
    for part in model.parts():
        levels[-1].append(_part_run(model, part, batch, wrt, here, lowest=len(levels) == 1))
        if not part.joined:
            levels.append([])
    return ModelRun(batch, here, levels[:-1])


def _part_run(
    model: Sequence, part: Part, batch: Batch, wrt: set[str], here: Mapping[str, Structure], *, lowest: bool
) -> PartRun:
    cell, layout, starts = part.cell, batch.layout, model.learned_starts(part)
    groups = {name: "parameters" if key in model.parameters else "frozen" for name, key in starts.items()}
    wanted = {key for key in cell.parameters if "parameters" in wrt} | {key for key in cell.frozen if "frozen" in wrt}
    wanted |= (wrt & {"x"} if lowest else {"x"}) | (wrt & set(cell.anatomy.feeds))
    fixed: dict[str, Array] = {}
    rows: dict[str, Array] = {}
    first: dict[str, Array] = {}
    restart, cut = _restarts(part, batch), _cuts(part, batch)
    if restart is not None:
        rows[RESTART] = restart
        wanted |= {f"start {name}" for name, group in groups.items() if group in wrt}
    if cut is not None:
        rows[CUT] = cut
    for way, values in here.items():
        for group, own in (("parameters", cell.parameters), ("frozen", cell.frozen)):
            fixed |= {f"{way}{key}": values[group][part.prefix + key] for key in own}
        for name, state in start_states(cell).items():
            fixed[f"{way}start {name}"] = (
                values[groups[name]][starts[name]] if name in starts else np.zeros_like(state) if way else state
            )
            value = np.reshape(values["initial"][part.prefix + name], (layout.batch, *state.shape))
            first[f"{way}{name}"] = layout.sorted(value)
        for name in cell.anatomy.feeds:
            packed = batch.pack(values[name])
            rows[f"{way}{name}"] = packed[layout.turned] if part.backward else packed
    masks = draw_noises(cell, layout.time, batch.inputs.batch, batch.rng)
    rows |= {name: batch.pack(mask) for name, mask in masks.items()}
    along = frozenset(wanted) if "v " in here else None
    variant = Variant(restart is not None, cut is not None, frozenset(wanted), along)
    return PartRun(part, programs_of(cell), variant, layout, batch.segments, fixed, rows, first)


def _restarts(part: Part, batch: Batch) -> Array | None:
    """The rows (rows, 1) before which the states of `part` start anew."""
    resets = batch.inputs.resets
    if resets is None or not resets.any() or not part.cell.anatomy.states:
        return None
    if not part.backward:
        return batch.pack(resets)[:, None]
    # A border before step t is, seen from the other side, before step t - 1.
    later = np.concatenate([resets[1:], np.zeros_like(resets[:1])])
    return batch.pack(later)[batch.layout.turned][:, None]


def _cuts(part: Part, batch: Batch) -> Array | None:
    """The rows (rows, 1) through whose states no gradient goes back."""
    steps = batch.layout.steps
    if batch.truncate is None or batch.truncate >= len(steps) or not part.cell.anatomy.states:
        return None
    time = np.repeat(np.arange(len(steps)), [b - a for a, b in steps])
    cut: Array = ((time % batch.truncate == 0) & (time > 0))[:, None]
    return cut


# What is asked for, and what is answered: structures that `wrt` chooses from.


def names_of(model: Sequence, wrt: str | Iterable[str]) -> list[str]:
    """The names in `wrt`.

    Raises:
        InputError: one of them is none.
    """
    known = ["parameters", "frozen", "x", "initial", *model.feeds()]
    if not isinstance(wrt, str | list | tuple | set | frozenset):
        raise InputError(f"wrt={wrt!r}: expected one of {', '.join(known)}, or a tuple of them")
    names = [wrt] if isinstance(wrt, str) else list(wrt)
    for name in names:
        if name in model.states():
            raise InputError(f"wrt={wrt!r}: {name!r} is a state; write 'initial', and take [{name!r}] of the answer")
        if name in model.parameters:
            raise InputError(f"wrt={wrt!r}: write 'parameters', and take [{name!r}] of the answer")
        if name not in known:
            raise InputError(f"wrt={wrt!r}: no {name!r}; {nearest(str(name), known, 'a gradient can be taken by')}")
    if not names:
        raise InputError(f"wrt={wrt!r}: expected at least one of {', '.join(known)}")
    return names


def completed(model: Sequence, batch: Batch, wrt: str | Iterable[str], direction: Any) -> Structure:
    """`direction`, which has the structure of a gradient by `wrt`, as a whole one: 0 where it says nothing.

    Raises:
        InputError: a name that is not in the gradient, a wrong shape, something that is no array of numbers.
    """
    names = names_of(model, wrt)
    given = {names[0]: direction} if isinstance(wrt, str) else direction
    if not isinstance(given, Mapping):
        raise InputError(f"direction is a {type(given).__name__}; expected a mapping with {', '.join(names)}")
    whole: Structure = {
        group: {name: np.zeros_like(v) for name, v in value.items()}
        if isinstance(value, dict)
        else np.zeros_like(value)
        for group, value in point(model, batch).items()
    }
    for group, value in given.items():
        if group not in names:
            raise InputError(f"direction has {group!r}, which is not in wrt: {nearest(str(group), names)}")
        if isinstance(whole[group], dict):
            if not isinstance(value, Mapping):
                raise InputError(
                    f"direction of {group} is a {type(value).__name__}; expected a mapping of arrays by name"
                )
            for name, array in value.items():
                if name not in whole[group]:
                    raise InputError(f"direction has no place for {name!r}: {nearest(str(name), whole[group], group)}")
                _put(whole[group][name], array, f"direction[{name!r}]")
        else:
            shown = np.swapaxes(whole[group], 0, 1) if batch.inputs.batch else whole[group]
            shown = shown[..., 0] if group in batch.bare else shown
            _put(shown, value, f"direction of {group}")
    for part in model.parts():
        for name, key in model.learned_starts(part).items():
            if part.prefix + name not in batch.initial:
                whole["initial"][part.prefix + name] += whole["parameters" if key in model.parameters else "frozen"][
                    key
                ]
    return whole


def _put(place: Array, value: Any, name: str) -> None:
    array = numbers(value, name, place.dtype)
    if array.shape != place.shape:
        raise InputError(f"{name} has shape {array.shape}; expected {place.shape}")
    place[...] = array


def gathered(model: Sequence, run: ModelRun, answers: list[list[Structure]], wrt: str | Iterable[str], way: str) -> Any:
    """The gradient by `wrt` of what the parts answered; `way` is "d ", or "v d " for its tangent."""
    found: Structure = {
        group: {key: np.zeros_like(value) for key, value in values.items()}
        for group, values in (("parameters", model.parameters), ("frozen", model.frozen))
    }
    found |= {"initial": {}, **dict.fromkeys(model.feeds(), 0.0)}
    batch = run.batch
    for level, parts in zip(run.levels, answers, strict=True):
        for own, answer in zip(level, parts, strict=True):
            part = own.part
            for group, keys in (("parameters", part.cell.parameters), ("frozen", part.cell.frozen)):
                for key in keys:  # added to zeros: two parameters may have one and the same gradient
                    found[group][part.prefix + key] += answer.get(f"{way}{key}", 0.0)
            for name in part.cell.anatomy.states:
                shape = (*batch.inputs.batch, *part.cell.anatomy.states[name].shape)
                found["initial"][part.prefix + name] = np.array(answer[f"{way}{name}"]).reshape(shape)
            for name in part.cell.anatomy.feeds:
                if f"{way}{name}" in answer:
                    found[name] = found[name] + answer[f"{way}{name}"]
    for level, parts in zip(run.levels, answers, strict=True):
        for own, answer in zip(level, parts, strict=True):
            for name, key in model.learned_starts(own.part).items():
                total = found["parameters" if key in model.parameters else "frozen"][key]
                total += answer.get(f"{way}start {name}", 0.0)
                if own.part.prefix + name not in batch.initial:
                    total += answer[f"{way}{name}"].sum(axis=0)
    if f"{way}x" in answers[0][0]:
        found["x"] = sum(answer[f"{way}x"] for answer in answers[0])
    names = names_of(model, wrt)
    rows = {"x", *model.feeds()}
    result = {name: batch.unpack(found[name]) if name in rows else found[name] for name in names}
    result |= {name: result[name][..., 0] for name in batch.bare & result.keys()}
    return result[names[0]] if isinstance(wrt, str) else result


# What a model offers.


def value_and_grad(
    model: Sequence, x: Any, target: Any, loss: str | Any, wrt: str | Iterable[str], **more: Any
) -> tuple[float, Any]:
    """See [`Sequence.value_and_grad`][nanolstm.Sequence.value_and_grad]."""
    batch, function = check_batch(model, x, **more), find_loss(loss)
    run = start(model, batch, set(names_of(model, wrt)))
    value, cotangents = _loss(function, batch, target, run.ahead(derive=True))
    return float(value["loss"]), gathered(model, run, run.back(cotangents), wrt, "d ")


def jvp(
    model: Sequence, x: Any, direction: Any, target: Any, loss: str | Any | None, wrt: str | Iterable[str], **more: Any
) -> tuple[Any, Any]:
    """See [`Sequence.jvp`][nanolstm.Sequence.jvp]."""
    batch = check_batch(model, x, **more)
    run = start(model, batch, set(names_of(model, wrt)), completed(model, batch, wrt, direction))
    ahead = run.ahead(derive=False)
    if target is None:
        return batch.unpack(ahead["output"]), batch.unpack(ahead["v output"])
    value, _ = _loss(find_loss(loss or "rmse"), batch, target, ahead)
    return float(value["loss"]), float(value["v loss"])


def hvp(
    model: Sequence, x: Any, target: Any, direction: Any, loss: str | Any, wrt: str | Iterable[str], **more: Any
) -> Any:
    """See [`Sequence.hvp`][nanolstm.Sequence.hvp]."""
    batch, function = check_batch(model, x, **more), find_loss(loss)
    run = start(model, batch, set(names_of(model, wrt)), completed(model, batch, wrt, direction))
    _, cotangents = _loss(function, batch, target, run.ahead(derive=True))
    return gathered(model, run, run.back(cotangents), wrt, "v d ")


def _loss(function: Loss, batch: Batch, target: Any, ahead: Mapping[str, Array]) -> tuple[Structure, dict[str, Array]]:
    """The loss of a model's output, its tangent, and the cotangents of the output of all rows."""
    y = batch.unpack(ahead["output"])
    lengths = batch.inputs.lengths if batch.layout.lengths is not None else None
    predicted, true = function.entries(y, target, lengths=lengths)
    valid = np.ones(y.shape[:-1], bool) if lengths is None else np.arange(y.shape[1]) < lengths[:, None]
    given = {"prediction": predicted, "target": true, "d loss": np.ones((), y.dtype), "v d loss": np.zeros((), y.dtype)}
    along = None
    if "v output" in ahead:
        along = frozenset({"prediction"})
        given["v prediction"] = batch.unpack(ahead["v output"])[valid]
    variant = Variant(wrt=frozenset({"prediction"}), along=along)
    answer = programs_of_loss(function, y.shape[-1], y.dtype).joint(variant)((), len(predicted), y.dtype, given)
    cotangents = {}
    for way in ("d ",) if along is None else ("d ", "v d "):
        whole = np.zeros_like(y)
        whole[valid] = answer[f"{way}prediction"]
        cotangents[f"{way}output"] = batch.pack_batch_first(whole)
    return answer, cotangents
