"""Scalars in the making: Python's operators on LLVM values, each of which emits one instruction.

Numba types an integer as 64 bits wide and a Python number as float64, and makes branches of `min` and `if`; each of the
three keeps a loop over float32 from becoming vectors. What is written with these scalars has the width of its argument
and no branch.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from nanolstm.kernels.lanes import BITS

Number: TypeAlias = "Scalar | float"

# A product and a sum may be fused, nothing else. To say so also keeps Numba from giving these instructions the leave of
# the function that they end up in.
FLAGS = ("contract",)


class Layout:
    """Where a floating-point number of `width` bits keeps its parts."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.real = ir.FloatType() if width == 32 else ir.DoubleType()
        self.integer = ir.IntType(width)
        self.mantissa = 23 if width == 32 else 52
        self.bias = 127 if width == 32 else 1023
        self.sign = 1 << (width - 1)

    def bits(self, number: float) -> int:
        """The bits of `number`, read as an integer."""
        codes = "<fI" if self.width == 32 else "<dQ"
        result: int = struct.unpack("<" + codes[2], struct.pack(codes[:2], number))[0]
        return result


class Scalar:
    """A floating-point number, an integer of the same width, or a condition."""

    __hash__ = None  # type: ignore[assignment]  # == compares the numbers, when they are known

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, layout: Layout) -> None:
        self.builder, self.value, self.layout = builder, value, layout
        self.is_real = value.type == layout.real

    def _with(self, other: Number) -> ir.Value:
        """`other` as a value of the same type."""
        return other.value if isinstance(other, Scalar) else ir.Constant(self.value.type, other)

    def _emit(self, name: str, *operands: ir.Value) -> Scalar:
        flags = {"flags": FLAGS} if self.is_real else {}
        return Scalar(self.builder, getattr(self.builder, name)(*operands, **flags), self.layout)

    def __add__(self, other: Number) -> Scalar:
        return self._emit("fadd" if self.is_real else "add", self.value, self._with(other))

    def __radd__(self, other: float) -> Scalar:
        return self + other

    def __sub__(self, other: Number) -> Scalar:
        return self._emit("fsub" if self.is_real else "sub", self.value, self._with(other))

    def __rsub__(self, other: float) -> Scalar:
        return self._emit("fsub" if self.is_real else "sub", self._with(other), self.value)

    def __mul__(self, other: Number) -> Scalar:
        return self._emit("fmul", self.value, self._with(other))

    def __rmul__(self, other: float) -> Scalar:
        return self * other

    def __truediv__(self, other: Number) -> Scalar:
        return self._emit("fdiv", self.value, self._with(other))

    def __mod__(self, other: Scalar) -> Scalar:
        """The remainder with the sign of the dividend."""
        return self._emit("frem", self.value, other.value)

    def __neg__(self) -> Scalar:
        return self._emit("fneg", self.value)

    # Of the comparisons with a NaN, each but != is false.

    def __lt__(self, other: Number) -> Scalar:
        return self._compare("<", other)

    def __gt__(self, other: Number) -> Scalar:
        return self._compare(">", other)

    def __ge__(self, other: Number) -> Scalar:
        return self._compare(">=", other)

    def __eq__(self, other: object) -> Scalar:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: object) -> Scalar:  # type: ignore[override]
        return self._compare("!=", other)

    def _compare(self, relation: str, other: Any) -> Scalar:
        name = "fcmp_unordered" if relation == "!=" else "fcmp_ordered"
        value = getattr(self.builder, name)(relation, self.value, self._with(other), flags=FLAGS)
        return Scalar(self.builder, value, self.layout)

    # Of integers and conditions.

    def __and__(self, other: Scalar | int) -> Scalar:
        return self._emit("and_", self.value, self._with(other))

    def __or__(self, other: Scalar | int) -> Scalar:
        return self._emit("or_", self.value, self._with(other))

    def __xor__(self, other: Scalar | int) -> Scalar:
        return self._emit("xor", self.value, self._with(other))

    def __lshift__(self, count: int) -> Scalar:
        return self._emit("shl", self.value, self._with(count))

    def __rshift__(self, count: int) -> Scalar:
        """Shifted with zeros moving in: AVX2 cannot shift a negative integer of 64 bits."""
        return self._emit("lshr", self.value, self._with(count))

    @property
    def bits(self) -> Scalar:
        """This floating-point number as an integer."""
        return Scalar(self.builder, self.builder.bitcast(self.value, self.layout.integer), self.layout)

    @property
    def real(self) -> Scalar:
        """This integer as the floating-point number that has these bits."""
        return Scalar(self.builder, self.builder.bitcast(self.value, self.layout.real), self.layout)

    def call(self, name: str, *others: Scalar) -> Scalar:
        """What LLVM's own function of this and of `others` gives."""
        operands = [self.value, *(other.value for other in others)]
        kind, function = self.layout.real, ir.FunctionType(self.layout.real, [self.layout.real] * len(operands))
        callee = self.builder.module.declare_intrinsic(f"llvm.{name}", [kind], function)
        return Scalar(self.builder, self.builder.call(callee, operands, fastmath=FLAGS), self.layout)


def select(condition: Scalar, this: Number, that: Number) -> Scalar:
    """`this` where `condition` holds, else `that`, without a branch."""
    real = condition.layout.real
    values = [x.value if isinstance(x, Scalar) else ir.Constant(real, x) for x in (this, that)]
    return Scalar(condition.builder, condition.builder.select(condition.value, *values), condition.layout)


def _prefer_widest(function: ir.Function) -> None:
    """Have loops in it become vectors as wide as those of the products: by itself LLVM stops at 256 bits.

    It is an attribute of LLVM's with a value, which llvmlite prints as it is, but does not know.
    """
    set.add(function.attributes, f'"prefer-vector-width"="{BITS}"')


def emitted(function: Callable[..., Scalar], real: types.Float, conditions: int = 0) -> Any:
    """A function that compiled code calls with numbers of type `real`, after so many `conditions`."""
    layout = Layout(real.bitwidth)
    parameters = inspect.signature(function).parameters.values()
    typed = real(*[types.boolean] * conditions, *[real] * (len(parameters) - conditions))  # as float32(float32)

    def lower(_: Any, builder: ir.IRBuilder, __: Any, operands: list[ir.Value]) -> ir.Value:
        _prefer_widest(builder.function)
        return function(*(Scalar(builder, operand, layout) for operand in operands)).value

    def definition(*_: Any) -> Any:
        return typed, lower

    definition.__name__ = definition.__qualname__ = function.__name__
    definition.__doc__ = function.__doc__
    # Numba reads from the signature which operands there are, after one of its own.
    context = inspect.Parameter("typingctx", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    definition.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    return intrinsic(definition)
