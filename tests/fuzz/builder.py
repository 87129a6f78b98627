"""How a value is made to fit: into a range, to a shape, to another value."""

from __future__ import annotations

import math
from typing import Any

import attrs

from .draft import WITHOUT, Draft
from .values import MOST, Value, goes_together

__all__ = ["MOST", "WITHOUT", "Builder", "Value"]


@attrs.define(eq=False)
class Builder(Draft):
    """A draft with every way of making one value fit to another."""

    def within(self, value: Value, low: float, high: float) -> Value:
        """A value that is surely between `low` and `high`: `value` itself, or a bounded function of it."""
        if value.low >= low and value.high <= high:
            return value
        centre, radius = (low + high) / 2, (high - low) / 2
        if low >= 0 and self.chance(0.5):
            text, bounds = f"{low} + {high - low} * sigmoid({{0}})", (low, high)
        elif (low, high) == (-1, 1):
            text, bounds = "np.tanh({0})", (-1, 1)
        else:
            text, bounds = f"{centre} + {radius} * np.tanh({{0}})", (low, high)
        return self.emit(
            text, self.as_number(value), shape=value.shape, low=bounds[0], high=bounds[1], size=max(abs(centre), 0.5)
        )

    def positive(self, value: Value, least: float = 0.1) -> Value:
        """A value that is surely at least `least`, and not large."""
        if value.low >= least and value.high <= 20:
            return value
        value = self.as_number(value)
        text = self.choose(
            ("np.square(np.tanh({0})) + 0.31", "0.33 + sigmoid({0})", "softplus(np.tanh({0}))", "np.exp(np.tanh({0}))")
        )
        return self.emit(text, value, shape=value.shape, low=0.3, high=2.8, size=1.0)

    def traced(self, value: Value) -> Value:
        """`value`, or a parameter in the place of a constant array, which NumPy's functions would not trace."""
        return self.param(value.shape) if value.constant else value

    def as_number(self, value: Value) -> Value:
        """`value`, or the numbers 1 and 0 for a mask."""
        if not value.boolean:
            return value
        return self.emit("np.where({0}, 0.87, -0.41)", value, shape=value.shape, low=-0.41, high=0.87)

    def with_lead(self, value: Value) -> Value:
        """`value`, repeated for each example if there is one for all."""
        if value.lead:
            return value
        value = self.traced(value)
        sizes = ", ".join(f"{{s[{i}]}}" for i in range(value.rank))
        return self.emit(
            f"np.broadcast_to({{0}}, (*x.shape[:-1], {sizes}))",
            value,
            shape=value.shape,
            numbers=value.shape,
            lead=True,
            low=value.low,
            high=value.high,
            size=value.size,
            boolean=value.boolean,
        )

    def kept(self, value: Value, text: str, shape: tuple[int, ...], *numbers: int, **more: Any) -> Value:
        """A statement that only puts the elements of `value` in other places."""
        value = self.traced(value)
        bounds = {"low": value.low, "high": value.high, "size": value.size, "boolean": value.boolean}
        return self.emit(text, value, shape=shape, numbers=numbers, **(bounds | more))

    def of_rank(self, value: Value, rank: int) -> Value:
        """`value` with `rank` feature axes."""
        while value.rank < rank:
            at = self.whole(0, value.rank) if value.rank else 0
            index = ", ".join(["...", "None", *[":"] * (value.rank - at)])
            value = self.kept(value, f"{{0}}[{index}]", (*value.shape[:at], 1, *value.shape[at:]))
        while value.rank > rank:
            value = self._flatter(value)
        return value

    def _flatter(self, value: Value) -> Value:
        """`value` with one axis less."""
        *front, before, last = value.shape if value.rank > 1 else (1, *value.shape)
        if value.rank > 1 and value.lead and self.chance(0.3) and before * last <= 64:
            shape = (*front, before * last)
            sizes = ", ".join(f"{{s[{i}]}}" for i in range(len(shape)))
            return self.kept(value, f"np.reshape({{0}}, (*x.shape[:-1], {sizes}))", shape, *shape)
        if self.chance(0.4) and value.lead:
            place = self.whole(0, last - 1)
            return self.kept(value, "{0}[..., {s[0]}]", value.shape[:-1], place)
        value = self.as_number(value)
        word = self.choose(("mean", "max", "sum", "mean"))
        size = value.size * (math.sqrt(last) if word == "sum" else 1)
        low, high = (value.low * last, value.high * last) if word == "sum" else (value.low, value.high)
        return self.emit(f"np.{word}({{0}}, axis=-1)", value, shape=value.shape[:-1], low=low, high=high, size=size)

    def resized(self, value: Value, axis: int, size: int) -> Value:
        """`value` with `size` on the negative `axis`."""
        now = value.shape[axis]
        if now == size:
            return value
        if size > 33 and now != 1:
            return self.resized(self.resized(value, axis, 1), axis, size)
        shape = (*value.shape[:axis], size, *value.shape[value.rank + axis + 1 :])
        tail = "".join(", :" for _ in range(-1 - axis))
        ways: list[str] = ["take"] if size <= 12 else []
        if now > size:
            ways += ["slice", "end", "step"]
        if size % now == 0 and size <= 33:
            ways += ["repeat", "concatenate"]
        if now == 1:
            ways += ["broadcast"] * 2
        if not ways:
            return self.resized(self.resized(value, axis, 1), axis, size)
        match self.choose(ways):
            case "slice":
                start = self.whole(0, now - size)
                return self.kept(value, f"{{0}}[..., {{s[0]}}:{{s[1]}}{tail}]", shape, start, start + size)
            case "end":
                return self.kept(value, f"{{0}}[..., -{{s[0]}}:{tail}]", shape, size)
            case "step":
                step = self.whole(1, max(1, (now - 1) // max(size - 1, 1)))
                if self.chance(0.5):  # from behind
                    stop = now - 1 - (size - 1) * step - 1
                    ending = "" if stop < 0 else "{s[1]}"
                    return self.kept(
                        value, f"{{0}}[..., {{s[0]}}:{ending}:-{{s[2]}}{tail}]", shape, now - 1, max(stop, 0), step
                    )
                stop = (size - 1) * step + 1
                return self.kept(value, f"{{0}}[..., :{{s[0]}}:{{s[1]}}{tail}]", shape, stop, step)
            case "repeat":
                return self.kept(value, f"np.repeat({{0}}, {{s[0]}}, axis={axis})", shape, size // now)
            case "concatenate":
                again = ", ".join(["{0}"] * (size // now))
                if size // now > 8:
                    return self.kept(value, f"np.repeat({{0}}, {{s[0]}}, axis={axis})", shape, size // now)
                return self.kept(value, f"np.concatenate([{again}], axis={axis})", shape)
            case "broadcast":
                value = self.traced(value)
                sizes = ", ".join(f"{{s[{i}]}}" for i in range(value.rank))
                whole = f"(*x.shape[:-1], {sizes})" if value.lead else f"({sizes},)"
                return self.kept(value, f"np.broadcast_to({{0}}, {whole})", shape, *shape)
        places = [int(p) for p in self.rng.integers(0, now, size)]
        listed = ", ".join(f"{{s[{i}]}}" for i in range(size))
        return self.kept(value, f"np.take({{0}}, [{listed}], axis={axis})", shape, *places)

    def adapted(self, value: Value, shape: tuple[int, ...], *, loosely: bool = False, lead: bool = False) -> Value:
        """`value` with `shape`; `loosely`, axes may have length 1. With `lead` there is one for each example."""
        if lead:
            value = self.with_lead(value)
        if value.shape == shape:
            return value
        if value.rank == 2 and value.shape[::-1] == shape and self.chance(0.7):
            return self.kept(value, self.choose(("np.swapaxes({0}, -1, -2)", "{0}.mT")), shape)
        value = self.of_rank(value, len(shape))
        for axis in range(-len(shape), 0):
            if value.shape[axis] != shape[axis]:
                if loosely and value.shape[axis] == 1:
                    continue
                if loosely and self.chance(0.3):
                    value = self.emit(
                        f"np.{self.choose(('mean', 'max', 'min'))}({{0}}, axis={axis}, keepdims=True)",
                        self.as_number(value),
                        shape=(*value.shape[:axis], 1, *value.shape[value.rank + axis + 1 :]),
                        low=value.low,
                        high=value.high,
                        size=value.size,
                    )
                    continue
                value = self.resized(value, axis, shape[axis])
        return value

    def varied(self, value: Value) -> Value:
        """`value` as it is, or now and then seen another way with the same shape."""
        if value.rank == 0 or not self.chance(0.2):
            return value
        axis = self.choose(range(-value.rank, 0))
        size, tail = value.shape[axis], "".join(", :" for _ in range(-1 - axis))
        match self.choose(("flip", "flipped", "roll", "twice", "back")):
            case "flip":
                return self.kept(value, f"{{0}}[..., ::-1{tail}]", value.shape)
            case "flipped":
                return self.kept(value, f"np.flip({{0}}, axis={axis})", value.shape)
            case "roll":
                return self.kept(value, f"np.roll({{0}}, {{s[0]}}, axis={axis})", value.shape, self.whole(1, 3))
            case "twice" if size % 2 == 0:
                half = self.resized(value, axis, size // 2)
                return self.kept(half, f"np.concatenate([{{0}}, {{0}}], axis={axis})", value.shape)
            case "back" if value.rank == 2:
                turned = self.kept(value, "np.swapaxes({0}, -1, -2)", value.shape[::-1])
                return self.kept(turned, "{0}.mT", value.shape)
        return value

    def fellow(self, value: Value) -> Value:
        """Something that goes together with `value` element by element: of its shape, or broadcast to it."""
        way = self.choose(("same", "same", "other", "other", "param", "narrow", "number", "itself", "vector", "wide"))
        match way:
            case "same":
                found = self.pick(lambda v: v.shape == value.shape and not v.boolean and v is not value)
                if found is not None:
                    return self.varied(found)
            case "other":
                found = self.pick(lambda v: not v.boolean and v.lead)
                if found is not None:
                    return self.varied(self.adapted(found, value.shape, loosely=True))
            case "narrow" if value.rank:
                found = self.pick(lambda v: not v.boolean and v.rank > 0)
                if found is not None:
                    axis = self.choose(range(-value.rank, 0))
                    narrow = (*value.shape[:axis], 1, *value.shape[value.rank + axis + 1 :])
                    return self.adapted(found, narrow)
            case "wide" if 1 in value.shape:
                found = self.pick(lambda v: not v.boolean and v.rank == value.rank and goes_together(v, value))
                if found is not None:
                    return found
            case "number":
                return self.number()
            case "itself":
                return value
            case "vector" if value.rank and value.shape[-1] <= 9:
                return self.vector(value.shape[-1])
        if value.elements > 64:
            return self.param(value.shape[-1:])
        return self.param(value.shape if self.chance(0.6) else value.shape[self.whole(0, value.rank) :])
