"""Arrays as other libraries hand them over: maps of files, read-only, scattered, of another byte order or precision."""

import copy
import importlib.util
import io

import joblib
import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, feed, param
from nanolstm.errors import InputError

BACKENDS = ["numpy"] + ["numba"] * (importlib.util.find_spec("numba") is not None)

RNG = np.random.default_rng(0)
# Numbers that all precisions have.
X, TARGET, DT = (np.round(RNG.normal(size=(5, 4, 2)) * 8) / 8 for _ in range(3))
DT = np.abs(DT[..., 0])
LENGTHS = np.array([4, 2, 1, 4, 3])
RESETS = RNG.random((5, 4)) < 0.3
FIRST = np.round(RNG.normal(size=(5, 2)) * 8) / 8


class Leaky(Cell):
    leak: Array = param("hidden", 0.5)
    dt: Array = feed(default=1.0)

    def step(self, x, h, dt):
        h = np.tanh(h * self.leak + dt * x)
        return h, h


def model_of(backend, seed=0, **options):
    return nl.Sequence(Leaky(inputs=2, hidden=2, rng=seed), backend=backend, **options)


# Data


class Labelled(np.ndarray):
    """A subclass of arrays."""


def mapped(array, mode="r"):
    file = io.BytesIO()
    file.write(array.tobytes())
    path = mapped.folder / f"{len([*mapped.folder.iterdir()])}"
    path.write_bytes(file.getvalue())
    return np.memmap(path, dtype=array.dtype, mode=mode, shape=array.shape)


def read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


