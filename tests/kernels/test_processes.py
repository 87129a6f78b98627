"""Kernels and other processes: after a fork, and in processes that are started anew."""

import os

import pytest

pytest.importorskip("numba", reason="the kernels are compiled by Numba")

MODEL = """
import numpy as np
import nanolstm as nl
import nanolstm.compile.kernel
import nanolstm.gradient.rows

nanolstm.compile.kernel.WORTH_A_THREAD = nanolstm.gradient.rows.WORTH_A_SLICE = 1
nanolstm.gradient.rows.SLICE = 2
nl.set_num_threads(3)

class Half(nl.Cell):
    def step(self, x, h):
        h = 0.5 * h + x
        return h, h

x = np.random.default_rng(0).normal(size=(6, 5, 2))

def run():
    model = nl.Sequence(Half(inputs=2, hidden=2), backend="numba")
    y = model(x)
    value, grad = model.value_and_grad(x, np.zeros((6, 5, 2)), wrt="x")
    return y.tobytes() + grad.tobytes()
"""

FORK = """
import os, sys, threading, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of a fork while there are threads
expected = run()
assert threading.active_count() == 3, threading.enumerate()

def child(also=lambda: None):
    pid = os.fork()
    if pid == 0:
        try:
            ok = run() == expected and threading.active_count() == 3
            also()
        except BaseException as error:
            print(error, file=sys.stderr)
            ok = False
        os._exit(0 if ok else 1)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status

child()
child(child)                # and a child of the child
assert run() == expected    # the parent goes on

# While another thread is inside of a call: no lock of it may stay closed in the child.
stop = threading.Event()

def busy():
    while not stop.is_set():
        run()

other = threading.Thread(target=busy)
other.start()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if run() == expected else 1)
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
stop.set()
other.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_after_use_computes_the_same_and_ends(python):
    python(MODEL + FORK)


def test_a_process_that_is_started_anew_computes_the_same(python, tmp_path):
    (tmp_path / "in_a_pool.py").write_text(MODEL)
    python(f"""
import multiprocessing, sys

sys.path.insert(0, {str(tmp_path)!r})
from in_a_pool import run

expected = run()
with multiprocessing.get_context("spawn").Pool(1) as pool:
    assert pool.apply(run) == expected
""")
