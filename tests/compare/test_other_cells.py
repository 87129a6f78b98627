"""Cells with unusual steps are derived as PyTorch derives the same steps, written a second time in torch."""

from types import SimpleNamespace

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import (
    Array,
    Cell,
    Gate,
    State,
    blocks,
    diagonal,
    feed,
    gate,
    identity,
    layer_norm,
    param,
    sigmoid,
    softmax,
    softplus,
    state,
    tied,
)

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install '.[compare]'")

# PyTorch's forward mode is written with its own torch.jit.script, which it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

B, T, M, K = 3, 8, 3, 4
LENGTHS = [5, 8, 1]
TWINS = {}


def twin_of(kind, **more):
    """The step in torch of a class of cells, which is made with `more`."""

    def keep(step):
        TWINS[kind.__name__] = SimpleNamespace(kind=kind, step=step, more=more)
        return step

    return keep


def affine(p, name, x=None, h=None):
    """A gate's weighted sum."""
    total = 0.0
    if x is not None:
        total = total + x @ p[f"{name}.U"].T
    if h is not None:
        total = total + h @ p[f"{name}.W"].T
    return total + p[f"{name}.b"] if f"{name}.b" in p else total


# The toy LSTM, with one output and with one for each unit.


def toy(p, x, h, c):
    i, f, o = (torch.sigmoid(affine(p, name, x, h)) for name in ("input", "forget", "output"))
    c = torch.tanh(f * c + i * torch.tanh(affine(p, "new", x, h)))
    return o, o * c, c


twin_of(nl.cells.ToyLSTM)(toy)


class WideToyLSTM(nl.cells.ToyLSTM):
    pass


twin_of(WideToyLSTM, outputs=K)(toy)


# Normalised gates.


class NormGate(Gate):
    gain_x: Array = param("size", nl.uniform(0.5, 1.5))
    gain_h: Array = param("size", nl.uniform(0.5, 1.5))

    def preactivation(self, x, h):
        return layer_norm(x @ self.U.T) * self.gain_x + layer_norm(h @ self.W.T) * self.gain_h + self.b


class LayerNormLSTM(Cell):
    """Ba, Kiros and Hinton (2016)."""

    input: Gate = gate(sigmoid, kind=NormGate)
    forget: Gate = gate(sigmoid, kind=NormGate)
    output: Gate = gate(sigmoid, kind=NormGate)
    new: Gate = gate(np.tanh, kind=NormGate)
    gain: Array = param("hidden", nl.uniform(0.5, 1.5))
    shift: Array = param("hidden", nl.normal(0.1))

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(layer_norm(c) * self.gain + self.shift)
        return h, h, c


@twin_of(LayerNormLSTM)
def layer_norm_lstm(p, x, h, c):
    def total(name):
        by_x = torch.nn.functional.layer_norm(x @ p[f"{name}.U"].T, (K,), p[f"{name}.gain_x"], p[f"{name}.b"])
        return by_x + torch.nn.functional.layer_norm(h @ p[f"{name}.W"].T, (K,), p[f"{name}.gain_h"])

    i, f, o = (torch.sigmoid(total(name)) for name in ("input", "forget", "output"))
    c = f * c + i * torch.tanh(total("new"))
    h = o * torch.tanh(torch.nn.functional.layer_norm(c, (K,), p["gain"], p["shift"]))
    return h, h, c


# Gates that read other gates.


class MultiplicativeLSTM(Cell):
    """Krause et al. (2016)."""

    from_x: Gate = gate(identity, W=None, bias=False)
    from_h: Gate = gate(identity, U=None, bias=False)
    input: Gate = gate(sigmoid, W="from_h")
    forget: Gate = gate(sigmoid, W="from_h")
    output: Gate = gate(sigmoid, W="from_h")
    new: Gate = gate(identity, W="from_h")

    def step(self, x, h, c):
        m = self.from_x(x) * self.from_h(h)
        c = self.forget(x, m) * c + self.input(x, m) * self.new(x, m)
        h = np.tanh(c * self.output(x, m))
        return h, h, c


