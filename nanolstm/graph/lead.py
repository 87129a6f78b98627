"""Shapes of traced values of a step: the batch before the features may be there or not, and nothing may ask."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NoReturn

from nanolstm.errors import BatchError

if TYPE_CHECKING:
    from nanolstm.graph.tracer import Tracing


class Lead:
    """What stands for the number of examples in a traced shape: there may be any, or no such axis at all."""

    def __init__(self, tracing: Tracing) -> None:
        """Belongs to one trace."""
        self.tracing = tracing

    def refuse(self, *_: Any) -> NoReturn:
        """Any question about it."""
        self.tracing.refuse(BatchError, *ASKED)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lead) or self.refuse()

    __hash__ = __index__ = __int__ = __float__ = __bool__ = refuse
    __lt__ = __gt__ = __le__ = __ge__ = __neg__ = __abs__ = __pow__ = __rpow__ = __divmod__ = __rdivmod__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = refuse

    def __repr__(self) -> str:
        return "..."


ASKED = (
    "the number of examples in a batch, or whether there is a batch, is asked for",
    "a step is written for one example and for any batch of them: count axes from the end, as x.shape[-1], and make "
    "arrays with np.zeros_like(h), np.ones_like(h)",
)


class LeadShape(tuple[Any, ...]):
    """The shape of a traced value of a step: the batch, of which nothing is known, then the features."""

    __slots__ = ()

    def _lead(self) -> Lead:
        found: Lead = tuple.__getitem__(self, 0)
        return found

    def __getitem__(self, key: Any) -> Any:
        ends = [key.start or None, key.stop] if isinstance(key, slice) else [key]
        if any(operator.index(end) >= 0 for end in ends if end is not None):
            self._lead().refuse()
        found = tuple.__getitem__(self, key)
        return LeadShape(found) if isinstance(key, slice) and found and isinstance(found[0], Lead) else found

    def __eq__(self, other: object) -> bool:
        if isinstance(other, tuple) and not tuple.__len__(other):
            self._lead().refuse()
        return tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        self._lead().refuse()

    def __bool__(self) -> bool:
        self._lead().refuse()

    def __len__(self) -> int:
        # Not remembered as refused: Python asks as a hint where `*x.shape` is unpacked, and goes on without an answer.
        raise self._lead().tracing.error(BatchError, *ASKED)
