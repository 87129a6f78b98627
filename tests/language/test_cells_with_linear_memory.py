"""Published cells with linear, diagonal or fixed recurrences, against their equations."""

import numpy as np
import pytest
from scipy.linalg import expm

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, diagonal, gate, identity, param, sigmoid, softplus, state


def relu(a):
    return np.maximum(a, 0)


class SRU(Cell):
    """Lei et al. (2018): Simple recurrent units for highly parallelizable recurrence. As wide as its input."""

    new: Gate = gate(identity, W=None, bias=False)
    forget: Gate = gate(sigmoid, W=diagonal("c"))
    reset: Gate = gate(sigmoid, W=diagonal("c"))

    def step(self, x, c):
        f, r = self.forget(x, c), self.reset(x, c)
        c = f * c + (1 - f) * self.new(x)
        return r * c + (1 - r) * x, c


class IndRNN(Cell):
    """Li et al. (2018): Independently recurrent neural network."""

    new: Gate = gate(relu, W=diagonal("h"), init={"W": nl.uniform(0, 1), "b": nl.normal(0.1)})

    def step(self, x, h):
        h = self.new(x, h)
        return h, h


class MinGRU(Cell):
    """Feng et al. (2024): Were RNNs all we needed?"""

    update: Gate = gate(sigmoid, W=None)
    new: Gate = gate(identity, W=None)

    def step(self, x, h):
        z = self.update(x)
        h = (1 - z) * h + z * self.new(x)
        return h, h


class LRU(Cell):
    """Orvieto et al. (2023): Resurrecting recurrent neural networks for long sequences. Complex numbers as pairs."""

    nu: Array = param("hidden", nl.uniform(-2, 0))
    theta: Array = param("hidden", nl.uniform(-2, 1))
    gamma: Array = param("hidden", 0.0)
    in_re: Gate = gate(identity, W=None, bias=False)
    in_im: Gate = gate(identity, W=None, bias=False)
    out_re: Gate = gate(identity, size="inputs", U=None, W="re", bias=False)
    out_im: Gate = gate(identity, size="inputs", U=None, W="im", bias=False)
    skip: Array = param("inputs", nl.normal())

    def initialise(self, rng):
        self.gamma = np.log(np.sqrt(1 - np.exp(-2 * np.exp(self.nu))))

    def step(self, x, re, im):
        size, angle = np.exp(-np.exp(self.nu)), np.exp(self.theta)
        a, b, g = size * np.cos(angle), size * np.sin(angle), np.exp(self.gamma)
        new_re = a * re - b * im + g * self.in_re(x)
        new_im = a * im + b * re + g * self.in_im(x)
        return self.out_re(new_re) - self.out_im(new_im) + self.skip * x, new_re, new_im


def legendre(theta):
    """A and B of the delay of `theta` steps in Legendre polynomials, held constant within a step."""

    def joint(order):
        q = np.arange(order)
        A = (2 * q[:, None] + 1) * np.where(q[:, None] < q, -1.0, (-1.0) ** (q[:, None] - q + 1))
        B = (2 * q + 1) * (-1.0) ** q
        both = np.zeros((order + 1, order + 1))
        both[:order, :order], both[:order, order] = A / theta, B / theta
        return expm(both)

    return lambda rng, shape: joint(shape[0])[:-1, :-1], lambda rng, shape: joint(shape[0])[:-1, -1]


class LMU(Cell):
    """Voelker, Kajic and Eliasmith (2019): Legendre memory units."""

    order: int = 6
    m: State = state("order")
    A: Array = param(("order", "order"), legendre(8.0)[0], frozen=True)
    B: Array = param("order", legendre(8.0)[1], frozen=True)
    write: Gate = gate(identity, size=1, M="m", bias=False)
    new: Gate = gate(np.tanh, M="m", bias=False, init=nl.glorot())

    def step(self, x, h, m):
        m = m @ self.A.T + self.write(x, h, m) * self.B
        h = self.new(x, h, m)
        return h, h, m


class QRNN(Cell):
    """Bradbury et al. (2017): Quasi-recurrent neural networks, a window of 2, fo-pooling."""

    before: State = state("inputs")
    new: Gate = gate(np.tanh, W="before", bias=False)
    forget: Gate = gate(sigmoid, W="before", bias=False)
    output: Gate = gate(sigmoid, W="before", bias=False)

    def step(self, x, c, before):
        f = self.forget(x, before)
        c = f * c + (1 - f) * self.new(x, before)
        return self.output(x, before) * c, c, x


class EchoState(Cell):
    """Jaeger (2001): The echo state approach. Only the readout is trained."""

    radius: float = 0.9
    new: Gate = gate(np.tanh, frozen=True)
    read: Gate = gate(identity, size=1, U=None)

    def initialise(self, rng):
        self.new.W *= self.radius / np.abs(np.linalg.eigvals(self.new.W)).max()

    def step(self, x, h):
        h = self.new(x, h)
        return self.read(h), h


class LeakyIntegrator(Cell):
    """Jaeger et al. (2007): leaky-integrator neurons, each with a time constant that training keeps positive."""

    rate: Array = param("hidden", nl.normal())
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        keep = np.exp(-softplus(self.rate))
        h = keep * h + (1 - keep) * self.new(x, h)
        return h, h


def s(a):
    return 1 / (1 + np.exp(-a))


