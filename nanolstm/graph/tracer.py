"""Tracers: what a step is called with to become a graph. They speak NumPy's protocols and refuse everything else."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NoReturn, TypeAlias

import attrs
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from nanolstm.errors import (
    ArrayError,
    BatchError,
    BranchError,
    InPlaceError,
    LoopError,
    NanolstmError,
    NumberError,
    OutError,
    RandomError,
    TraceError,
    UndeclaredArrayError,
    UnsupportedError,
    located,
    nearest,
)
from nanolstm.graph.chance import Chance
from nanolstm.graph.lead import ASKED, Lead, LeadShape
from nanolstm.graph.node import Node, apply, constant
from nanolstm.graph.place import Place, authors_line

Call: TypeAlias = Callable[..., Any]


@attrs.define(eq=False)
class Tracing:
    """One trace: of what, and what NumPy's functions mean in it.

    Attributes:
        subject: what is traced, as errors call it: "MyCell.step".
        dtype: of all numbers.
        vocabulary: what a function becomes, called with this and its arguments: by the function itself if it is
            NumPy's, by its name if it is SciPy's or nanolstm's own.
        whole: whether reductions over all rows are the rule, as in a loss, or an error, as in a step.
        refused: the first error, so that no `except` in what is traced can swallow it.
        place: what an error names instead of the line that is being run: the `return`, once it has been run.
        chance: watches for random numbers.
    """

    subject: str
    dtype: np.dtype[Any]
    vocabulary: Mapping[Any, Call]
    whole: bool = False
    refused: TraceError | None = None
    place: Place | None = None
    chance: Chance = attrs.field(factory=Chance)
    _count: Tracer | None = None

    def error(self, kind: type[TraceError], what: str, instead: str, place: Place | None = None) -> TraceError:
        """A `kind` that names `place`, or the line of the author's code that is being run."""
        return located(kind, f"{self.subject}: {what}", place or self.place or authors_line(), instead)

    def refuse(self, kind: type[TraceError], what: str, instead: str) -> NoReturn:
        """Raise `kind`, with the line of the author's code that is being run."""
        error = self.error(kind, what, instead)
        if self.refused is None:
            self.refused = error
        raise error

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run what is traced: whatever it made of the first refusal, that is raised; of any other error, what it means.

        Raises:
            TraceError: what was refused.
            UnsupportedError: something runs on arrays, and not on what stands in for them.
        """
        try:
            yield
        except Exception as error:
            if self.refused is None and not isinstance(error, NanolstmError):
                self.refused = self.error(
                    UnsupportedError,
                    f"{type(error).__name__}: {' '.join(str(error).split())}",
                    "it runs on arrays, and not on what stands in for them in a trace: write it with NumPy's functions",
                    authors_line([*traceback.walk_tb(error.__traceback__)][::-1]),
                )
            if self.refused is not None and self.refused is not error:
                raise self.refused from error
            raise
        if self.refused is not None:
            raise self.refused
        if self.chance.drawn:
            raise self.error(
                RandomError,
                "a random number is drawn, or the time is asked for,",
                "what is random in a step is declared: `mask: Array = noise(p)`, an argument of step",
                authors_line(self.chance.drawn),
            )

    def count(self) -> Tracer:
        """How many rows there are: one and the same each time, so that shapes that are equal compare so."""
        if self._count is None:
            self._count = self.given(apply("count"))
        return self._count

    def meaning(self, function: Any, call: str) -> Call:
        """What `function` becomes; `call` is how an error spells it.

        Raises:
            UnsupportedError: it has no rule.
        """
        name = getattr(function, "__name__", "")
        special = sys.modules.get("scipy.special")
        ours = getattr(function, "__module__", "").startswith("nanolstm.") if not isinstance(function, str) else True
        known = self.vocabulary.get(name if ours or (special and getattr(special, name, 0) is function) else function)
        if known is None:
            names = sorted(f"np.{k.__name__}" for k in self.vocabulary if not isinstance(k, str))
            instead = INSTEAD.get(call.removeprefix("np."))
            self.refuse(
                UnsupportedError,
                f"{call} has no rule for its derivative",
                f"write {instead}" if instead else f"those that have one: {', '.join(names)}",
            )
        return known

    def given(self, node: Node) -> Tracer:
        """A tracer for `node`."""
        return Tracer(node, self)

    def lift(self, value: Any) -> Node:
        """`value` as a node: a tracer's own, or a constant."""
        if isinstance(value, Tracer):
            if value.tracing is not self:
                self.refuse(
                    RandomError,
                    "a value that was kept from another run",
                    "what a step keeps is a state: take it as an argument and return it",
                )
            return value.node
        if isinstance(value, LeadShape):
            self.refuse(BatchError, *ASKED)
        array = np.asanyarray(value)
        if isinstance(array, np.ma.MaskedArray) or array.dtype.kind not in "biuf":
            self.refuse(
                UnsupportedError,
                f"a value of type {type(value).__name__} ({array.dtype}) meets a traced one",
                "numbers in a step are real: a complex number is two of them, a mask is a choice by np.where",
            )
        if array.ndim > 1:
            self.refuse(
                UndeclaredArrayError,
                f"an array of shape {array.shape} that is no parameter meets a traced value",
                'declare it, so that it is trained and saved: `A: Array = param(("hidden", "hidden"), init)`, with '
                "frozen=True if it stays as it is",
            )
        if array.ndim == 1:
            return constant(tuple(map(bool if array.dtype.kind == "b" else float, array)))
        return constant(bool(array) if array.dtype.kind == "b" else float(array))