@twin_of(MultiplicativeLSTM)
def multiplicative(p, x, h, c):
    m = affine(p, "from_x", x) * affine(p, "from_h", None, h)
    i, f, o = (torch.sigmoid(affine(p, name, x, m)) for name in ("input", "forget", "output"))
    c = f * c + i * affine(p, "new", x, m)
    h = torch.tanh(o * c)
    return h, h, c


class GatedGates(Cell):
    """Each gate reads the one before it; the narrow one is read by all."""

    narrow: Gate = gate(sigmoid, size=2)
    wide: Gate = gate(softplus, F="narrow")
    late: Gate = gate(np.tanh, W="wide", F="narrow", D=diagonal("h"))

    def step(self, x, h):
        narrow = self.narrow(x, h)
        wide = self.wide(x, h, narrow)
        late = self.late(x, wide, narrow, h)
        h = late * (1 - np.exp(-wide)) + np.sum(narrow, axis=-1, keepdims=True) * h / 2
        return np.concatenate([h, narrow], axis=-1), h


@twin_of(GatedGates)
def gated_gates(p, x, h):
    narrow = torch.sigmoid(affine(p, "narrow", x, h))
    wide = torch.nn.functional.softplus(affine(p, "wide", x, h) + narrow @ p["wide.F"].T)
    late = torch.tanh(affine(p, "late", x, wide) + narrow @ p["late.F"].T + p["late.D"] * h)
    h = -late * torch.expm1(-wide) + narrow.mean(dim=-1, keepdim=True) * h
    return torch.cat([h, narrow], dim=-1), h


# Matrix memories.


class MLSTM(Cell):
    """Beck et al. (2024), xLSTM: matrix memory with a stabiliser of its own."""

    C: State = state(("hidden", "hidden"))
    m: State = state(1, start=-np.inf)
    query: Gate = gate(identity, W=None)
    key: Gate = gate(identity, W=None)
    value: Gate = gate(identity, W=None)
    input: Gate = gate(identity, size=1, W=None)
    forget: Gate = gate(identity, size=1, W=None)
    output: Gate = gate(sigmoid, W=None)

    def step(self, x, C, n, m):
        q, k, v = self.query(x), self.key(x) / np.sqrt(self.hidden), self.value(x)
        i, f = self.input(x), self.forget(x)
        new_m = np.maximum(f + m, i)
        i, f = np.exp(i - new_m), np.exp(f + m - new_m)
        C = f[..., None] * C + i[..., None] * v[..., :, None] * k[..., None, :]
        n = f * n + i * k
        scale = np.maximum(np.abs(np.sum(n * q, axis=-1, keepdims=True)), np.exp(-new_m))
        return self.output(x) * np.matvec(C, q) / scale, C, n, new_m


@twin_of(MLSTM)
def mlstm(p, x, C, n, m):
    q, k, v, i, f, o = (affine(p, name, x) for name in ("query", "key", "value", "input", "forget", "output"))
    k = k / K**0.5
    new_m = torch.maximum(f + m, i)
    i, f = torch.exp(i - new_m), torch.exp(f + m - new_m)
    C = f[:, :, None] * C + i[:, :, None] * torch.einsum("bi,bj->bij", v, k)
    n = f * n + i * k
    scale = torch.maximum(torch.einsum("bi,bi->b", n, q).abs()[:, None], torch.exp(-new_m))
    return torch.sigmoid(o) * torch.einsum("bij,bj->bi", C, q) / scale, C, n, new_m


class DeltaNet(Cell):
    """Schlag, Irie and Schmidhuber (2021): fast weights with the delta rule."""

    keys: int = 3
    S: State = state(("hidden", "keys"))
    query: Gate = gate(softmax, size="keys", W=None, bias=False)
    key: Gate = gate(softmax, size="keys", W=None, bias=False)
    value: Gate = gate(identity, W=None, bias=False)
    rate: Gate = gate(sigmoid, size=1, W=None, bias=False)

    def step(self, x, S):
        k = self.key(x)
        change = self.rate(x) * (self.value(x) - np.matvec(S, k))
        S = S + change[..., :, None] * k[..., None, :]
        return np.matvec(S, self.query(x)), S


