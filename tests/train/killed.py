"""A program that trains in children which it kills; run by test_killed.py, in a process of its own.

    python killed.py kill FOLDER WAY KILLS SEED     kill so many children, each a random moment after some checkpoints
    python killed.py end FOLDER WAY                 go on from what is there, to the end

Children are forked, since starting Python takes longer than the training.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import nanolstm as nl
from nanolstm.store import archive


class Noisy(nl.Cell):
    hold: nl.Array = nl.noise(0.7)
    U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot())

    def step(self, x, h, hold):
        h = hold * h + (1 - hold) * (x @ self.U.T)
        return h, h


def squares(prediction, target):
    return np.mean((prediction - target) ** 2)


WAYS = {
    "shuffled": {"optimizer": "adam(lr=0.02)", "schedule": lambda done, epochs: 0.9**done, "loss": squares},
    "patience": {"optimizer": "sgd(lr=0.01)", "schedule": "plateau(patience=1)", "patience": 2},
    "target": {"optimizer": "rmsprop(lr=0.02)", "batching": "bucketed", "callbacks": "target(below=0.1)"},
    "stateful": {"optimizer": "adam(lr=0.02)", "batching": "stateful(length=4)", "metrics": "mae"},
    "lbfgs": {"optimizer": "lbfgs", "batch_size": None},
}


def train(way, **keeping):
    """The parameters and the history, seconds left out."""
    x = np.random.default_rng(0).standard_normal((24, 10, 2))
    model = nl.Sequence(Noisy(inputs=2, hidden=3, rng=0), readout=1, rng=0)
    options = {"batch_size": 7, "epochs": 10, "validation": 0.25, "rng": 5, "progress": False, **WAYS[way]}
    run = nl.fit(model, (x, np.cumsum(x[..., :1], axis=1) / 10), **options, **keeping)
    return {**model.parameters, "history": run.history.drop(columns="seconds").to_numpy(), "why": run.why}


def keep(folder):
    return {"checkpoint": nl.Checkpoint(folder / "run.ckpt", every_epochs=1, every_seconds=1e-6), "resume": True}


def written(path, times, child):
    """Wait until a file has been written so many times, or the child has ended."""
    seen = state(path)
    while times and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if state(path) != seen:
            seen, times = state(path), times - 1
        time.sleep(0.0005)


def state(path):
    """What is another each time that the file is written."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def kill(folder, way, kills, seed):
    np.savez(folder / "whole.npz", **train(way))
    waits, places = random.Random(seed), set()
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            train(way, **keep(folder))
            os._exit(0)
        written(folder / "run.ckpt", waits.randrange(4), child)
        time.sleep(waits.uniform(0, 0.005))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if (folder / "run.ckpt").exists():
            values = archive.read(folder / "run.ckpt", kind="checkpoint").description["values"]
            places.add((values["epoch"], values["position"]))
    sys.stdout.write(str(len(places)))


if __name__ == "__main__":
    what, folder, way, *numbers = sys.argv[1:]
    if what == "kill":
        kill(Path(folder), way, *map(int, numbers))
    else:
        np.savez(Path(folder) / "parts.npz", **train(way, **keep(Path(folder))))