def sru_by_hand(p, K, xs):
    c = np.zeros(K)
    for x in xs:
        f = s(p["forget.U"] @ x + p["forget.W"] * c + p["forget.b"])
        r = s(p["reset.U"] @ x + p["reset.W"] * c + p["reset.b"])
        c = f * c + (1 - f) * (p["new.U"] @ x)
        yield r * c + (1 - r) * x, c


def ind_rnn_by_hand(p, K, xs):
    h = np.zeros(K)
    for x in xs:
        h = np.array([max(0.0, p["new.U"][k] @ x + p["new.W"][k] * h[k] + p["new.b"][k]) for k in range(K)])
        yield h, h


def min_gru_by_hand(p, K, xs):
    h = np.zeros(K)
    for x in xs:
        z = s(p["update.U"] @ x + p["update.b"])
        h = h + z * (p["new.U"] @ x + p["new.b"] - h)
        yield h, h


def lru_by_hand(p, K, xs):
    eigenvalues = np.exp(-np.exp(p["nu"]) + 1j * np.exp(p["theta"]))
    B = p["in_re.U"] + 1j * p["in_im.U"]
    C = p["out_re.W"] + 1j * p["out_im.W"]
    z = np.zeros(K, complex)
    for x in xs:
        z = np.diag(eigenvalues) @ z + np.diag(np.exp(p["gamma"])) @ B @ x
        yield (C @ z).real + p["skip"] * x, z.real, z.imag


def lmu_by_hand(p, K, xs):
    h, m = np.zeros(K), np.zeros(6)
    for x in xs:
        u = p["write.U"] @ x + p["write.W"] @ h + p["write.M"] @ m
        m = p["A"] @ m + p["B"][:, None] @ u
        h = np.tanh(p["new.U"] @ x + p["new.W"] @ h + p["new.M"] @ m)
        yield h, h, m


def qrnn_by_hand(p, K, xs):
    c = np.zeros(K)
    padded = np.concatenate([np.zeros((1, xs.shape[1])), xs])
    for t in range(len(xs)):
        z, f, o = (p[f"{n}.W"] @ padded[t] + p[f"{n}.U"] @ padded[t + 1] for n in ("new", "forget", "output"))
        c = s(f) * c + (1 - s(f)) * np.tanh(z)
        yield s(o) * c, c, xs[t]


def echo_by_hand(p, K, xs):
    h = np.zeros(K)
    for x in xs:
        h = np.tanh(p["new.U"] @ x + p["new.W"] @ h + p["new.b"])
        yield p["read.W"] @ h + p["read.b"], h


def leaky_by_hand(p, K, xs):
    h = np.zeros(K)
    keep = 1 / (1 + np.exp(p["rate"]))  # exp(-log(1 + exp(a)))
    for x in xs:
        h = keep * h + (1 - keep) * np.tanh(p["new.U"] @ x + p["new.W"] @ h + p["new.b"])
        yield h, h


CELLS = {
    SRU: sru_by_hand,
    IndRNN: ind_rnn_by_hand,
    MinGRU: min_gru_by_hand,
    LRU: lru_by_hand,
    LMU: lmu_by_hand,
    QRNN: qrnn_by_hand,
    EchoState: echo_by_hand,
    LeakyIntegrator: leaky_by_hand,
}


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_published_cell(kind, law):
    law(lambda **more: kind(inputs=4, hidden=4, rng=1, **more))


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
def test_a_published_cell_equals_its_equations(kind, equals_by_hand):
    inputs = 5 if kind is SRU else 3
    equals_by_hand(kind(inputs=inputs, hidden=5, rng=2), CELLS[kind])


def test_an_echo_state_network_trains_its_readout_alone_and_has_the_radius_it_is_told():
    cell = EchoState(inputs=2, hidden=20, radius=0.7, rng=0)
    assert list(cell.parameters) == ["read.W", "read.b"]
    assert list(cell.frozen) == ["new.U", "new.W", "new.b"]
    assert np.abs(np.linalg.eigvals(cell.frozen["new.W"])).max() == pytest.approx(0.7, rel=1e-12)


def test_an_lru_is_drawn_with_a_gain_that_keeps_the_state_at_the_size_of_the_input():
    cell = LRU(inputs=2, hidden=8, rng=0)
    size = np.exp(-np.exp(cell.nu))
    np.testing.assert_allclose(np.exp(2 * cell.gamma) + size**2, 1, rtol=1e-12)
    assert np.shares_memory(cell.gamma, cell.parameters.flat)


def test_the_memory_of_an_lmu_holds_its_input_of_theta_steps_ago():
    cell = LMU(inputs=1, hidden=2, order=12, rng=0)
    for key, value in {"write.U": 1.0, "write.W": 0.0, "write.M": 0.0}.items():
        cell.parameters[key][...] = value
    u = np.sin(np.arange(80) / 6)
    m = nl.Sequence(cell).record(u[:, None])["m"]
    # The sum of all shifted Legendre polynomials at 1 is the input theta = 8 steps ago.
    np.testing.assert_allclose(m.sum(axis=1)[40:], u[32:72], atol=0.1)


def test_a_queue_of_earlier_inputs_is_two_delays():
    class Window(Cell):
        one: State = state("inputs")
        two: State = state("inputs")

        def step(self, x, one, two):
            return x + 10 * one + 100 * two, x, one

    y = nl.Sequence(Window(inputs=1, hidden=1))(np.arange(1.0, 5.0)[:, None])
    assert y[:, 0].tolist() == [1.0, 12.0, 123.0, 234.0]