@twin_of(DeltaNet)
def delta_net(p, x, S):
    q, k = (torch.softmax(affine(p, name, x), dim=-1) for name in ("query", "key"))
    forgotten = S @ (torch.eye(3, dtype=S.dtype) - torch.sigmoid(affine(p, "rate", x))[..., None] * outer(k, k))
    S = forgotten + torch.sigmoid(affine(p, "rate", x))[..., None] * outer(affine(p, "value", x), k)
    return (S @ q[..., None])[..., 0], S


def outer(a, b):
    return a[..., :, None] * b[..., None, :]


# Exponential gates with a stabiliser, and heads as blocks.


class SLSTM(Cell):
    """Beck et al. (2024), xLSTM: scalar memory, exponential gates, a stabiliser, heads."""

    heads: int = 2
    m: State = state(start=-np.inf)
    input: Gate = gate(identity, W=blocks("h", "heads"))
    forget: Gate = gate(identity, W=blocks("h", "heads"))
    output: Gate = gate(sigmoid, W=blocks("h", "heads"))
    new: Gate = gate(np.tanh, W=blocks("h", "heads"))

    def step(self, x, h, c, n, m):
        i, f = self.input(x, h), self.forget(x, h)
        new_m = np.maximum(f + m, i)
        i, f = np.exp(i - new_m), np.exp(f + m - new_m)
        c = f * c + i * self.new(x, h)
        n = f * n + i
        h = self.output(x, h) * c / n
        return h, h, c, n, new_m


@twin_of(SLSTM)
def slstm(p, x, h, c, n, m):
    i, f, o, z = (
        x @ p[f"{name}.U"].T + h @ torch.block_diag(*p[f"{name}.W"]).T + p[f"{name}.b"]
        for name in ("input", "forget", "output", "new")
    )
    new_m = torch.maximum(f + m, i)
    i, f = torch.exp(i - new_m), torch.exp(f + m - new_m)
    c = f * c + i * torch.tanh(z)
    n = f * n + i
    h = torch.sigmoid(o) * c / n
    return h, h, c, n, new_m


# Diagonal recurrences.


class IndRNN(Cell):
    """Li et al. (2018)."""

    new: Gate = gate(lambda a: np.maximum(a, 0), W=diagonal("h"))

    def step(self, x, h):
        h = self.new(x, h)
        return h, h


@twin_of(IndRNN)
def ind_rnn(p, x, h):
    h = torch.relu(affine(p, "new", x) + p["new.W"] * h)
    return h, h


class LRU(Cell):
    """Orvieto et al. (2023): complex numbers, here as pairs."""

    nu: Array = param("hidden", nl.uniform(-2, 0))
    theta: Array = param("hidden", nl.uniform(-2, 1))
    gamma: Array = param("hidden", 0.0)
    in_re: Gate = gate(identity, W=None, bias=False)
    in_im: Gate = gate(identity, W=None, bias=False)
    out_re: Gate = gate(identity, size="inputs", U=None, W="re", bias=False)
    out_im: Gate = gate(identity, size="inputs", U=None, W="im", bias=False)
    skip: Array = param("inputs", nl.normal())

    def step(self, x, re, im):
        size, angle = np.exp(-np.exp(self.nu)), np.exp(self.theta)
        a, b, g = size * np.cos(angle), size * np.sin(angle), np.exp(self.gamma)
        new_re = a * re - b * im + g * self.in_re(x)
        new_im = a * im + b * re + g * self.in_im(x)
        return self.out_re(new_re) - self.out_im(new_im) + self.skip * x, new_re, new_im


