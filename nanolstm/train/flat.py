"""All trained parameters of a model as one vector, and their gradient as another, for optimizers to work on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nanolstm.errors import InputError
from nanolstm.language.functions import Array
from nanolstm.language.projections import bring_back

if TYPE_CHECKING:
    from nanolstm.sequence import Sequence


class Flat:
    """The vector, its gradient, and the buffers of the model that it stands for.

    Of a model of one cell the vector is the cell's own buffer; otherwise it is copied to the buffers by `push`, one
    copy a cell.

    Attributes:
        vector: all parameters, in the order of `model.parameters`.
        gradient: of the same shape.
        places: where each parameter lies, by name.
    """

    def __init__(self, model: Sequence) -> None:
        """Of the parameters as they are.

        Raises:
            InputError: the model has none that are trained, or its arrays are read-only.
        """
        parameters = model.parameters
        if not parameters.count:
            raise InputError(
                "the model has no parameter that is trained: all are frozen, or its cells have none; a readout has "
                "some: nl.Sequence(cell, readout=N)"
            )
        self.places: dict[str, slice] = {}
        end = 0
        for name, view in parameters.items():
            self.places[name] = slice(end, end + view.size)
            end += view.size
        buffers = {part.prefix: part.cell.parameters.flat for part in model.parts()}
        _refuse_read_only({**parameters, **{f"{prefix}parameters.flat": flat for prefix, flat in buffers.items()}})
        begin = 0
        self._buffers: list[tuple[slice, Array]] = []
        for buffer in buffers.values():
            self._buffers.append((slice(begin, begin + buffer.size), buffer))
            begin += buffer.size
        # Learned first states come after the cells' parameters, each an array by itself.
        self._buffers += [
            (place, parameters[n].reshape(-1)) for n, place in self.places.items() if place.start >= begin
        ]
        alone = len(self._buffers) == 1
        self.vector: Array = self._buffers[0][1] if alone else np.empty(end, model.dtype)
        if alone:
            self._buffers = []
        self.gradient: Array = np.empty_like(self.vector)
        self.pull()
        self._projected = [
            (name, self.vector[self.places[name]].reshape(parameters[name].shape), anatomy.project)
            for part in model.parts()
            for key, anatomy in part.cell.anatomy.parameters.items()
            if anatomy.project is not None and (name := part.prefix + key) in parameters
        ]

    @property
    def projected(self) -> list[str]:
        """The parameters that are brought back where they belong after each update."""
        return [name for name, _, _ in self._projected]

    def pull(self) -> None:
        """Read the model's parameters, which somebody else may have written to."""
        for place, buffer in self._buffers:
            self.vector[place] = buffer

    def push(self) -> None:
        """Write to the model."""
        for place, buffer in self._buffers:
            buffer[...] = self.vector[place]

    def project(self) -> None:
        """Bring each parameter that was declared with `project=` back where it belongs."""
        for name, view, project in self._projected:
            bring_back(view, project, name)

    def gather(self, gradients: Mapping[str, Array]) -> None:
        """Lay a gradient by name out as the vector."""
        np.concatenate([gradients[name] for name in self.places], axis=None, out=self.gradient)

    def not_finite(self, vector: Array) -> list[str]:
        """The parameters for which `vector` holds a number that is not finite."""
        return [name for name, place in self.places.items() if not np.isfinite(vector[place]).all()]


def _refuse_read_only(arrays: Mapping[str, Array]) -> None:
    fixed = [name for name, array in arrays.items() if not array.flags.writeable]
    if fixed:
        more = f" and {len(fixed) - 1} more" if len(fixed) > 1 else ""
        raise InputError(
            f"the array {fixed[0]!r}{more} of the model is read-only; train a copy, copy.deepcopy(model), whose arrays "
            "are not, or set flags.writeable of the array to True"
        )
