"""Functions for use in a `step`, beside NumPy's own: activations, and the axes of features and heads.

Each is composed of NumPy functions and acts on the last axis or element by element, so that any leading batch axes
pass through.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from nanolstm.errors import CellError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""A NumPy array; the annotation of a cell's parameters."""


F = TypeVar("F", bound=Callable[..., Any])


def one_operation(function: F) -> F:
    """Let what is no NumPy array, but stands for one, take a call as a whole, by NumPy's own protocol (NEP 18).

    What traces a step then meets `sigmoid`, whose derivative is exact, and not the NumPy functions it is made of.
    """

    @functools.wraps(function)
    def call(x: Any, *args: Any, **options: Any) -> Any:
        stands_in = getattr(type(x), "__array_function__", None)
        if stands_in is None or issubclass(type(x), np.ndarray):  # what stands in says that it is an array too
            return function(x, *args, **options)
        return stands_in(x, call, (type(x),), (x, *args), options)

    return cast("F", call)


@one_operation
def sigmoid(x: Array) -> Array:
    """The logistic function 1 / (1 + exp(-x)), element by element.

    In this form, the notebook's own, it is accurate in both tails; far below zero exp overflows to infinity and the
    result is 0, which is right and therefore no reason to warn.
    """
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x))


def relu(x: Array) -> Array:
    """max(x, 0), element by element. Where x is 0, between its slopes 0 and 1, the derivative is taken as 1/2."""
    y: Array = np.maximum(x, 0.0)
    return y


@one_operation
def softplus(x: Array) -> Array:
    """log(1 + exp(x)), element by element, without overflow. Makes a positive number of any: `softplus(self.rate)`."""
    y: Array = np.logaddexp(x, 0.0)
    return y


@one_operation
def softmax(x: Array) -> Array:
    """exp(x) / sum(exp(x)) over the last axis, without overflow."""
    e: Array = np.exp(x - np.max(x, axis=-1, keepdims=True))
    y: Array = e / np.sum(e, axis=-1, keepdims=True)
    return y


def layer_norm(x: Array, epsilon: float = 1e-5) -> Array:
    """`x` at mean 0 and variance 1 over the last axis; gain and bias are the caller's own parameters.

    Ba, Kiros and Hinton, "Layer Normalization" (2016), equation 3, with `epsilon` added to the variance.
    """
    centred = x - np.mean(x, axis=-1, keepdims=True)
    y: Array = centred / np.sqrt(np.mean(np.square(centred), axis=-1, keepdims=True) + epsilon)
    return y


def identity(x: Array) -> Array:
    """`x` itself: the activation of a gate that has none."""
    return x


def split(x: Array, heads: int) -> Array:
    """The features as heads: (..., K) becomes (..., heads, K / heads).

    Raises:
        CellError: `heads` does not divide K.
    """
    if x.shape[-1] % heads:
        raise CellError(f"split: {x.shape[-1]} features cannot be shared out to {heads} heads; shape {x.shape}")
    return np.reshape(x, (*x.shape[:-1], heads, x.shape[-1] // heads))


def merge(x: Array) -> Array:
    """The inverse of [`split`][nanolstm.split]: (..., heads, D) becomes (..., heads * D)."""
    return np.reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1]))
