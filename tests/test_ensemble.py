"""Ensembles: every member comes out as it would by itself, and what goes wrong with one is no matter for the others."""

import copy
import pickle

import attrs
import numpy as np
import pytest

import nanolstm as nl
from nanolstm.errors import DivergedError, InputError, UnknownNameError

MEMBERS = 3


class Leaky(nl.Cell):
    """A cell that is quick to run and to trace: a leaky sum."""

    rate: nl.Array = nl.param("hidden", nl.uniform(0, 1))
    U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot())

    def step(self, x, h):
        h = nl.sigmoid(self.rate) * h + x @ self.U.T
        return h, h


class Dropping(Leaky):
    """With a mask, and a parameter that is kept in its place."""

    keep: nl.Array = nl.noise(0.8)
    U: nl.Array = nl.param(("hidden", "inputs"), nl.glorot(), project=lambda U: np.clip(U, -0.5, 0.5))

    def step(self, x, h, keep):
        h = keep * (nl.sigmoid(self.rate) * h + x @ self.U.T)
        return h, h


class Growing(nl.Cell):
    """A sum that runs away where its rate is above 1."""

    rate: nl.Array = nl.param("hidden", 0.5)

    def step(self, x, h):
        h = self.rate * h + x[..., :1]
        return h, h


@attrs.define(kw_only=True, eq=False, slots=False)
class Normalised(nl.Optimizer):
    """Steps of one length: not element by element."""

    def update(self, values, gradient, rate):
        values -= 0.05 * gradient / np.linalg.norm(gradient)


@pytest.fixture
def sums():
    """Sequences (12, 10, 2), and the mean of what was seen of the first column so far (12, 10, 1)."""
    x = np.random.default_rng(0).standard_normal((12, 10, 2))
    return x, np.cumsum(x[..., :1], axis=1) / np.arange(1, 11)[:, None]


@pytest.fixture
def make():
    """An ensemble, the same each time."""

    def make(kind=Leaky, members=MEMBERS, dtype="float64", **options):
        return nl.Ensemble(kind(inputs=2, hidden=3, dtype=dtype), members, rng=1, **{"readout": 1, **options})

    return make


def alone(model, data, **options):
    """The training of one model, whether it ends well or not."""
    try:
        return nl.fit(model, data, **options)
    except DivergedError as error:
        return error.run


def fitted(ensemble, data, own=None, **options):
    """Train an ensemble, and compare it with the training of each member by itself, to the last bit."""
    options = {"epochs": 4, "batch_size": 5, "rng": 3, **options}
    models = copy.deepcopy(ensemble)
    run = ensemble.fit(data, **options)
    for i, model in enumerate(models):
        before = alone(model, data if own is None else own[i], **options)
        for name, value in before.model.parameters.items():
            np.testing.assert_array_equal(ensemble[i].parameters[name], value, f"{name} of member {i}")
        now = run.runs[i]
        assert now.model is ensemble[i]
        assert (now.best_epoch, now.best_score, now.stopped) == (before.best_epoch, before.best_score, before.stopped)
        assert now.timings["steps"] == before.timings["steps"]
        assert now.history.drop(columns="seconds", errors="ignore").equals(
            before.history.drop(columns="seconds", errors="ignore")
        )
    return run


