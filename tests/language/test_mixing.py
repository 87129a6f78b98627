"""A step that mixes the sequences of a batch is refused, however rarely it does; no other one is."""

import sys
import traceback

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, feed, gate, noise, param, sigmoid
from nanolstm.cells.find import find_cell
from nanolstm.cells.zoo import HOMES
from nanolstm.errors import BatchError, CellError, TraceError
from nanolstm.language.mixing import Comparing
from nanolstm.language.probing import refuse_mixed_examples

B, T = 6, 12


class Base(Cell):
    """Two gates for steps to use."""

    a: Gate = gate(sigmoid)
    b: Gate = gate(np.tanh)


def centred(h):
    return h - h.mean()


class CentredGate(Gate):
    def __call__(self, *values):
        total = self.preactivation(*values)
        return self.activation(total - total.mean())


class BranchOnMean(Base):
    def step(self, x, h):
        if self.a(x, h).mean() > 0.5:
            h = h * 0
        h = self.b(x, h)
        return h, h


class BranchOnAny(Base):
    def step(self, x, h):
        if (self.a(x, h) > 0.9).any():
            h = -h
        h = self.b(x, h)
        return h, h


class BranchOnAll(Base):
    def step(self, x, h):
        if (self.a(x, h) < 0.9).all():
            h = -h
        h = self.b(x, h)
        return h, h


class BranchInWhile(Base):
    def step(self, x, h):
        while np.abs(h).max() > 0.1:
            h = 0.5 * h
        h = self.b(x, h)
        return h, h


class ScaledByFloat(Base):
    def step(self, x, h):
        h = self.b(x, h) / max(1.0, float(np.abs(self.a(x, h)).max()) + 0.5)
        return h, h


class ChosenByItem(Base):
    def step(self, x, h):
        up = 1.0 if self.a(x, h).sum().item() > 0.5 * h.shape[-1] else -1.0
        h = up * self.b(x, h)
        return h, h


class Centred(Base):
    def step(self, x, h):
        h = self.b(x, h)
        h = h - h.mean()
        return h, h


class Normed(Base):
    def step(self, x, h):
        h = self.b(x, h / (1 + np.linalg.norm(h)))
        return h, h


class SoftmaxOverTheBatch(Base):
    def step(self, x, h):
        e = np.exp(self.b(x, h))
        h = e / e.sum(axis=0)
        return h, h


class SummedUp(Base):
    def step(self, x, h):
        h = self.b(x, np.cumsum(h).reshape(h.shape))
        return h, h


class Sorted(Base):
    def step(self, x, h):
        h = self.b(x, np.sort(h, axis=None).reshape(h.shape))
        return h, h


class Ordered(Base):
    def step(self, x, h):
        h = self.b(x, h)
        if h.ndim > 1:
            h = h[np.argsort(x[:, 0])]
        return h, h


class FirstForAll(Base):
    def step(self, x, h):
        h = self.b(x, h) + h[0]
        return h, h


class FirstColumn(Base):
    def step(self, x, h):
        h = self.b(x, h) + (h[:, 0].sum() if h.ndim > 1 else h[0])
        return h, h


class Counted(Base):
    def step(self, x, h):
        h = self.b(x, h) / len(x)
        return h, h


class Sized(Base):
    def step(self, x, h):
        h = self.b(x, h) / h.size
        return h, h


class Gram(Base):
    def step(self, x, h):
        h = self.b(x, h) + 0.1 * np.dot(h, h.T).sum()
        return h, h


class ByHelper(Base):
    def step(self, x, h):
        h = self.b(x, centred(h))
        return h, h


class ByGate(Base):
    b: Gate = gate(np.tanh, kind=CentredGate)

    def step(self, x, h):
        h = self.b(x, h)
        return h, h


class ByFeed(Base):
    dt: Array = feed(default=1.0)

    def step(self, x, h, dt):
        h = self.b(x, h) / (1 + dt.mean())
        return h, h


class ByMask(Base):
    keep: Array = noise(0.5)

    def step(self, x, h, keep):
        h = self.b(x, h) * (2.0 if keep.mean() > 0.5 else 1.0)
        return h, h


class Slightly(Base):
    def step(self, x, h):
        h = self.b(x, h) + 1e-4 * h.mean()
        return h, h


class ByLaterState(Base):
    """Another state is mixed, which h reads one step later."""

    def step(self, x, h, c):
        h = self.b(x, h + c)
        return h, h, np.median(h) + 0 * c


MIXERS = [kind for kind in vars().values() if isinstance(kind, type) and issubclass(kind, Base) and kind is not Base]


@pytest.fixture(params=MIXERS, ids=lambda kind: kind.__name__)
def mixer(request):
    """A class of cells whose step mixes the batch."""
    return request.param


def data(batch=B, time=T, seed=0, inputs=2):
    return np.random.default_rng(seed).normal(size=(batch, time, inputs))


def one_by_one(model, x, **options):
    return np.stack([model(x[b], **{name: value[b] for name, value in options.items()}) for b in range(len(x))])