@twin_of(LRU)
def lru(p, x, re, im):
    eigenvalues = torch.exp(torch.complex(-torch.exp(p["nu"]), torch.exp(p["theta"])))
    z = eigenvalues * torch.complex(re, im)
    z = z + torch.exp(p["gamma"]) * (x.to(z.dtype) @ torch.complex(p["in_re.U"], p["in_im.U"]).T)
    y = (z @ torch.complex(p["out_re.W"], p["out_im.W"]).T).real + p["skip"] * x
    return y, z.real, z.imag


# Three states, one of which starts where it learned to.


class AveragedToy(nl.cells.ToyLSTM):
    first: Array = param("hidden", nl.normal())
    h: State = state(start="first")
    average: State = state(start=0.3)
    output: Gate = gate(sigmoid, size="outputs", A="average")

    def step(self, x, h, c, average):
        i, f, o = self.input(x, h), self.forget(x, h), self.output(x, h, average)
        c = np.tanh(f * c + i * self.new(x, h))
        h = o * c
        average = 0.9 * average + 0.1 * h
        return o, h, c, average


@twin_of(AveragedToy)
def averaged(p, x, h, c, average):
    i, f = (torch.sigmoid(affine(p, name, x, h)) for name in ("input", "forget"))
    o = torch.sigmoid(affine(p, "output", x, h) + average @ p["output.A"].T)
    c = torch.tanh(f * c + i * torch.tanh(affine(p, "new", x, h)))
    return o, o * c, c, average.lerp(o * c, 0.1)


# A loop over heads in the step, with slices, and the heads as an axis.


class HeadedMemory(Cell):
    """Each head is normalised and rotated by itself, and reads a slot of its own."""

    heads: int = 2
    slots: State = state(("heads", 2))
    query: Gate = gate(identity, W="hidden")
    scale: Array = param("heads", nl.uniform(0.5, 1.5))
    tables: Array = param(("heads", 2, 2), nl.normal())

    def step(self, x, slots):
        q = nl.split(self.query(x, nl.merge(slots)), self.heads)
        rows = []
        for head in range(self.heads):
            one = q[..., head, :]
            one = one / np.sqrt(1 + np.sum(np.square(one), axis=-1, keepdims=True)) * self.scale[head]
            rows.append(np.tanh(one @ self.tables[head].T + slots[..., head, ::-1]))
        slots = np.stack(rows, axis=-2)
        return np.concatenate(rows, axis=-1), slots


@twin_of(HeadedMemory)
def headed(p, x, slots):
    q = affine(p, "query", x, slots.flatten(-2)).unflatten(-1, (2, 2))
    q = q / torch.sqrt(1 + (q**2).sum(dim=-1, keepdim=True)) * p["scale"][:, None]
    slots = torch.tanh(torch.einsum("bhj,hij->bhi", q, p["tables"]) + slots.flip(-1))
    return slots.flatten(-2), slots


class LTC(Cell):
    """Hasani et al. (2021): a solver unfolded in the step, at irregular times."""

    unfoldings: int = 3
    dt: Array = feed()
    tau: Array = param("hidden", nl.normal())
    A: Array = param("hidden", nl.normal())
    f: Gate = gate(sigmoid)

    def step(self, x, h, dt):
        part = dt / self.unfoldings
        for _ in range(self.unfoldings):
            f = self.f(x, h)
            h = (h + part * f * self.A) / (1 + part * (1 / softplus(self.tau) + f))
        return h, h


@twin_of(LTC)
def ltc(p, x, h, dt):
    for _ in range(3):
        f = torch.sigmoid(affine(p, "f", x, h))
        h = (h + dt / 3 * f * p["A"]) / (1 + dt / 3 * (1 / torch.log1p(torch.exp(p["tau"])) + f))
    return h, h


# Choices.