OPTIONS = {
    "one batch": {"batch_size": 12},
    "several": {},
    "patience": {"validation": 0.25, "patience": 1, "optimizer": "adam(lr=0.3)", "epochs": 12},
    "a share of the time": {"batching": "windows(length=4, stride=2)", "validation": 0.4},
    "carried states": {"batching": "stateful(length=4)"},
    "truncated": {"truncate": 3, "loss": "rmse"},
    "clipped": {"clip": {"norm": 0.1, "value": 0.05}, "optimizer": "sgd(lr=0.1, momentum=0.9)"},
    "a schedule": {"schedule": "cosine(warmup=1)", "optimizer": "rmsprop", "metrics": ["mae", "r2"]},
    "a schedule that watches": {"schedule": "plateau(patience=1)", "optimizer": "adam(lr=0.5)", "epochs": 9},
    "not by element": {"optimizer": Normalised(lr=1.0)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_each_member_is_trained_as_by_itself(make, sums, options):
    fitted(make(), sums, **options)


@pytest.mark.parametrize("kind", [Dropping, Leaky])
@pytest.mark.parametrize("options", [{"bidirectional": True}, {"learn_initial": True}, {"dtype": "float32"}])
def test_so_it_is_whatever_the_members_are(make, sums, kind, options):
    fitted(make(kind, **options), sums, optimizer="sgd(lr=0.05)")


def test_so_it_is_with_lengths_and_one_target_for_each_sequence(make, sums):
    x, target = sums
    lengths = np.arange(12) % 9 + 2
    fitted(make(), {"x": x, "target": target, "lengths": lengths}, batching="bucketed")
    fitted(make(), {"x": x, "target": target[:, -1], "lengths": lengths}, steps="last")
    ragged = (
        [row[:n] for row, n in zip(x, lengths, strict=True)],
        [row[:n] for row, n in zip(target, lengths, strict=True)],
    )
    fitted(make(), ragged)


def test_each_may_have_data_of_its_own(make, sums):
    x, target = (np.stack([array * (i + 1) for i in range(MEMBERS)]) for array in sums)
    own = list(zip(x, target, strict=True))
    fitted(make(), (x, target), own, validation=0.25)
    fitted(make(), own, own, optimizer="sgd(lr=0.01)")
    fitted(make(), (x, target[:, :, -1]), list(zip(x, target[:, :, -1], strict=True)), steps="last")
    fitted(
        make(),
        (x[:, :1], target[:, :1]),
        list(zip(x[:, :1], target[:, :1], strict=True)),
        batching="stateful(length=4)",
    )


def test_a_member_whose_numbers_run_away_is_named_and_the_others_go_on(sums):
    models = [nl.Sequence(Growing(inputs=2, hidden=1)) for _ in range(MEMBERS)]
    models[1].parameters["rate"][...] = 1e200
    ensemble = nl.Ensemble(models)
    run = fitted(ensemble, sums, optimizer="sgd(lr=0.01)", epochs=5)
    assert run.diverged == (1,)
    assert "diverged: 1" in str(run)
    assert run.table["stopped"].tolist() == ["epochs", "diverged", "epochs"]
    assert run.table["epochs"].tolist() == [5, 0, 5]
    assert "epoch 1, batch 1" in run.runs[1].why
    assert run.best in (0, 2)


def test_all_may_run_away(make, sums):
    run = fitted(make(), sums, optimizer="sgd(lr=1e200)", epochs=6, validation=0.25)
    assert run.diverged == (0, 1, 2)
    assert fitted(make(Growing), sums, optimizer="sgd(lr=1e200)", epochs=6, batch_size=12).diverged == (0, 1, 2)


def test_what_members_say_is_stacked(make, sums):
    ensemble, (x, _) = make(), sums
    y = ensemble(x)
    assert y.shape == (MEMBERS, 12, 10, 1)
    for i, model in enumerate(ensemble):
        np.testing.assert_array_equal(y[i], model(x))
        np.testing.assert_array_equal(ensemble(x[0])[i], model(x[0]))
    np.testing.assert_allclose(ensemble.mean(x), sum(y) / MEMBERS, rtol=1e-14)
    np.testing.assert_allclose(ensemble.spread(x), np.sqrt(((y - sum(y) / MEMBERS) ** 2).sum(axis=0) / 2), rtol=1e-12)
    assert (ensemble[:1].spread(x) == 0).all()
    own = np.stack([x, 2 * x, 3 * x])
    np.testing.assert_array_equal(ensemble(own)[2], ensemble[2](3 * x))
    lengths = np.arange(12) % 9 + 2
    np.testing.assert_array_equal(ensemble(x, lengths=lengths)[1], ensemble[1](x, lengths=lengths))


def test_members_are_drawn_one_after_the_other(make):
    one, same, more = make(), make(), make(members=MEMBERS + 2)
    drawn = [model.parameters["U"] for model in more]
    assert all((a != b).all() for i, a in enumerate(drawn) for b in drawn[:i])
    for name in one[0].parameters:
        np.testing.assert_array_equal(one[2].parameters[name], same[2].parameters[name])
        np.testing.assert_array_equal(one[2].parameters[name], more[2].parameters[name])
    model = nl.Sequence(Leaky(inputs=2, hidden=3, rng=0), readout=2, learn_initial=True)
    assert nl.Ensemble(model, 2, rng=0)[1].parameters.keys() == model.parameters.keys()


def test_a_member_is_an_ordinary_model(make, sums, tmp_path):
    ensemble, (x, _) = make(), sums
    run = ensemble.fit(sums, epochs=2, rng=0)
    best = ensemble[run.best]
    assert best is run.best_model
    assert run.scores.argmin() == run.best
    nl.save(best, tmp_path / "best.safetensors")
    np.testing.assert_array_equal(nl.load(tmp_path / "best.safetensors", cells=[Leaky])(x), ensemble(x)[run.best])
    assert [len(ensemble), len(ensemble[1:]), ensemble[1:][0] is ensemble[1]] == [3, 2, True]
    best.parameters["rate"][...] = 7.0
    np.testing.assert_array_equal(ensemble(x)[run.best], best(x))


def test_copies_have_parameters_of_their_own(make, sums):
    ensemble, (x, _) = make(), sums
    for other in (copy.deepcopy(ensemble), pickle.loads(pickle.dumps(ensemble))):
        np.testing.assert_array_equal(other(x), ensemble(x))
        other.fit(sums, epochs=1, optimizer="sgd(lr=0.5)", rng=0)
        assert (other(x) != ensemble(x)).any()


def test_a_run_has_a_table_and_a_history(make, sums):
    run = make().fit(sums, epochs=3, validation=0.25, rng=0)
    assert run.history.index.names == ["member", "epoch"]
    assert len(run.history) == 3 * MEMBERS
    np.testing.assert_array_equal(run.history.loc[2, "validation_loss"].min(), run.scores[2])
    assert list(run.table.columns) == ["best_epoch", "best_score", "epochs", "stopped", "why"]
    assert run.timings["steps"] == 3
    assert "3 members" in str(run)


WRONG = {
    "no count": (lambda m: nl.Ensemble(Leaky(inputs=2, hidden=3)), "members=None"),
    "no members": (lambda m: nl.Ensemble(Leaky(inputs=2, hidden=3), 0), "members=0"),
    "no cell": (lambda m: nl.Ensemble(Leaky, 2), "the class Leaky"),
    "options of a model": (lambda m: nl.Ensemble(m[0], 2, readout=1), "leave readout out"),
    "one twice": (lambda m: nl.Ensemble([m[0], m[0]]), "stands twice"),
    "a count of a list": (lambda m: nl.Ensemble(list(m), 7), "the members themselves"),
    "other sizes": (lambda m: nl.Ensemble([m[0], nl.Sequence(Leaky(inputs=2, hidden=4))]), "differs from member 0"),
    "other x": (lambda m: m(np.zeros((2, 12, 10, 2))), "the 3 members"),
    "other features": (lambda m: m(np.zeros((12, 10, 5))), "5 features"),
    "other data": (lambda m: m.fit((np.zeros((2, 12, 10, 2)), np.zeros((2, 12, 10, 1)))), "x has shape"),
    "target of all": (lambda m: m.fit((np.zeros((3, 12, 10, 2)), np.zeros((12, 10, 1)))), "target has shape"),
    "a short list": (lambda m: m.fit([(np.zeros((10, 2)), np.zeros((10, 1)))]), "a list of 1 for 3"),
    "other lengths": (
        lambda m: m.fit([(np.zeros((n, 2)), np.zeros((n, 1))) for n in (10, 10, 9)]),
        "member 2 has x .1, 9, 2.",
    ),
    "nothing finite": (lambda m: m.fit([(np.full((10, 2), np.nan), np.zeros((10, 1)))] * 3), "NaN"),
    "its own steps": (lambda m: m.fit((np.zeros((10, 2)), np.zeros((10, 1))), optimizer="lbfgs"), "fit each member"),
    "the wrong function": (lambda m: nl.fit(m, (np.zeros((10, 2)), np.zeros((10, 1)))), "method fit"),
}


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(make, call, words):
    with pytest.raises(InputError, match=words):
        call(make())


def test_a_loss_that_nobody_registered_is_said(make, sums):
    with pytest.raises(UnknownNameError, match="mse"):
        make().fit(sums, loss="mze")