def scattered(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


def unaligned(array):
    return np.frombuffer(b"\0" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)


def turned_byte_order(array):
    return array.astype(array.dtype.newbyteorder(">"))


def of_precision(kind):
    return lambda array: array.astype(kind) if array.dtype.kind == "f" else array


FORMS = {
    "a map of a file": mapped,
    "a map that copies": lambda array: mapped(array, "c"),
    "a map of the other byte order": lambda array: mapped(turned_byte_order(array)),
    "read-only": read_only,
    "read-only, scattered": lambda array: read_only(array)[::-1][::-1],
    "in Fortran's order": np.asfortranarray,
    "scattered": scattered,
    "backward": lambda array: np.array(array[::-1])[::-1],
    "unaligned": unaligned,
    "of the other byte order": turned_byte_order,
    "a subclass": lambda array: array.view(Labelled),
    "float16": of_precision(np.float16),
    "float32": of_precision(np.float32),
    "longdouble": of_precision(np.longdouble),
}


def fitted(model, data, **options):
    nl.fit(model, data, epochs=2, loss="mse", rng=0, progress=False, **options)
    return dict(model.parameters)


def steps(model, form):
    stepper = model.stepper(batch=5, initial={"h": form(FIRST)})
    return [stepper(form(X)[:, t], dt=form(DT)[:, t]) for t in range(4)]


def ensemble(backend, form):
    one = nl.Ensemble([model_of(backend, seed) for seed in (0, 1)])
    y = one(form(X), dt=form(DT))
    one.fit((form(X), form(TARGET)), epochs=2, loss="mse", rng=0, progress=False, batch_size=2)
    return [y, *(dict(member.parameters) for member in one)]


ENTRIES = {
    "call": lambda model, f: model(
        f(X), dt=f(DT), lengths=f(LENGTHS), resets=f(RESETS), initial={"h": f(FIRST)}, return_state=True
    ),
    "one sequence": lambda model, f: model(f(X)[0], dt=f(DT)[0], initial={"h": f(FIRST)[0]}),
    "value_and_grad": lambda model, f: [model.value_and_grad(f(X), f(TARGET), dt=f(DT)) for _ in range(2)],
    "gradient of all": lambda model, f: model.value_and_grad(
        f(X), f(TARGET), dt=f(DT), lengths=f(LENGTHS), wrt=("parameters", "x", "initial", "dt")
    ),
    "checkpoints": lambda model, f: model.value_and_grad(f(X), f(TARGET), checkpoint_every=2, truncate=2),
    "last steps": lambda model, f: model.value_and_grad(f(X), f(TARGET)[:, -1], steps="last"),
    "record": lambda model, f: dict(model.record(f(X), dt=f(DT))),
    "jvp": lambda model, f: model.jvp(f(X), f(np.ones_like(X)), wrt="x"),
    "hvp": lambda model, f: model.hvp(f(X), f(TARGET), {"leak": f(np.ones(2))}),
    "fit": lambda model, f: fitted(
        model, {"x": f(X), "target": f(TARGET), "dt": f(DT), "lengths": f(LENGTHS), "resets": f(RESETS)}, batch_size=2
    ),
    "fit of parts": lambda model, f: fitted(model, (f(X), f(TARGET)), batching="stateful(length=3)", validation=0.3),
    "fit of one": lambda model, f: fitted(model, (f(X)[0], f(TARGET)[0]), optimizer="lbfgs"),
    "fit of a list": lambda model, f: fitted(model, ([f(X)[0], f(X)[1][:2]], [f(TARGET)[0], f(TARGET)[1][:2]])),
    "stepper": steps,
}


def flat(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [part for one in value for part in flat(one)] if isinstance(value, list | tuple) else [np.asarray(value)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("entry", [*ENTRIES, "ensemble"])
def test_an_array_of_any_form_is_the_numbers_in_it(entry, backend, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "folder", tmp_path, raising=False)

    def results(form):
        return flat(ensemble(backend, form) if entry == "ensemble" else ENTRIES[entry](model_of(backend), form))

    wanted = results(np.array)
    for name, form in FORMS.items():
        for found, value in zip(results(form), wanted, strict=True):
            assert found.dtype == value.dtype, name
            np.testing.assert_array_equal(found, value, name)
    assert all(np.ma.getmaskarray(value).sum() == 0 and np.isfinite(value).all() for value in wanted)


# Models

MODELS = {
    "one cell": {},
    "learned first states": {"learn_initial": True},
    "a readout": {"readout": 2},
    "both directions": {"bidirectional": True, "readout": 2},
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_model_that_joblib_maps_from_a_file_can_be_trained(mode, options, backend, tmp_path):
    path = tmp_path / "model"
    joblib.dump(model_of(backend, **options), path)
    before = path.read_bytes()
    model, same = joblib.load(path, mmap_mode=mode), joblib.load(path)
    for flags in (view.flags for view in model.parameters.values()):
        assert flags.writeable
    trained, wanted = fitted(model, (X, TARGET)), fitted(same, (X, TARGET))
    for name in wanted:
        np.testing.assert_array_equal(trained[name], wanted[name])
        assert type(trained[name]) is np.ndarray
    assert any((wanted[name] != view).any() for name, view in model_of(backend, **options).parameters.items())
    assert path.read_bytes() == before


def test_parameters_that_joblib_maps_from_a_file_can_be_written_to(tmp_path):
    joblib.dump(model_of("numpy").parameters, tmp_path / "parameters")
    parameters = joblib.load(tmp_path / "parameters", mmap_mode="r")
    parameters["leak"] = np.array([1.0, 2.0])
    assert parameters.flat.tolist() == [1.0, 2.0]


def a_view(model):
    model.parameters["leak"].flags.writeable = False


def a_buffer(model):
    model.cells[0].parameters.flat.flags.writeable = False


@pytest.mark.parametrize("freeze", [a_view, a_buffer])
def test_a_model_whose_arrays_are_read_only_runs_and_is_not_trained(freeze):
    model = model_of("numpy")
    freeze(model)
    np.testing.assert_array_equal(model(X), model_of("numpy")(X))
    for train in (lambda: nl.fit(model, (X, TARGET)), lambda: nl.Ensemble([model, model_of("numpy", 1)])):
        with pytest.raises(InputError, match=r"of the model is read-only; train a copy, copy\.deepcopy"):
            train()
    fitted(copy.deepcopy(model), (X, TARGET))