class PhasedLSTM(Cell):
    """Neil, Pfeiffer and Liu (2016): np.where in np.where, np.mod, and a clock."""

    leak: float = 0.1
    time: Array = feed()
    period: Array = param("hidden", nl.uniform(0, 2))
    shift: Array = param("hidden", nl.uniform(0, 1))
    ratio: Array = param("hidden", 0.6)
    input: Gate = gate(sigmoid)
    forget: Gate = gate(sigmoid)
    output: Gate = gate(sigmoid)
    new: Gate = gate(np.tanh)

    def step(self, x, h, c, time):
        phase = np.mod(time - self.shift, np.exp(self.period)) / np.exp(self.period)
        rise, fall = 2 * phase / self.ratio, 2 - 2 * phase / self.ratio
        k = np.where(phase < self.ratio / 2, rise, np.where(phase < self.ratio, fall, self.leak * phase))
        new_c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        new_h = self.output(x, h) * np.tanh(new_c)
        h, c = k * new_h + (1 - k) * h, k * new_c + (1 - k) * c
        return h, h, c


@twin_of(PhasedLSTM)
def phased(p, x, h, c, time):
    turns = (time - p["shift"]) / torch.exp(p["period"])
    phase = turns - torch.floor(turns).detach()
    rise, fall = 2 * phase / p["ratio"], 2 - 2 * phase / p["ratio"]
    k = torch.where(phase < p["ratio"] / 2, rise, torch.where(phase < p["ratio"], fall, 0.1 * phase))
    i, f, o = (torch.sigmoid(affine(p, name, x, h)) for name in ("input", "forget", "output"))
    new_c = f * c + i * torch.tanh(affine(p, "new", x, h))
    new_h = o * torch.tanh(new_c)
    h, c = torch.lerp(h, new_h, k), torch.lerp(c, new_c, k)
    return h, h, c


class Guarded(Cell):
    """Branches of which one is not finite where the other is chosen, clipped and absolute values, a running maximum."""

    new: Gate = gate(identity)
    peak: State = state(start=-np.inf)

    def step(self, x, h, peak):
        a = self.new(x, h)
        root = np.where(a > 0, np.sqrt(np.where(a > 0, a, 1.0)), -np.log1p(np.abs(a)))
        h = np.clip(root, -0.8, 0.8)
        peak = np.maximum(peak, np.max(h, axis=-1, keepdims=True))
        return np.exp(h - peak), h, peak


@twin_of(Guarded)
def guarded(p, x, h, peak):
    a = affine(p, "new", x, h)
    root = torch.where(a > 0, torch.sqrt(torch.where(a > 0, a, 1.0)), -torch.log(1 + a.abs()))
    h = torch.clamp(root, -0.8, 0.8)
    peak = torch.maximum(peak, h.amax(dim=-1, keepdim=True))
    return torch.exp(h - peak), h, peak


# Weights that are shared, a weight that is diagonal, a weight that is not trained.


class ScaledGate(Gate):
    slope: Array = param("size", nl.uniform(0.5, 1.5))
    height: Array = param("size", nl.uniform(0.5, 1.5))

    def __call__(self, *values):
        return self.height * self.activation(self.slope * self.preactivation(*values))


class SemiTiedLSTM(Cell):
    """Zhang and Woodland (2018): one product for all gates, each with its own activation."""

    input: Gate = gate(sigmoid, kind=ScaledGate)
    forget: Gate = gate(sigmoid, kind=ScaledGate, U=tied("input.U"), W=tied("input.W"), bias=tied("input.b"))
    output: Gate = gate(sigmoid, kind=ScaledGate, U=tied("input.U"), W=tied("input.W"), bias=tied("input.b"))
    new: Gate = gate(np.tanh, kind=ScaledGate, U=tied("input.U"), W=tied("input.W"), bias=tied("input.b"))

    def step(self, x, h, c):
        c = self.forget(x, h) * c + self.input(x, h) * self.new(x, h)
        h = self.output(x, h) * np.tanh(c)
        return h, h, c


@twin_of(SemiTiedLSTM)
def semi_tied(p, x, h, c):
    a = affine(p, "input", x, h)
    i, f, o = (p[f"{n}.height"] * torch.sigmoid(p[f"{n}.slope"] * a) for n in ("input", "forget", "output"))
    c = f * c + i * p["new.height"] * torch.tanh(p["new.slope"] * a)
    h = o * torch.tanh(c)
    return h, h, c