class Tracer(NDArrayOperatorsMixin):
    """A value of a step that is being traced: looks like an array to NumPy, and has no numbers."""

    __slots__ = ("node", "tracing")
    __array_priority__ = 1000.0

    def __init__(self, node: Node, tracing: Tracing) -> None:
        """For `node`, in `tracing`."""
        self.node = node
        self.tracing = tracing

    # What NumPy asks for.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        tracing = self.tracing
        out = options.pop("out", None)
        if out is not None:
            written = out[0]
            is_scalar = isinstance(written, Tracer) and not written.node.lead and not written.node.shape
            is_operator = written is inputs[0] and ufunc.__name__ in OPERATORS
            if is_operator and not is_scalar:  # += on a number makes a new one, on an array it writes
                tracing.refuse(
                    InPlaceError,
                    "an array is changed in place",
                    "make a new one: `h = h + a` for `h += a`",
                )
            if not is_operator:
                tracing.refuse(OutError, f"out= of np.{ufunc.__name__}", "take what the function returns")
        if options.pop("where", True) is not True:
            tracing.refuse(OutError, f"where= of np.{ufunc.__name__}", "write np.where(condition, this, that)")
        home = "np." if getattr(np, ufunc.__name__, None) is ufunc else ""
        call = f"{home}{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        if method == "at":
            tracing.refuse(InPlaceError, f"{call} of traced values", "np.where(mask, new, h) chooses elements")
        if method == "reduce":
            reduction = {"add": np.sum, "maximum": np.max, "minimum": np.min}.get(ufunc.__name__, call)
            return tracing.meaning(reduction, call)(tracing, *inputs, **{"axis": 0, **options})
        if method != "__call__":
            tracing.meaning(None, call)
        if options:
            tracing.refuse(UnsupportedError, f"{call} with {', '.join(options)}=", "leave it out")
        return tracing.meaning(ufunc, call)(tracing, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Mapping[str, Any]) -> Any:
        tracing, call = self.tracing, f"np.{function.__name__}"
        if options.get("out") is not None:
            tracing.refuse(OutError, f"out= of {call}", "take what the function returns")
        if function.__name__ in WRITING:
            tracing.refuse(InPlaceError, f"{call} writes into an array", "np.where(mask, new, h) chooses elements")
        options = {name: value for name, value in options.items() if name != "out"}
        return tracing.meaning(function, call)(tracing, *args, **options)

    # Shape and type.

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """So that `isinstance(h, np.ndarray)` is answered as for the array that this stands in for."""
        return np.ndarray

    @property
    def shape(self) -> Any:
        """Features after what stands for the batch (of a step), or for the rows (of a loss)."""
        if not self.node.lead:
            return self.node.shape
        if self.tracing.whole:
            return (self.tracing.count(), *self.node.shape)
        return LeadShape((Lead(self.tracing), *self.node.shape))

    @property
    def ndim(self) -> int:
        """How many axes: in a loss, and of what has no batch."""
        if self.node.lead and not self.tracing.whole:
            self.tracing.refuse(
                BatchError,
                ".ndim of a value of the step",
                "it differs between one example and a batch; count from the end",
            )
        return len(self.node.shape) + self.node.lead

    @property
    def size(self) -> Any:
        """How many elements."""
        of_one = int(np.prod(self.node.shape))
        if not self.node.lead:
            return of_one
        if not self.tracing.whole:
            self.tracing.refuse(BatchError, ".size of a value of the step", "use .shape[-1]")
        return self.shape[0] * of_one

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every number of the trace."""
        return np.dtype(bool) if self.node.boolean else self.tracing.dtype

    @property
    def T(self) -> Any:  # noqa: N802  (NumPy's name)
        """The matrix with its axes exchanged."""
        if self.node.lead:
            self.tracing.refuse(BatchError, ".T of a value of the step", "write .mT, or np.swapaxes(a, -1, -2)")
        return self._call(np.transpose)

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes exchanged."""
        return self._call(np.matrix_transpose)

    def __len__(self) -> int:
        if self.node.lead or not self.node.shape:
            self.tracing.refuse(
                BatchError,
                "len() of a traced value",
                "write .shape[0] in a loss, .shape[-1] for the features of a step",
            )
        return self.node.shape[0]

    # What would need numbers.

    def __bool__(self) -> bool:
        self.tracing.refuse(
            BranchError,
            "a branch on a traced value",
            "write np.where(condition, this, that), np.maximum(a, b) for max(a, b), `(a > 0) & (b > 0)` for `and`; a "
            "condition on a field of the cell is fine",
        )

    def __float__(self) -> float:
        self.tracing.refuse(
            NumberError,
            "a traced value is made a Python number",
            "use NumPy's functions, np.tanh for math.tanh, and leave float() out",
        )

    def __int__(self) -> int:
        self.__float__()
        return 0

    __complex__ = __round__ = __trunc__ = item = tolist = __float__

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else repr(self)

    def __index__(self) -> int:
        self.tracing.refuse(
            LoopError,
            "a traced value is a loop's length or an index",
            "loop over something fixed, such as range(self.heads); choose by np.where(condition, this, that)",
        )

    def __iter__(self) -> Iterator[Any]:
        if self.node.lead or not self.node.shape:
            self.tracing.refuse(
                LoopError, "a loop over a traced value", "part its features first: np.split(h, n, axis=-1)"
            )
        return (self[i] for i in range(self.node.shape[0]))

    def __array__(self, *_: Any, **__: Any) -> Any:
        self.tracing.refuse(
            ArrayError,
            "a traced value is put into a new array",
            "np.stack([a, b], axis=-1) makes features of values, np.concatenate([a, b], axis=-1) joins features",
        )

    def __contains__(self, _: Any) -> bool:
        return bool(self)

    def __copy__(self) -> Tracer:
        return self

    def __deepcopy__(self, _: Any) -> Tracer:
        return self

    def __reduce_ex__(self, _: Any) -> NoReturn:
        self.tracing.refuse(UnsupportedError, "a traced value is pickled", "it has no numbers; leave it out")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracing.refuse(
            InPlaceError,
            "elements of a traced value are assigned to",
            "np.where(mask, new, h) chooses elements, np.concatenate([a, b], axis=-1) joins parts",
        )

    # Methods, each of which is a function.

    def __getitem__(self, key: Any) -> Any:
        return self.tracing.vocabulary["getitem"](self.tracing, self, key)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        if name == "astype":
            return partial(self.tracing.vocabulary[name], self.tracing, self)
        if name not in METHODS:
            self.tracing.refuse(
                UnsupportedError,
                f".{name} has no rule for its derivative",
                f"write {INSTEAD[name]}" if name in INSTEAD else nearest(name, METHODS, "those that have one"),
            )
        return partial(self._call, np.ravel if name == "flatten" else getattr(np, name))

    def _call(self, function: Any, *args: Any, **options: Any) -> Any:
        return self.__array_function__(function, (Tracer,), (self, *args), options)

    def __repr__(self) -> str:
        rows = ("n",) if self.node.lead else ()
        return f"<traced {self.node.name or self.node.op.name} ({', '.join(map(str, (*rows, *self.node.shape)))})>"


