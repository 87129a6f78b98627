"""The forms in which estimators take sequences, and in which they answer."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from sklearn.utils.validation import check_array, validate_data

from nanolstm.errors import InputError
from nanolstm.language.functions import Array


@attrs.frozen(eq=False)
class Sequences:
    """Sequences that have passed every check.

    Attributes:
        x: (B, T, M), padded with zeros.
        lengths: (B,); None where all have T steps.
        listed: whether they came as a list, so that what is said of each step is a list too.
    """

    x: Array
    lengths: Array | None = None
    listed: bool = False

    def __len__(self) -> int:
        return len(self.x)

    @property
    def ends(self) -> Array:
        """How long each is."""
        return np.full(len(self.x), self.x.shape[1]) if self.lengths is None else self.lengths

    @property
    def options(self) -> dict[str, Any]:
        """What a model is told beside x."""
        return {} if self.lengths is None else {"lengths": self.lengths}

    def take(self, rows: Array) -> Sequences:
        """Some of them."""
        return Sequences(self.x[rows], None if self.lengths is None else self.lengths[rows], self.listed)

    def last(self, values: Array) -> Array:
        """Of (B, T, ...), what is at each sequence's last step."""
        chosen: Array = values[np.arange(len(values)), self.ends - 1]
        return chosen

    def given_back(self, values: Array) -> Any:
        """(B, T, ...) in the form in which the sequences came: a list of arrays, or one array."""
        return [row[:end] for row, end in zip(values, self.ends, strict=True)] if self.listed else values

    def steps(self, rows: Any, name: str) -> Array:
        """What belongs to each step, as one array (all valid steps, ...), sequence after sequence.

        Args:
            rows: (B, T, ...), or a list of arrays (T, ...), one for each sequence.
            name: what it is, for errors.

        Raises:
            InputError: other shapes.
        """
        rows = list(rows) if not hasattr(rows, "to_numpy") else list(rows.to_numpy())
        if len(rows) != len(self):
            raise InputError(f"{name} has {len(rows)} entries, and X {len(self)} sequences; expected one for each")
        arrays = [np.asarray(row) for row in rows]
        for i, (array, end) in enumerate(zip(arrays, self.ends, strict=True)):
            if array.ndim == 0 or len(array) != end or array.shape[1:] != arrays[0].shape[1:]:
                raise InputError(
                    f"{name}[{i}] has shape {array.shape}; expected {(int(end), *arrays[0].shape[1:])}, a value for "
                    f'each step of X[{i}] (for one value for each sequence say steps="last")'
                )
        return np.concatenate(arrays)

    def padded(self, steps: Array) -> Array:
        """The inverse of `steps`: (B, T, ...), with zeros beyond each sequence's end."""
        valid = np.arange(self.x.shape[1]) < self.ends[:, None]
        whole = np.zeros((*valid.shape, *steps.shape[1:]), steps.dtype)
        whole[valid] = steps
        return whole


def sequences(estimator: Any, given: Any, *, reset: bool) -> Sequences:
    """What `estimator` is given as X, checked.

    It is (n, T, M); or a list of arrays (T, M), or (T,) of one feature, of unequal length; or a table (n, T), in which
    each row is a sequence of one feature. With `reset` the estimator remembers form, features and their names, and
    otherwise X is compared with what it remembers: a table has the columns that it was fitted on; sequences may have
    any length.

    Raises:
        ValueError: scikit-learn's and our own, for whatever else comes.
    """
    rows = _rows(given)
    if rows is None and _axes(given) != 3:
        return _table(estimator, given, reset=reset)
    if rows is None:
        x = check_array(given, allow_nd=True, ensure_2d=False, dtype=np.float64, estimator=estimator, input_name="X")
        first, found = x[0], Sequences(x)
    else:
        first, found = rows[0], _listed(estimator, rows)
    if 0 in found.ends:
        raise InputError(f"X[{int(np.argmin(found.ends))}] has no time step; leave out what is empty")
    if not reset and estimator._is_table:
        if found.x.shape[2] != 1:
            raise InputError(
                f"X has {found.x.shape[2]} features; {type(estimator).__name__} was fitted on a table, which is "
                "sequences of one"
            )
        return found
    if reset:
        estimator._is_table = False
    # One sequence is a table of steps and features, by whose width and names scikit-learn knows data again.
    validate_data(estimator, first, reset=reset, skip_check_array=True)
    return found


def _table(estimator: Any, given: Any, *, reset: bool) -> Sequences:
    if not reset and not estimator._is_table:
        if estimator.n_features_in_ != 1:
            raise InputError(
                f"X has shape {np.shape(given)}, a table of sequences of one feature; {type(estimator).__name__} was "
                f"fitted on sequences of {estimator.n_features_in_}: give (n, T, {estimator.n_features_in_}) or a list "
                "of arrays; one sequence alone is X[None]"
            )
        table = check_array(given, dtype=np.float64, estimator=estimator, input_name="X")
    else:
        table = validate_data(estimator, given, reset=reset, dtype=np.float64)
    if reset:
        estimator._is_table = True
    return Sequences(table[:, :, None])


def _rows(given: Any) -> list[Any] | None:
    """The sequences of a list; None where `given` is an array, a table, or something that could be one."""
    if isinstance(given, np.ndarray) and (given.dtype != object or given.ndim != 1):
        return None
    if not isinstance(given, list | tuple | np.ndarray) or not len(given):
        return None
    shapes = {np.shape(row) for row in given} if all(_is_array(row) for row in given) else set()
    widths = {len(shape) for shape in shapes}
    if widths == {2}:
        return list(given)
    if widths == {1} and len(shapes) > 1:
        return [np.asarray(row)[:, None] for row in given]
    return None


def _axes(given: Any) -> int:
    """How many axes an array has, of any library; nested lists are left to scikit-learn's errors."""
    if hasattr(given, "ndim"):
        return int(given.ndim)
    return np.asarray(given).ndim if hasattr(given, "__array__") else 2


def _is_array(row: Any) -> bool:
    try:
        np.shape(row)
    except ValueError:  # a list that is ragged itself
        return False
    return True


def _listed(estimator: Any, rows: list[Any]) -> Sequences:
    width = np.shape(rows[0])[1]
    for i, row in enumerate(rows):
        if np.shape(row)[1] != width:
            raise InputError(f"X[{i}] has shape {np.shape(row)}; expected (T, {width}), features as X[0] has")
    ends = np.array([len(row) for row in rows])
    if not ends.all():
        return Sequences(np.zeros((len(rows), 0, width)), ends, listed=True)
    steps = check_array(np.concatenate(rows), dtype=np.float64, estimator=estimator, input_name="X")
    found = Sequences(np.zeros((len(rows), ends.max(), width)), ends, listed=True)
    return attrs.evolve(found, x=found.padded(steps), lengths=None if (ends == ends[0]).all() else ends)