class PartlyTied(Cell):
    """One of two gates has the other's recurrent weight alone; peepholes; a basis that is not trained."""

    input: Gate = gate(sigmoid, P=diagonal("c"))
    output: Gate = gate(sigmoid, W=tied("input.W"), P=diagonal("c"))
    basis: Array = param(("hidden", "inputs"), nl.normal(), frozen=True)

    def step(self, x, h, c):
        i = self.input(x, h, c)
        c = (1 - i) * c + i * np.tanh(x @ self.basis.T)
        h = self.output(x, h, c) * np.tanh(c)
        return h, h, c


@twin_of(PartlyTied)
def partly_tied(p, x, h, c):
    i = torch.sigmoid(affine(p, "input", x, h) + c * p["input.P"])
    c = torch.lerp(c, torch.tanh(x @ p["basis"].T), i)
    o = torch.sigmoid(x @ p["output.U"].T + h @ p["input.W"].T + c * p["output.P"] + p["output.b"])
    h = o * torch.tanh(c)
    return h, h, c


# A state that is the input of the step before, and an output that is none of the states.


class QRNN(Cell):
    """Bradbury et al. (2017), a window of 2, fo-pooling."""

    before: State = state("inputs")
    new: Gate = gate(np.tanh, W="before", bias=False)
    forget: Gate = gate(sigmoid, W="before", bias=False)
    output: Gate = gate(sigmoid, W="before", bias=False)

    def step(self, x, c, before):
        f = self.forget(x, before)
        c = f * c + (1 - f) * self.new(x, before)
        return self.output(x, before) * c, c, x


@twin_of(QRNN)
def qrnn(p, x, c, before):
    f, o = (torch.sigmoid(affine(p, name, x, before)) for name in ("forget", "output"))
    c = torch.lerp(torch.tanh(affine(p, "new", x, before)), c, f)
    return o * c, c, x


# What may happen on the way.

RESETS = np.zeros((B, T), bool)
RESETS[0, 3] = RESETS[1, 2] = RESETS[1, 4] = RESETS[2, 0] = True
RESETS[0, 6] = True  # beyond the end of its sequence
WAYS = {
    "plain": {},
    "lengths": {"lengths": LENGTHS},
    "resets": {"resets": RESETS},
    "truncated": {"truncate": 3},
    "truncated at every step": {"truncate": 1},
    "given states": {"given": True},
    "one sequence": {"alone": True, "resets": RESETS[1:2], "truncate": 3},
    "all at once": {"lengths": LENGTHS, "resets": RESETS, "truncate": 2, "given": True, "loss": "rmse"},
    "all at once, in pieces": {"lengths": LENGTHS, "resets": RESETS, "truncate": 3, "checkpoint_every": 3},
}


def prepared(name, *, depth=1, bidirectional=False, learn_initial=False):
    """The model of a cell of this name, or a stack of them, away from the numbers at which biases are drawn."""
    kind, more = TWINS[name].kind, TWINS[name].more
    cells = [kind(inputs=M, hidden=K, rng=4, **more)]
    for i in range(1, depth):
        cells.append(kind(inputs=cells[-1].outputs * (1 + bidirectional), hidden=K, rng=4 + i, **more))
    model = nl.Sequence(cells, bidirectional=bidirectional, learn_initial=learn_initial, rng=9)
    rng = np.random.default_rng(2)
    for value in model.parameters.values():
        value += rng.normal(size=value.shape, scale=0.3)
    return model


def numbers(model, *, alone=False, given=False):
    rng = np.random.default_rng(7)
    batch = 1 if alone else B
    x, target = rng.normal(size=(batch, T, M)), rng.normal(size=(batch, T, model.outputs))
    feeds = {name: np.cumsum(rng.exponential(size=(batch, T)) + 0.1, axis=1) for name in model.feeds()}
    shapes = {name: (batch, *s.shape) for name, s in model.states().items()}
    initial = {name: np.abs(rng.normal(size=shape)) + 0.2 for name, shape in shapes.items()} if given else {}
    return x, target, feeds, initial


