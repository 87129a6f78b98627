"""All parts of a model on a batch: their programs one on the other, forward and back again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from nanolstm.compile.backend import chosen, tell_once
from nanolstm.compile.kernel_steps import CUT, RESTART
from nanolstm.compile.memory import Memory
from nanolstm.compile.programs import Variant
from nanolstm.eager import draw_noises
from nanolstm.errors import KernelError
from nanolstm.gradient.batch import Batch
from nanolstm.gradient.part import PartRun, Runnables
from nanolstm.gradient.structure import Structure, group_of, names_of, point
from nanolstm.language.functions import Array
from nanolstm.language.stepping import start_states
from nanolstm.traced import programs_of

if TYPE_CHECKING:
    from nanolstm.sequence import Part, Sequence


@attrs.define(eq=False)
class ModelRun:
    """A model on a batch: `levels` from the input to the output, each of one part, or of the two directions."""

    batch: Batch
    here: Mapping[str, Structure]
    levels: list[list[PartRun]]

    def ahead(self) -> dict[str, Array]:
        """The output of all rows, "output", and its tangent in the direction of the run, "v output".

        Beside them stand the last states of all parts, "last 0.h", and what is recorded, "value 0.forget".
        """
        values = {f"{way}x": self.batch.pack(structure["x"]) for way, structure in self.here.items()}
        others: dict[str, Array] = {}
        for level in self.levels:
            found = [run.ahead(values) for run in level]
            for run, answer in zip(level, found, strict=True):
                for name, value in answer.items():
                    kind, _, word = name.partition(" ")
                    if kind in ("last", "value"):
                        others[f"{kind} {run.part.prefix}{word}"] = value
            outputs = {f"{way}output": [answer[f"{way}output"] for answer in found] for way in self.here}
            joined = {name: np.concatenate(v, axis=-1) if len(v) > 1 else v[0] for name, v in outputs.items()}
            values = {name.replace("output", "x"): value for name, value in joined.items()}
        return joined | others

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


def start(
    model: Sequence,
    batch: Batch,
    wrt: set[str],
    direction: Structure | None = None,
    *,
    derive: bool = False,
    record: bool = False,
    frugal: bool = False,
) -> ModelRun:
    """Everything that a run needs, part by part: at `point`, and along `direction` from there.

    With `derive` it can go back again; with `frugal` only down to the lowest part that has parameters, and not to first
    states.
    """
    here = {"": point(model, batch)} | ({"v ": direction} if direction is not None else {})
    found, whole, on = [], batch.layout.piece is None, not frugal
    for part in model.parts():
        below, on = on, on or bool(part.cell.parameters)
        along, firsts = direction is not None, not frugal
        asked = variant(model, part, batch, wrt, along=along, record=record, below=below, firsts=firsts)
        found.append((part, _programs(model, part, asked, derive=derive and on, whole=whole)))
    if not all(programs.are_kernels for _, programs in found):
        batch = batch.in_one_slice()
    levels: list[list[PartRun]] = [[]]
    memory = batch.memory or Memory()
    for part, programs in found:
        fixed, first = parameters_of(model, part, here), first_of(part, batch, here)
        levels[-1].append(PartRun(part, programs, batch.layout, fixed, rows_beside_x(part, batch, here), first, memory))
        if not part.joined:
            levels.append([])
    return ModelRun(batch, here, levels[:-1])


def variant(
    model: Sequence,
    part: Part,
    batch: Batch,
    wrt: set[str],
    *,
    along: bool,
    record: bool,
    below: bool = True,
    firsts: bool = True,
) -> Variant:
    """What the programs of `part` are asked for if they run in NumPy; `below`: a gradient goes on to others."""
    cell, lowest = part.cell, part in model.lowest
    wanted = {key for key in cell.parameters if "parameters" in wrt} | {key for key in cell.frozen if "frozen" in wrt}
    wanted |= (wrt & {"x"} if lowest else {"x"} if below else set()) | (wrt & set(cell.anatomy.feeds))
    restarts, cuts = _restarts(part, batch) is not None, _cuts(part, batch) is not None
    if restarts:
        starts = model.learned_starts(part)
        wanted |= {f"start {name}" for name, key in starts.items() if group_of(model, key) in wrt}
    return Variant(
        restarts, cuts, frozenset(wanted), frozenset(wanted) if along else None, record=record, firsts=firsts
    )


def _programs(model: Sequence, part: Part, asked: Variant, *, derive: bool, whole: bool) -> Runnables:
    """Those of `part`: kernels where these can be had, or else NumPy's."""
    programs, backend = programs_of(part.cell), chosen(model.backend)

    def made(variant: Variant) -> Runnables:
        return Runnables(
            None if derive and whole else programs.forward(variant), programs.pair(variant) if derive else None
        )

    if backend != "numpy":
        kernel = attrs.evolve(asked, kernel=part.cell.dtype.name)
        if not any(name.startswith("start ") for name in asked.wrt):
            kernel = attrs.evolve(kernel, restarts=False, cuts=False)
        try:
            return made(kernel)
        except KernelError as error:
            if backend == "numba":
                raise
            tell_once(str(error))
    return made(asked)


def parameters_of(model: Sequence, part: Part, here: Mapping[str, Structure]) -> dict[str, Array]:
    """The parameters of `part`, and where its states start anew, in each way."""
    cell, starts = part.cell, model.learned_starts(part)
    fixed: dict[str, Array] = {}
    for way, values in here.items():
        for group, own in (("parameters", cell.parameters), ("frozen", cell.frozen)):
            fixed |= {f"{way}{key}": values[group][part.prefix + key] for key in own}
        for name, state in start_states(cell).items():
            fixed[f"{way}start {name}"] = (
                values[group_of(model, starts[name])][starts[name]]
                if name in starts
                else np.zeros_like(state)
                if way
                else state
            )
    return fixed


def rows_beside_x(part: Part, batch: Batch, here: Mapping[str, Structure]) -> dict[str, Array]:
    """What `part` is given for each row beside x: feeds, masks, where states start anew and gradients stop."""
    flags = {RESTART: _restarts(part, batch), CUT: _cuts(part, batch)}
    rows = {name: array for name, array in flags.items() if array is not None}
    for way, values in here.items():
        for name in part.cell.anatomy.feeds:
            packed = batch.pack(values[name])
            rows[f"{way}{name}"] = packed[batch.layout.turned] if part.backward else packed
    masks = draw_noises(part.cell, batch.layout.time, batch.inputs.batch, batch.rng)
    return rows | {name: batch.pack(mask) for name, mask in masks.items()}


def first_of(part: Part, batch: Batch, here: Mapping[str, Structure]) -> dict[str, Array]:
    """The first states of `part`, longest sequence first, in each way."""
    first = {}
    for way, values in here.items():
        for name, state in part.cell.anatomy.states.items():
            value = np.reshape(values["initial"][part.prefix + name], (batch.layout.batch, *state.shape))
            first[f"{way}{name}"] = batch.layout.sorted(value)
    return first


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
    if batch.truncate is None or batch.truncate >= batch.layout.time or not part.cell.anatomy.states:
        return None
    time = batch.layout.times
    cut: Array = ((time % batch.truncate == 0) & (time > 0))[:, None]
    return cut


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
                total = found[group_of(model, key)][key]
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
