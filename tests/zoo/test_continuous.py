"""The continuous family, against its equations and against the differential equations behind them."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.signal import cont2discrete

import nanolstm as nl
from nanolstm import cells


def s(a):
    return 1 / (1 + np.exp(-a))


def positive(a):
    return np.log(1 + np.exp(a))


def affine(p, name, **columns):
    return p[f"{name}.b"] + sum(p[f"{name}.{weight}"] @ column for weight, column in columns.items())


def leaky(cell, p, xs, dt):
    u = np.zeros(cell.hidden)
    tau = 1 / positive(p["rate"])
    for x, elapsed in zip(xs, dt, strict=True):
        target = affine(p, "drive", U=x, W=np.tanh(u))
        u = target + np.exp(-elapsed / tau) * (u - target)
        yield np.tanh(u), u


def synapses(p, name, senders, receiver):
    """One conductance after the other, of the synapses to one unit."""
    w, mu, sigma = (p[f"{name}.{weight}"][receiver] for weight in ("w", "mu", "sigma"))
    return np.array([positive(w[j]) * s(sigma[j] * (v - mu[j])) for j, v in enumerate(senders)])


def liquid(cell, p, xs, dt):
    v, C, G = np.zeros(cell.hidden), positive(p["cm"]), positive(p["gleak"])
    for x, elapsed in zip(xs, dt, strict=True):
        seen = p["input_w"] * x + p["input_b"]
        for _ in range(cell.unfolds):
            before = v.copy()
            for k in range(cell.hidden):
                g, r = synapses(p, "recurrent", before, k), synapses(p, "sensory", seen, k)
                rate = cell.unfolds * C[k] / elapsed
                drawn = rate * before[k] + G[k] * p["vleak"][k] + g @ p["erev"][k] + r @ p["sensory_erev"][k]
                v[k] = drawn / (rate + G[k] + g.sum() + r.sum())
        yield p["output_w"] * v + p["output_b"], v.copy()


def backbone(p, x, h):
    return 1.7159 * np.tanh(0.666 * affine(p, "backbone", U=x, W=h))


def closed_form(cell, p, xs, dt):
    h = np.zeros(cell.hidden)
    for x, elapsed in zip(xs, dt, strict=True):
        b = backbone(p, x, h)
        g, other = np.tanh(affine(p, "ff1", U=b)), np.tanh(affine(p, "ff2", U=b))
        f = -affine(p, "time_a", U=b)
        gate = s(-f * elapsed + affine(p, "time_b", U=b))
        h = g + gate * other if isinstance(cell, cells.CfCNoGate) else g + gate * (other - g)
        yield h, h


def pure(cell, p, xs, dt):
    h = np.zeros(cell.hidden)
    for x, elapsed in zip(xs, dt, strict=True):
        f = affine(p, "ff1", U=backbone(p, x, h))
        h = p["A"] * (1 - f * np.exp(-elapsed * (abs(p["w_tau"]) + abs(f))))
        yield h, h


def oscillators(cell, p, xs, dt):
    y, z = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x, elapsed in zip(xs, cell.time_step * dt, strict=True):
        z = z + elapsed * np.tanh(affine(p, "drive", U=x, W=y, Z=z)) - elapsed * (cell.gamma * y + cell.epsilon * z)
        y = y + elapsed * z
        yield y, y, z


def two_scales(cell, p, xs, dt):
    y, z = np.zeros(cell.hidden), np.zeros(cell.hidden)
    for x, elapsed in zip(xs, cell.time_step * dt, strict=True):
        slow, fast = (elapsed * s(affine(p, name, U=x, W=y)) for name in ("step_y", "step_z"))
        z = z + fast * (np.tanh(affine(p, "new_z", U=x, W=y)) - z)
        y = y + slow * (np.tanh(affine(p, "new_y", U=x, W=z)) - y)
        yield y, y, z


def delay(order, theta):
    A = [[(2 * i + 1) * (-1 if i < j else (-1) ** (i - j + 1)) / theta for j in range(order)] for i in range(order)]
    return np.array(A), np.array([(2 * i + 1) * (-1) ** i / theta for i in range(order)])


def unbiased(p, name, x, h, m):
    return p[f"{name}.U"] @ x + p[f"{name}.W"] @ h + p[f"{name}.M"] @ m


def legendre(cell, p, xs):
    A, B = delay(cell.order, cell.theta)
    A, B, *_ = cont2discrete((A, B[:, None], np.eye(cell.order), np.zeros((cell.order, 1))), dt=1.0)
    h, m = np.zeros(cell.hidden), np.zeros(cell.order)
    for x in xs:
        m = A @ m + B @ unbiased(p, "write", x, h, m)
        h = np.tanh(unbiased(p, "new", x, h, m))
        yield h, h, m


def irregular_legendre(cell, p, xs, dt):
    A, B = delay(cell.order, cell.theta)
    h, m = np.zeros(cell.hidden), np.zeros(cell.order)
    for x, elapsed in zip(xs, dt, strict=True):
        u = unbiased(p, "write", x, h, m)
        system = (A, B[:, None], np.eye(cell.order), np.zeros((cell.order, 1)))
        exact_A, exact_B, *_ = cont2discrete(system, dt=elapsed)
        m = exact_A @ m + exact_B @ u
        h = np.tanh(unbiased(p, "new", x, h, m))
        yield h, h, m


EQUATIONS = {
    cells.LeakyIntegrator: leaky,
    cells.LTC: liquid,
    cells.CfC: closed_form,
    cells.CfCNoGate: closed_form,
    cells.CfCPure: pure,
    cells.CoRNN: oscillators,
    cells.LEM: two_scales,
    cells.LMU: legendre,
    cells.IrregularLMU: irregular_legendre,
}
SOLVERS = [cells.LeakyIntegrator, cells.LTC, cells.CoRNN, cells.LEM]


@pytest.mark.parametrize("kind", EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_cell_of_this_family_equals_its_equations(kind, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind])


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (cells.LTC, {"unfolds": 1}),
        (cells.CfC, {"backbone_units": 3}),
        (cells.CoRNN, {"time_step": 0.1, "gamma": 0.5, "epsilon": 1.5}),
        (cells.LEM, {"time_step": 0.2}),
        (cells.LMU, {"order": 1, "theta": 3.0}),
        (cells.IrregularLMU, {"order": 5, "theta": 30.0, "terms": 20, "unfolds": 1}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else ",".join(value),
)
def test_the_settings_of_a_cell_are_those_of_its_equations(kind, settings, equals_by_hand):
    equals_by_hand(kind, EQUATIONS[kind], lambda rng: {"inputs": 2, "hidden": 3, **settings})


@pytest.mark.parametrize("kind", [*SOLVERS, cells.IrregularLMU], ids=lambda kind: kind.__name__)
def test_time_that_stands_still_moves_no_state(kind):
    cell = kind(inputs=2, hidden=3, rng=0)
    x = np.random.default_rng(1).normal(size=(5, 2))
    rec = nl.Sequence(cell).record(x, dt=[1.0, 1.0, 0.0, 0.0, 1.0])
    for name in cell.anatomy.states:
        if name == "h":  # of the LMU: no solution of an equation, but read from its memory
            continue
        np.testing.assert_allclose(rec[name][2:4], rec[name][[1, 1]], rtol=1e-14)
        assert (rec[name][4] != rec[name][3]).all()


@pytest.mark.parametrize("kind", [k for k in EQUATIONS if k is not cells.LMU], ids=lambda kind: kind.__name__)
def test_a_time_step_that_is_not_given_is_one(kind):
    model = nl.Sequence(kind(inputs=2, hidden=3, rng=0))
    x = np.random.default_rng(1).normal(size=(2, 5, 2))
    assert np.array_equal(model(x), model(x, dt=np.ones((2, 5))))
    assert (model(x) != model(x, dt=np.full((2, 5), 0.9))).any()


def field(cell, x):
    """The right side of the differential equation behind a cell, of all its states in one vector."""
    p, K = {name: value.copy() for name, value in cell.parameters.items()}, cell.hidden

    def of_leaky(_, u):
        return positive(p["rate"]) * (affine(p, "drive", U=x, W=np.tanh(u)) - u)

    def of_liquid(_, v):
        seen, flow = p["input_w"] * x + p["input_b"], positive(p["gleak"]) * (p["vleak"] - v)
        for k in range(K):
            flow[k] += synapses(p, "recurrent", v, k) @ (p["erev"][k] - v[k])
            flow[k] += synapses(p, "sensory", seen, k) @ (p["sensory_erev"][k] - v[k])
        return flow / positive(p["cm"])

    def of_oscillators(_, both):
        y, z = both[:K], both[K:]
        force = np.tanh(affine(p, "drive", U=x, W=y, Z=z)) - cell.gamma * y - cell.epsilon * z
        return cell.time_step * np.concatenate([z, force])

    def of_two_scales(_, both):
        y, z = both[:K], both[K:]
        slow, fast = (s(affine(p, name, U=x, W=y)) for name in ("step_y", "step_z"))
        new_y, new_z = np.tanh(affine(p, "new_y", U=x, W=z)), np.tanh(affine(p, "new_z", U=x, W=y))
        return cell.time_step * np.concatenate([slow * (new_y - y), fast * (new_z - z)])

    return dict(zip(SOLVERS, (of_leaky, of_liquid, of_oscillators, of_two_scales), strict=True))[type(cell)]


@pytest.mark.parametrize("kind", SOLVERS, ids=lambda kind: kind.__name__)
def test_short_steps_solve_the_differential_equation_twice_as_well_where_they_are_half_as_long(kind):
    """Of order 1, as each of these schemes is; equal and unequal steps alike."""
    cell = kind(inputs=2, hidden=3, rng=0)
    x = np.array([0.7, -0.4])
    states = cell.anatomy.states
    exact = solve_ivp(field(cell, x), (0.0, 2.0), np.zeros(3 * len(states)), rtol=1e-11, atol=1e-12).y[:, -1]

    def error(steps):
        dt = np.random.default_rng(2).uniform(0.5, 1.5, steps)
        _, last = nl.Sequence(cell)(np.tile(x, (steps, 1)), dt=2.0 * dt / dt.sum(), return_state=True)
        return np.abs(np.concatenate([last[name] for name in states]) - exact).max()

    assert error(800) < 2e-3 * np.abs(exact).max()
    assert error(800) / error(1600) == pytest.approx(2, rel=0.1)


def test_the_leak_of_an_integrator_is_exact_however_its_time_is_cut():
    cell = cells.LeakyIntegrator(inputs=1, hidden=4, rng=0)
    cell.parameters["drive.W"] = np.zeros((4, 4))
    model = nl.Sequence(cell)
    whole = model(np.ones((1, 1)), dt=[7.5])
    np.testing.assert_allclose(model(np.ones((3, 1)), dt=[1.0, 6.0, 0.5])[-1], whole[0], rtol=1e-13)


def test_the_time_constants_of_an_integrator_start_between_1_and_20():
    taus = 1 / positive(cells.LeakyIntegrator(inputs=1, hidden=1000, rng=0).parameters["rate"])
    assert taus.min() == pytest.approx(1, rel=0.05)
    assert taus.max() == pytest.approx(20, rel=0.05)
    assert np.median(taus) == pytest.approx(20**0.5, rel=0.1)


@pytest.mark.parametrize("kind", [cells.LeakyIntegrator, cells.LTC], ids=lambda kind: kind.__name__)
def test_a_gap_of_any_length_leaves_a_leaky_unit_within_its_bounds(kind):
    cell = kind(inputs=2, hidden=5, rng=0)
    x = np.random.default_rng(0).normal(size=(6, 2))
    state = nl.Sequence(cell).record(x, dt=[1.0, 1e3, 1e6, 1e9, 1e-9, 1.0])[next(iter(cell.anatomy.states))]
    assert np.isfinite(state).all()
    assert np.abs(state).max() < (1.0 if kind is cells.LTC else 10.0)  # between the reversal potentials


def test_synapses_of_a_liquid_network_start_as_those_of_its_authors():
    p = cells.LTC(inputs=30, hidden=40, rng=0).parameters
    for name, low, high in [
        *(("gleak", 0.001, 1), ("vleak", -0.2, 0.2), ("cm", 0.4, 0.6)),
        *((f"{kind}.{w}", *ends) for kind in ("recurrent", "sensory")
          for w, ends in {"w": (0.001, 1), "mu": (0.3, 0.8), "sigma": (3, 8)}.items()),
    ]:  # fmt: skip
        assert low <= p[name].min() < p[name].max() <= high, name
        assert p[name].mean() == pytest.approx((low + high) / 2, abs=0.15 * (high - low)), name
    for name in ("erev", "sensory_erev"):
        assert set(np.unique(p[name])) == {-1.0, 1.0}
        assert (p[name] > 0).mean() == pytest.approx(2 / 3, abs=0.05)


def test_a_recording_of_a_liquid_network_holds_every_conductance_of_every_step_of_its_solver():
    cell = cells.LTC(inputs=2, hidden=3, unfolds=4, rng=0)
    x = np.random.default_rng(0).normal(size=(5, 2))
    rec = nl.Sequence(cell).record(x)
    turns = [name for name in rec if name.startswith("recurrent[")]
    assert turns == [f"recurrent[{i}]" for i in range(4)]
    assert rec["recurrent[0]"].shape == (5, 3, 3)
    by_hand = [synapses(cell.parameters, "recurrent", rec["v"][3], k) for k in range(3)]
    np.testing.assert_allclose(rec["recurrent[0]"][4], by_hand, rtol=1e-12)


def test_reversal_potentials_can_be_frozen_by_saying_so():
    class Wired(cells.LTC):
        erev: nl.Array = nl.param(("hidden", "hidden"), -1.0, frozen=True)

    cell = Wired(inputs=2, hidden=3, rng=0)
    assert list(cell.frozen) == ["erev"]
    free = cells.LTC(inputs=2, hidden=3, rng=0)
    assert set(free.parameters) - set(cell.parameters) == {"erev"}


def test_a_closed_form_network_goes_from_one_head_to_the_other_as_time_passes():
    cell = cells.CfC(inputs=2, hidden=3, rng=0)
    cell.parameters["time_a.U"][...] = 0
    cell.parameters["time_a.b"][...] = 1.0
    cell.parameters["time_b.U"][...] = 0
    x = np.random.default_rng(0).normal(size=(1, 2))
    model = nl.Sequence(cell)
    late, early = model.record(x, dt=[1e3]), model.record(x, dt=[-1e3])
    np.testing.assert_allclose(late.y, late["ff2"], rtol=1e-14)
    np.testing.assert_allclose(early.y, early["ff1"], rtol=1e-14)


def test_the_energy_of_free_oscillators_stays_where_it_is():
    cell = cells.CoRNN(inputs=1, hidden=2, epsilon=0.0, gamma=1.0, time_step=0.1, rng=0)
    for value in cell.parameters.values():
        value[...] = 0
    model = nl.Sequence(cell)
    rec = model.record(np.zeros((4000, 1)), initial={"y": [1.0, -0.5], "z": [0.0, 2.0]})
    energy = rec["y"] ** 2 + rec["z"] ** 2
    begun = np.array([1.0, 4.25])
    assert (np.abs(energy / begun - 1) < 0.11).all()  # it swings by the time step, and neither grows nor shrinks
    np.testing.assert_allclose(energy[-1000:].mean(axis=0), energy[:1000].mean(axis=0), rtol=2e-3)


@pytest.mark.parametrize("kind", [cells.CoRNN, cells.LEM], ids=lambda kind: kind.__name__)
def test_numbers_are_drawn_within_the_bounds_of_the_authors_linear_layers(kind):
    cell = kind(inputs=10, hidden=20, rng=0)
    limit = 1 / np.sqrt(50 if kind is cells.CoRNN else 20)
    for name, value in cell.parameters.items():
        assert 0.8 * limit < np.abs(value).max() <= limit, name


def delayed(cell, dt):
    """The memory of `cell`, read out at the far end of its window, for a sine that it is given as it is."""
    for key, value in {"write.U": 1.0, "write.W": 0.0, "write.M": 0.0}.items():
        cell.parameters[key][...] = value
    times = np.cumsum(dt)
    feeds = {"dt": dt} if cell.anatomy.feeds else {}
    m = nl.Sequence(cell).record(np.sin((times - dt / 2) / 6)[:, None], **feeds)["m"]
    # All shifted Legendre polynomials are 1 there.
    return times, m.sum(axis=1)


@pytest.mark.parametrize("kind", [cells.LMU, cells.IrregularLMU], ids=lambda kind: kind.__name__)
def test_the_memory_of_an_lmu_holds_its_input_of_theta_ago(kind):
    cell = kind(inputs=1, hidden=2, order=12, theta=20.0, rng=0)
    dt = np.ones(200)
    if kind is cells.IrregularLMU:
        dt = np.random.default_rng(0).uniform(0.2, 1.8, 200)
    times, held = delayed(cell, dt)
    late = times > 60
    np.testing.assert_allclose(held[late], np.sin((times[late] - 20) / 6), atol=0.05)


def test_an_irregular_lmu_is_the_lmu_where_steps_are_equal():
    x = np.random.default_rng(0).normal(size=(3, 40, 2))
    regular, irregular = (kind(inputs=2, hidden=4, rng=0) for kind in (cells.LMU, cells.IrregularLMU))
    for name, value in regular.parameters.items():
        irregular.parameters[name] = value
    np.testing.assert_allclose(nl.Sequence(irregular)(x), nl.Sequence(regular)(x), rtol=0, atol=1e-12)


def test_the_series_of_an_irregular_lmu_is_as_exact_as_it_says_and_a_longer_gap_than_its_window_is_one_of_its_length():
    cell = cells.IrregularLMU(inputs=1, hidden=2, theta=20.0, rng=0)
    x = np.random.default_rng(0).normal(size=(4, 1))

    def error(gap):
        dt = np.array([10.0, 2.0, 0.5, gap])
        *_, (_, _, m) = irregular_legendre(cell, cell.parameters, x, dt)
        ours = nl.Sequence(cell).record(x, dt=dt)["m"][-1]
        return np.abs(ours - m).max() / np.abs(m).max()

    assert error(10.0) < 1e-10
    assert error(20.0) < 1e-5
    model = nl.Sequence(cell)
    assert np.array_equal(model(x, dt=[1.0, 1.0, 1.0, 1e9]), model(x, dt=[1.0, 1.0, 1.0, 20.0]))


def test_the_encoders_and_kernels_of_an_lmu_start_as_those_of_its_authors():
    p = cells.LMU(inputs=300, hidden=200, order=100, theta=500.0, rng=0).parameters
    assert (p["write.M"] == 0).all()
    for name, fan in {"write.U": 300, "write.W": 200}.items():
        assert 0.95 * np.sqrt(3 / fan) < np.abs(p[name]).max() <= np.sqrt(3 / fan), name
    for name, fans in {"new.U": 500, "new.W": 400, "new.M": 300}.items():
        assert p[name].std() == pytest.approx(np.sqrt(2 / fans), rel=0.05), name
