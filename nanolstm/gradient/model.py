"""The derivatives that a model offers: its parts one on the other, and the loss on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nanolstm.compile.programs import Variant
from nanolstm.gradient.batch import Batch, check_batch
from nanolstm.gradient.run import start
from nanolstm.gradient.structure import Structure, completed, gathered, names_of
from nanolstm.language.functions import Array
from nanolstm.losses import Loss
from nanolstm.losses import loss as find_loss
from nanolstm.traced import programs_of_loss

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence


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
