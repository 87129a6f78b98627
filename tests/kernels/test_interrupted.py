"""Ctrl-C in the middle of a call that runs on several threads: the next call is neither wrong nor stuck."""

import subprocess
import sys
import textwrap

import pytest


@pytest.mark.parametrize("before", ["pass", "time.sleep(0.01)", "threads._forget()"])
def test_a_call_may_be_stopped_at_any_moment(before, kernels_of_this_session):
    """While its threads are awake, when they have to be woken, and when they have to be made."""
    script = f"""
        import sys
        import time

        import numpy as np

        import nanolstm as nl
        from nanolstm.kernels import threads

        nl.set_num_threads(3)
        model = nl.Sequence(nl.cells.Elman(inputs=3, hidden=40, rng=0), backend="numba")
        x = np.random.default_rng(0).normal(size=(96, 60, 3))
        expected = model(x)

        def interrupt(number):
            # Python handles signals at calls and returns, those of functions in C too, whose results are then lost.
            begun = False

            def look(frame, event, _):
                nonlocal begun, number
                begun = begun or frame.f_code.co_name == "_first_workers"
                if begun and event != "c_call" and frame.f_code.co_filename == threads.__file__:
                    number -= 1
                    if number == 0:
                        raise KeyboardInterrupt
            return look

        stopped, number = 0, 0
        while True:
            number += 1
            {before}
            try:
                sys.setprofile(interrupt(number))
                model(x)
            except KeyboardInterrupt:
                stopped += 1
            else:
                break
            finally:
                sys.setprofile(None)
            for _ in range(3):
                assert np.array_equal(model(x), expected), f"after a stop at call {{number}}"
        print(stopped)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
