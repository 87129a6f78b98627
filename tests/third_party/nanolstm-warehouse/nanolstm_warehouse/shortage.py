"""The loss: too little on the shelf costs more than too much."""

import numpy as np


def shortage(prediction, target, *, price=3.0):
    """Mean cost of a wrong forecast, where each missing piece costs `price` times what a superfluous one does."""
    missing = target - prediction
    return np.mean(np.maximum(price * missing, -missing))
