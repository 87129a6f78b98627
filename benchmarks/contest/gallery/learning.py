"""How the cells learn two tasks, small enough that all of them do in some minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

import nanolstm as nl
from nanolstm import Cell

HIDDEN, RATE, BATCH, CLIP = 32, 0.005, 32, 1.0


@attrs.frozen(eq=False)
class Lesson:
    """A task.

    Args:
        name: of it.
        about: what it is, for the page.
        data: (training, validation) as `nl.fit` takes them.
        classes: how many there are to tell apart.
        epochs: of the training.
    """

    name: str
    about: str
    data: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]
    classes: int
    epochs: int


def temporal_order() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from nanolstm_tasks.memory import temporal_order as draw

    found = []
    for n, seed in ((1024, 0), (512, 1)):
        drawn = draw(n=n, length=50, rng=seed)
        found.append({"x": drawn.x.astype("float32"), "target": drawn.y, "lengths": drawn.lengths})
    return found[0], found[1]


def digits() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, classes = load_digits(return_X_y=True)
    rows = (images.reshape(-1, 8, 8) / 16).astype("float32")
    x, held_x, target, held_target = train_test_split(rows, classes, test_size=0.2, random_state=0, stratify=classes)
    return {"x": x, "target": target}, {"x": held_x, "target": held_target}


LESSONS = {
    lesson.name: lesson
    for lesson in (
        Lesson(
            "temporal order",
            "Two of 50 to 55 symbols matter, and only their order tells which of four classes the sequence is "
            "(Hochreiter and Schmidhuber, 1997): one has to be remembered over 20 distractors or more. Guessing is "
            "right in a quarter.",
            temporal_order,
            classes=4,
            epochs=15,
        ),
        Lesson(
            "digits",
            "scikit-learn's digits, 8 x 8 pixels, one row a step. Nothing has to be remembered for long. Guessing is "
            "right in a tenth.",
            digits,
            classes=10,
            epochs=10,
        ),
    )
}


def cell_of(name: str, inputs: int) -> Cell:
    """As a gallery has it: SRU is as wide as its input."""
    hidden = inputs if name == "SRU" else HIDDEN
    cell: Cell = getattr(nl.cells, name)(inputs=inputs, hidden=hidden, rng=0, dtype="float32")
    return cell


def learn(name: str, lesson: Lesson) -> dict[str, Any]:
    """The accuracy on held-out data before training and after each epoch, and why it ended early if it did."""
    training, held = ({**part} for part in lesson.data())
    cell = cell_of(name, training["x"].shape[2])
    for part in (training, held):
        part.update({feed: clock(part["x"]) for feed, at in cell.anatomy.feeds.items() if at.default is None})
    model = nl.Sequence(cell, readout=lesson.classes, rng=0)
    guess = nl.Sequence.__call__(model, held["x"], **{k: v for k, v in held.items() if k not in ("x", "target")})
    last = guess[np.arange(len(guess)), held.get("lengths", np.full(len(guess), guess.shape[1])) - 1]
    curve, ended = [round(float(np.mean(last.argmax(-1) == held["target"])), 4)], ""
    try:
        run = nl.fit(
            model,
            training,
            loss="cross_entropy",
            optimizer=f"adam(lr={RATE})",
            epochs=lesson.epochs,
            batch_size=BATCH,
            validation=held,
            clip=CLIP,
            steps="last",
            metrics=["accuracy"],
            rng=0,
            progress=False,
        )
    except nl.DivergedError as error:
        run, ended = error.run, "diverged"
    curve += [round(float(a), 4) for a in run.history["validation_accuracy"]] if len(run.history) else []
    return {"accuracy": curve, "ended": ended, "trained": model.parameters.count}


def clock(x: Any) -> Any:
    """The number of each step as its time, (B, T)."""
    return np.broadcast_to(np.arange(1, x.shape[1] + 1, dtype=x.dtype), x.shape[:2])