def is_refused_or_right(model, x, **options):
    """Whether a batch is refused; if it is not, it has to be what the sequences are one by one."""
    try:
        y = model(x, **options)
    except BatchError:
        return True
    np.testing.assert_allclose(y, one_by_one(model, x, **options), rtol=1e-9, atol=1e-9)
    return False


@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_no_seed_and_no_size_lets_a_mixing_step_through(mixer, backend):
    refused = 0
    for hidden in (1, 2, 3, 5, 8):
        for seed in range(3):
            model = nl.Sequence(mixer(inputs=2, hidden=hidden, rng=seed), backend=backend)
            feeds = {"dt": np.abs(data(seed=seed)[..., 0])} if mixer is ByFeed else {}
            refused += is_refused_or_right(model, data(seed=seed), **feeds)
    assert refused >= 14


@pytest.mark.parametrize(("batch", "time"), [(2, 1), (5, 1), (5, 3), (40, 2), (1, 4)])
def test_short_small_and_large_batches_let_none_through(mixer, batch, time):
    for seed in range(3):
        model = nl.Sequence(mixer(inputs=2, hidden=5, rng=seed), backend="numpy")
        is_refused_or_right(model, data(batch, time, seed))
        is_refused_or_right(model, data(batch, time, seed), resets=data(batch, time, seed)[..., 0] > 1)


def test_kernels_refuse_them_by_their_trace(mixer):
    with pytest.raises(TraceError):
        nl.Sequence(mixer(inputs=2, hidden=3, rng=0), backend="numba")(data())


def test_gradients_refuse_them_by_their_trace(mixer):
    with pytest.raises(TraceError):
        nl.Sequence(mixer(inputs=2, hidden=3, rng=0), backend="numpy").value_and_grad(data(), np.zeros((B, T, 3)))


LINES = {
    BranchOnMean: "if self.a(x, h).mean() > 0.5:",
    BranchInWhile: "while np.abs(h).max() > 0.1:",
    Centred: "h = h - h.mean()",
    ByHelper: "return h - h.mean()",
    ByGate: "return self.activation(total - total.mean())",
    ByLaterState: "return h, h, np.median(h) + 0 * c",
}


