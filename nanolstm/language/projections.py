"""Where parameters belong: what `gate(project=...)` and `param(shape, init, project=...)` accept.

A projection is a function of an array that answers with the array brought back into a set, the same where it lies
there already. It is applied to first values and after each update (`cell.project()`). Those of matrices take each head
of a block-diagonal weight by itself, and leave alone what is not finite any more, so that a training that diverges can
say so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from nanolstm.errors import CellError, InputError
from nanolstm.language.functions import Array
from nanolstm.language.parameters import assign

Projection: TypeAlias = Callable[[Array], Any]


def positive(least: float = 1e-6) -> Projection:
    """At least `least`, element by element.

    ```python
    import nanolstm as nl
    from nanolstm import Array, Cell, param

    class Leaky(Cell):
        time_constant: Array = param("hidden", 1.0, project=nl.positive(0.1))

        def step(self, x, h):
            h = h + (x - h) / (1 + self.time_constant)
            return h, h
    ```

    The other way is to let a parameter go where it likes, and to use `softplus(self.rate)` in the step.
    """
    return lambda a: np.maximum(a, least)


def spectral_radius(most: float) -> Projection:
    """A spectral radius of at most `most`: a matrix with a larger one is scaled down to it, all entries alike.

    The spectral radius is the largest modulus of an eigenvalue. A diagonal weight holds its eigenvalues, and is scaled
    by the largest of them. Those of a K by K matrix take in the order of 10 K^3 operations, after each update.

    ```python
    import numpy as np
    import nanolstm as nl
    from nanolstm import Cell, Gate, gate

    class Fading(Cell):
        new: Gate = gate(np.tanh, project={"W": nl.spectral_radius(0.9)})

        def step(self, x, h):
            h = self.new(x, h)
            return h, h
    ```

    Raises:
        InputError: `most` is not positive, or, when applied, a matrix is not square.
    """
    if not most > 0:
        raise InputError(f"spectral_radius({most!r}): expected a number above 0")

    def scale(a: Array) -> Any:
        if a.ndim > 1 and a.shape[-1] != a.shape[-2]:
            raise InputError(f"spectral_radius() is of square matrices, and the parameter's shape is {a.shape}")
        if not np.isfinite(a).all():
            return a
        diagonal = a.ndim == 1
        radius = np.max(np.abs(a if diagonal else np.linalg.eigvals(a)), axis=-1)
        over = np.maximum(1.0, radius / most).astype(a.dtype)
        return a / (over if diagonal else over[..., None, None])

    return scale


def nearest_orthogonal(gain: float = 1.0) -> Projection:
    """The nearest matrix whose rows or columns, whichever are fewer, are orthonormal, times `gain`.

    Nearest by the sum of squared differences: it is the orthogonal factor of the polar decomposition, computed by a
    singular value decomposition. [`orthogonal`][nanolstm.orthogonal] draws such a matrix; this keeps it one.

    ```python
    import numpy as np
    import nanolstm as nl
    from nanolstm import Cell, Gate, gate

    class Rotating(Cell):
        new: Gate = gate(np.tanh, project={"W": nl.nearest_orthogonal()})

        def step(self, x, h):
            h = self.new(x, h)
            return h, h
    ```

    Raises:
        InputError: when applied to a vector.
    """

    def factor(a: Array) -> Any:
        if a.ndim < 2:
            raise InputError(f"nearest_orthogonal() is of matrices, and the parameter's shape is {a.shape}")
        if not np.isfinite(a).all():
            return a
        u, _, vt = np.linalg.svd(a, full_matrices=False)
        return (gain * (u @ vt)).astype(a.dtype)

    return factor


def bring_back(view: Array, project: Projection, key: str) -> None:
    """Put the projection of `view`, the parameter `key`, in its place.

    Raises:
        InputError: the projection does not fit the parameter, or yields another shape or dtype.
    """
    try:
        projected = project(view)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    assign(view, projected, key)


def check_projection(project: Any, where: str) -> None:
    """Raise a `CellError` unless `project` is a function."""
    if not callable(project):
        raise CellError(
            f"{where}: {project!r} is no function of an array; write for example nl.spectral_radius(0.9), or "
            "lambda a: np.clip(a, 0, 1)"
        )