def starts(model, p, prefix):
    """What a reset of the states of one part leads back to."""
    found = {}
    for name, anatomy in model.states().items():
        if name.startswith(prefix):
            own, begin = name.removeprefix(prefix), anatomy.start
            key = f"{prefix}{begin if isinstance(begin, str) else f'initial.{own}'}"
            found[own] = p[key] if key in p else torch.tensor(begin, dtype=torch.float64)
    return found


def twin(model, name, loop, *, depth=1, bidirectional=False, learn_initial=False, **way):
    """The step's twin over time: a stack, each level of one part, or of two directions that are joined."""

    def run(p, x, initial, feeds):
        last = {}
        for i in range(depth):
            level = f"{i}." if depth > 1 else ""
            outputs = []
            for side in ("forward.", "backward.") if bidirectional else ("",):
                prefix = level + side
                own, states = (
                    {key.removeprefix(prefix): value for key, value in all_of.items() if key.startswith(prefix)}
                    for all_of in (p, initial)
                )
                y, end = loop(
                    TWINS[name].step, own, x, states, start=starts(model, p, prefix), feeds=feeds,
                    backward=side == "backward.", **way,
                )  # fmt: skip
                outputs.append(y)
                last |= {prefix + key: value for key, value in end.items()}
            x = torch.cat(outputs, dim=-1)
        return x, last

    return run


def compared(comparison, loop, name, way, **shape):
    way = dict(way)
    alone, given, loss = way.pop("alone", False), way.pop("given", False), way.pop("loss", "mse")
    model = prepared(name, **shape)
    x, target, feeds, initial = numbers(model, alone=alone, given=given)
    on_the_way = {key: value for key, value in way.items() if key != "checkpoint_every"}
    run = twin(model, name, loop, **shape, **on_the_way)
    return comparison(model, run, x, target, loss=loss, initial=initial, alone=alone, feeds=feeds, **way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", TWINS)
def test_a_cell_equals_its_twin_in_torch(name, way, comparison, loop):
    both = compared(comparison, loop, name, WAYS[way])
    both.outputs_agree()
    both.gradients_agree()


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way == "all at once" else pytest.mark.slow) for way in WAYS]
)
@pytest.mark.parametrize("name", TWINS)
def test_second_derivatives_of_a_cell_equal_those_of_its_twin(name, way, comparison, loop):
    both = compared(comparison, loop, name, WAYS[way])
    both.hessian_vector_products_agree()
    both.tangents_agree()


@pytest.mark.parametrize("way", ["lengths", "resets", "one sequence", "all at once", "all at once, in pieces"])
@pytest.mark.parametrize("depth", [pytest.param(1, marks=pytest.mark.slow), 2])
@pytest.mark.parametrize("name", ["ToyLSTM", "SLSTM", "AveragedToy", "LTC"])
def test_a_cell_that_runs_both_ways_equals_its_twin_in_torch(name, depth, way, comparison, loop):
    both = compared(comparison, loop, name, WAYS[way], depth=depth, bidirectional=True)
    both.outputs_agree()
    both.gradients_agree()


@pytest.mark.parametrize("name", ["ToyLSTM", "MLSTM", "HeadedMemory"])
def test_a_stack_of_three_equals_its_twin_in_torch(name, comparison, loop):
    both = compared(comparison, loop, name, WAYS["all at once"], depth=3)
    both.outputs_agree()
    both.gradients_agree()


@pytest.mark.parametrize("shape", [{}, {"depth": 2, "bidirectional": True}], ids=["one", "stack both ways"])
@pytest.mark.parametrize("way", ["resets", "all at once, in pieces"])
@pytest.mark.parametrize("name", ["ToyLSTM", "SLSTM", "AveragedToy", "DeltaNet"])
def test_first_states_that_are_learned_equal_their_twins_in_torch(name, way, shape, comparison, loop):
    both = compared(comparison, loop, name, WAYS[way], learn_initial=True, **shape)
    both.outputs_agree()
    both.gradients_agree()
    both.hessian_vector_products_agree()