@pytest.mark.parametrize(("kind", "line"), LINES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_error_names_the_line_and_what_to_write_instead(kind, line):
    with pytest.raises(BatchError) as caught:
        nl.Sequence(kind(inputs=2, hidden=3, rng=0), backend="numpy")(data())
    text = str(caught.value)
    assert text.startswith(f"{kind.__name__}.step mixes the examples of a batch: ")
    assert f"{__file__}:{caught.value.line} (`{line}`)" in text
    assert "np.where(condition, this, that) for an `if` on values, and give every reduction axis=-1" in text
    assert isinstance(caught.value, CellError)


def test_a_tracer_that_is_at_work_is_set_aside_and_comes_back():
    def tracer(*_):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with pytest.raises(BatchError):
            nl.Sequence(BranchOnMean(inputs=2, hidden=3, rng=0), backend="numpy")(data())
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_a_slight_mixing_is_found_in_float32_too():
    with pytest.raises(BatchError, match=r"1e-4 \* h\.mean\(\)"):
        nl.Sequence(Slightly(inputs=2, hidden=3, rng=0, dtype="float32"), backend="numpy")(data())


# What only the run itself shows


class Above(Cell):
    """Mixes beyond a threshold that random states and inputs of a trial do not come to."""

    def step(self, x, h):
        h = h + x
        if h.max() > 1000:
            h = h - 1000
        return h, h


def test_a_threshold_that_only_real_data_cross_is_met_in_the_run():
    model = nl.Sequence(Above(inputs=1, hidden=1), backend="numpy")
    x = np.full((3, 8, 1), 10.0)
    np.testing.assert_array_equal(model(x), one_by_one(model, x))
    x[1, 5] = 2000
    with pytest.raises(BatchError, match=r"if h\.max\(\) > 1000") as caught:
        nl.Sequence(Above(inputs=1, hidden=1), backend="numpy")(x)
    assert "in Above.step, at time step 5" in "".join(traceback.format_exception(caught.value))


def test_a_mixing_step_is_met_in_later_calls_too():
    model = nl.Sequence(Above(inputs=1, hidden=1), backend="numpy")
    x = np.full((3, 8, 1), 10.0)
    model(x)
    x[:, :, 0] += np.array([0.0, 0.0, 3000.0])[:, None]
    with pytest.raises(BatchError, match=r"if h\.max\(\) > 1000"):
        model(x)


def test_a_size_of_batch_that_is_treated_apart_is_met_when_it_comes():
    class Seven(Cell):
        def step(self, x, h):
            h = h + x
            if x.shape[0] == 7:
                h = -h
            return h, h

    model = nl.Sequence(Seven(inputs=1, hidden=1), backend="numpy")
    model(data(6, 1, inputs=1))
    model(data(6, 1, inputs=1))
    with pytest.raises(BatchError, match=r"if x\.shape\[0\] == 7"):
        model(data(7, 1, inputs=1))


def test_first_states_and_masks_that_are_drawn_are_compared_as_they_are():
    x, h = data(), np.random.default_rng(1).normal(size=(B, 1)) * 1e4
    with pytest.raises(BatchError):
        nl.Sequence(Above(inputs=1, hidden=1), backend="numpy")(x[..., :1], initial={"h": h})
    model = nl.Sequence(ByMask(inputs=2, hidden=1, rng=0), backend="numpy")
    with pytest.raises(BatchError):
        model(x, rng=0)


def test_a_recording_a_stepper_and_lengths_are_watched_too():
    x = np.full((3, 8, 1), 10.0)
    x[1] = 2000
    for run in (
        lambda m: m.record(x),
        lambda m: m.stepper(batch=3)(x[:, 0]),
        lambda m: m(x, lengths=[8, 2, 3]),
        lambda m: m(x, return_state=True),
    ):
        with pytest.raises(BatchError):
            run(nl.Sequence(Above(inputs=1, hidden=1), backend="numpy"))
    # What stands beyond a sequence's end is no result.
    assert nl.Sequence(Above(inputs=1, hidden=1), backend="numpy")(np.full((2, 9, 1), 1.0), lengths=[9, 1]).max() == 9


def test_a_helper_that_comes_to_mix_is_met_again(monkeypatch):
    class Helped(Base):
        def step(self, x, h):
            h = self.b(x, centred(h))
            return h, h

    monkeypatch.setitem(globals(), "centred", lambda h: h - h.mean(axis=-1, keepdims=True))
    model = nl.Sequence(Helped(inputs=2, hidden=3, rng=0), backend="numpy")
    np.testing.assert_allclose(model(data()), one_by_one(model, data()), atol=1e-12)
    monkeypatch.setitem(globals(), "centred", lambda h: h - h.mean())
    with pytest.raises(BatchError):
        model(data())


# No false alarm


class Guarded(Base):
    """A check that no trace takes, and that mixes nothing."""

    def step(self, x, h):
        if not np.isfinite(h).all():
            raise FloatingPointError("h runs away")
        h = self.a(x, h) * h + self.b(x, h)
        return h, h


class ByAxis(Base):
    """Correct with a batch and without, and asks which of these it is."""

    def step(self, x, h):
        h = self.b(x, h)
        h = h - h.mean(axis=h.ndim - 1, keepdims=True)
        return h, h


class Converging(Base):
    """A loop until nothing changes any more, which does not end for every weight."""

    A: Array = param(("hidden", "hidden"), nl.normal(0.1))

    def step(self, x, h):
        z = h
        while True:
            new = np.maximum(x[..., :1] + 1 + z @ self.A.T, 0.0)
            if np.abs(new - z).max() < 1e-13:
                return new, new
            z = new


@pytest.mark.parametrize("kind", [Guarded, ByAxis, Converging])
def test_an_untraced_step_that_mixes_nothing_runs(kind):
    for hidden in (1, 4, 8):
        model = nl.Sequence(kind(inputs=2, hidden=hidden, rng=0), backend="numpy")
        for _ in range(2):
            np.testing.assert_allclose(model(data()), one_by_one(model, data()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", HOMES)
def test_no_cell_of_the_zoo_is_taken_for_one_that_mixes(name, dtype):
    kind = find_cell(name)[0]
    cell = kind(inputs=8, hidden=8, rng=0, dtype=dtype)
    refuse_mixed_examples(cell)
    rng = np.random.default_rng(0)
    feeds = {feed: rng.uniform(0.1, 2, (4, 12)) for feed, part in cell.anatomy.feeds.items() if part.size == 1}
    for scale in (0.0, 1.0, 30.0):
        twin = cell.fresh(0)
        twin.__dict__["_comparing"] = comparing = Comparing()  # as if it could not be traced
        nl.Sequence(twin, backend="numpy")(scale * rng.normal(size=(4, 12, 8)), rng=1, **feeds)
        assert comparing.known == {4}


class Threshold(Cell):
    """Sums that come to exactly 0 in one order of adding, and not in another."""

    a: Gate = gate(nl.identity, init=lambda rng, shape: 0.1 * rng.integers(-3, 4, shape))

    def step(self, x, h):
        h = np.where(self.a(x, h) > 0, 1.0, -1.0)
        return h, h


class Steep(Cell):
    a: Gate = gate(nl.identity)

    def step(self, x, h):
        h = np.sin(1e9 * self.a(x, h))
        return h, h


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", [Threshold, Steep])
def test_rounding_errors_at_a_threshold_are_no_mixing(kind, dtype):
    for seed in range(3):
        cell = kind(inputs=64, hidden=64, rng=np.random.default_rng(seed), dtype=dtype)
        cell.__dict__["_comparing"] = comparing = Comparing()
        x = np.random.default_rng(seed).integers(-1, 2, (8, 10, 64)).astype(float)
        nl.Sequence(cell, backend="numpy")(x)
        assert comparing.known == {8}
