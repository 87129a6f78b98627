"""The time that a training takes beside its gradients."""

import time

import numpy as np
import pytest

import nanolstm as nl


@pytest.mark.slow  # a busy machine would make it fail
@pytest.mark.parametrize("options", [{}, {"clip": 1.0, "schedule": "cosine"}])
def test_a_step_takes_less_than_60_microseconds_beyond_its_gradient(options):
    model = nl.Sequence(nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0), readout=1)
    x, target = np.ones((522, 2)), np.ones((522, 1))
    answer = model.value_and_grad(x, target, loss="mse")
    model.__dict__["value_and_grad"] = lambda *args, **more: answer

    def seconds(epochs):
        began = time.perf_counter()
        nl.fit(model, (x, target), epochs=epochs, progress=False, **options)
        return time.perf_counter() - began

    assert min((seconds(2001) - seconds(1)) / 2000 for _ in range(10)) < 60e-6