METHODS = (
    *("sum", "mean", "max", "min", "var", "std", "clip", "cumsum", "dot", "copy", "take", "repeat"),
    *("reshape", "ravel", "flatten", "transpose", "swapaxes", "squeeze"),
)
"""Methods of an array that are NumPy functions of the same name."""

INSTEAD = {
    **dict.fromkeys(["hstack", "append", "column_stack", "tile", "pad"], "np.concatenate([a, b], axis=-1)"),
    **dict.fromkeys(["vstack", "dstack"], "np.stack([a, b], axis=-2)"),
    **dict.fromkeys(["select", "choose", "piecewise", "nan_to_num", "copysign"], "np.where(condition, this, that)"),
    **dict.fromkeys(["inner", "tensordot", "kron", "vdot"], "`h @ A.T`, np.vecdot(a, b), or np.einsum with `...`"),
    "array_split": "np.split(h, borders, axis=-1)",
    "any": "np.max(np.where(mask, 1.0, 0.0), axis=-1) > 0",
    "all": "np.min(np.where(mask, 1.0, 0.0), axis=-1) > 0",
    "average": "np.sum(w * a, axis=-1) / np.sum(w, axis=-1)",
    "prod": "np.exp(np.sum(np.log(a), axis=-1)), where all are positive",
    "round": "np.floor(a + 0.5)",
    "diff": "`a[..., 1:] - a[..., :-1]`",
    "empty_like": "np.zeros_like(h)",
}
"""What to write for functions that have no rule."""

OPERATORS = (
    *("add", "subtract", "multiply", "divide", "floor_divide", "remainder", "power", "matmul"),
    *("left_shift", "right_shift", "bitwise_and", "bitwise_or", "bitwise_xor"),
)
"""What `+=` and its kin call, with `out=` of their first operand."""

WRITING = ("copyto", "put", "putmask", "place", "put_along_axis", "fill_diagonal")
"""NumPy functions that change an array."""
