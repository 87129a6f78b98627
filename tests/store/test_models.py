"""`nl.save` and `nl.load`: a model comes back to the last bit, or an error says which file and why."""

import ast
import builtins
import json
import pickle
import subprocess
import sys
import types
from pathlib import Path

import attrs
import numpy as np
import pytest

import nanolstm as nl
from nanolstm import Array, Cell, Gate, State, absent, feed, gate, noise, param, sigmoid, state
from nanolstm.cells import ToyLSTM
from nanolstm.errors import (
    CellMismatchError,
    DamagedFileError,
    DescriptionError,
    FileAccessError,
    ForeignFileError,
    InputError,
    MissingFileError,
    UnknownNameError,
)
from nanolstm.language.restore import restored
from nanolstm.store import archive, trial


class NormGate(Gate):
    gain: Array = param("size", 1.5)
    slope: float = 1.0

    def __call__(self, *values):
        return self.activation(nl.layer_norm(self.preactivation(*values)) * self.gain * self.slope)


class Leaky(Cell):
    leak: float = 0.5
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = (1 - self.leak) * h + self.leak * self.new(x, h)
        return h, h


class Settings(Leaky):
    order: int = 2
    sizes: tuple[int, ...] = (1, 2)
    limit: float = np.inf
    name: str = "a"
    on: bool = True
    table: dict[str, list[float]] = attrs.field(factory=dict)
    scale: np.float32 = np.float32(0.1)
    _hidden_one: float = 0.75

    A: Array = param(("order", "hidden"), nl.normal(), frozen=True)

    def step(self, x, h):
        h = self.leak * self.new(x, h) * self.scale + h
        return h @ self.A.T, h


class Everything(Cell):
    """Kinds of gates, a frozen gate, tied weights, a matrix state, a learned start, a feed, noise, starts at -inf."""

    decay: float = 0.5
    hold: Array = noise("decay")
    dt: Array = feed(default=1.0)
    S: State = state(("hidden", "hidden"))
    m: State = state(start=-np.inf)
    q: State = state(start="q0")
    q0: Array = param("hidden", nl.normal())
    norm: Gate = gate(sigmoid, kind=NormGate, slope=0.5)
    mix: Gate = gate(np.tanh, W=nl.tied("norm.W"), frozen=True)

    def step(self, x, h, S, m, q, dt, hold):
        a, b = self.norm(x, h), self.mix(x, h)
        S = S * self.decay + a[..., :, None] * b[..., None, :]
        h = hold * h + (1 - hold) * np.tanh(np.matvec(S, a) + q) * dt
        return h, h, S, np.maximum(m, a), q * 0.9


CELLS = [Leaky, Settings, Everything]


def stack(**more):
    below = ToyLSTM(inputs=2, hidden=3, outputs=3, rng=0)
    wide = 2 if more.get("bidirectional") else 1
    return nl.Sequence([below, Leaky(inputs=3 * wide, hidden=4, leak=0.1, rng=1)], **more)


MODELS = {
    "the toy": lambda: nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=0)),
    "no seed": lambda: nl.Sequence(ToyLSTM(inputs=2, hidden=3)),
    "a generator": lambda: nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=np.random.RandomState(1))),
    "settings": lambda: nl.Sequence(
        Settings(
            inputs=2, hidden=3, leak=0.25, order=4, sizes=(3,), limit=-np.inf, name="ä", on=False, table={"x": [1.0]}
        )
    ),
    "float32": lambda: nl.Sequence(Settings(inputs=2, hidden=3, dtype="float32"), readout=2),
    "everything": lambda: nl.Sequence(Everything(inputs=2, hidden=3, decay=0.25), readout=1),
    "both directions": lambda: nl.Sequence(Everything(inputs=2, hidden=3), bidirectional=True),
    "a readout": lambda: nl.Sequence(Leaky(inputs=2, hidden=3, rng=0), readout=5, rng=7),
    "learned starts": lambda: nl.Sequence(Everything(inputs=2, hidden=3), learn_initial=True),
    "a stack": lambda: stack(backend="numpy"),
    "all of it": lambda: stack(bidirectional=True, readout=2, learn_initial=True, rng=3),
    "directions that differ": lambda: nl.Sequence(
        Leaky(inputs=2, hidden=3, leak=0.3), backward=[ToyLSTM(inputs=2, hidden=3, outputs=3)]
    ),
}


def settings_of(cell):
    """Every field that a cell is made with but what draws its numbers, with the type of each value."""
    names = [field.name for field in attrs.fields(type(cell)) if field.init and field.name != "rng"]
    return type(cell), {name: (type(getattr(cell, name)), getattr(cell, name)) for name in names}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_to_the_last_bit(path, name):
    model = MODELS[name]()
    rng = np.random.default_rng(5)
    for view in [*model.parameters.values(), *model.frozen.values()]:
        view[...] = rng.normal(size=view.shape)  # as if trained: no number is one that making a cell would draw
    nl.save(model, path)
    loaded = nl.load(path, cells=CELLS)
    for ones, others in ((model.parameters, loaded.parameters), (model.frozen, loaded.frozen)):
        assert list(ones) == list(others)
        for key, value in ones.items():
            assert (others[key].dtype, others[key].tobytes()) == (value.dtype, value.tobytes())
    for part, other in zip(model.parts(), loaded.parts(), strict=True):
        assert settings_of(part.cell) == settings_of(other.cell)
        assert (part.prefix, part.backward, part.joined) == (other.prefix, other.backward, other.joined)
    assert (model.backend, model.readout, model.learn_initial) == (loaded.backend, loaded.readout, loaded.learn_initial)
    x, target = rng.normal(size=(4, 6, 2)), rng.normal(size=(4, 6, model.outputs))
    y, last = model(x, return_state=True, rng=2)
    again, last_again = loaded(x, return_state=True, rng=2)
    assert y.tobytes() == again.tobytes()
    assert all(last[key].tobytes() == last_again[key].tobytes() for key in last)
    value, grads = model.value_and_grad(x, target, loss="mse")
    value_again, grads_again = loaded.value_and_grad(x, target, loss="mse")
    assert value == value_again
    assert all(grads[key].tobytes() == grads_again[key].tobytes() for key in grads)


def test_a_file_of_the_first_format_is_loaded_for_ever():
    """It was written by version 0.1.0, and is never written again: what is checked is that it is still understood."""
    model = nl.load(Path(__file__).with_name("format-1.safetensors"))
    below, above = (
        "ToyLSTM(inputs=2, hidden=3, outputs=3, dtype='float64')",
        "ToyLSTM(inputs=6, hidden=2, outputs=1, dtype='float64')",
    )
    assert repr(model.cells) == repr(model.backward) == f"({below}, {above})"
    assert (model.readout, model.learn_initial, model.backend) == (2, True, "auto")
    for i, (name, view) in enumerate(model.parameters.items()):
        np.testing.assert_array_equal(view.ravel(), (np.arange(view.size) - 4 * i) / 64, err_msg=name)
    assert [cell.rng for cell in model.cells] == [5, 6]


def test_what_is_loaded_is_trained_like_any_other_model(path):
    nl.save(MODELS["all of it"](), path)
    loaded = nl.load(path, cells=Leaky)
    x = np.random.default_rng(0).normal(size=(6, 2))
    before = loaded(x)
    for view in loaded.parameters.values():
        view += 0.1
    assert abs(loaded(x) - before).max() > 1e-3
    loaded.cells[1].leak = 0.9
    assert loaded.cells[1].leak == 0.9


def test_a_seed_is_kept_and_draws_the_same_again(path):
    nl.save(nl.Sequence(ToyLSTM(inputs=2, hidden=3, rng=4), rng=9), path)
    loaded = nl.load(path)
    assert (loaded.cells[0].rng, loaded.rng) == (4, 9)


def test_what_initialise_does_is_not_done_again(path):
    class Scaled(Leaky):
        def initialise(self, rng):
            raise AssertionError

    nl.save(nl.Sequence(Leaky(inputs=2, hidden=3)), path)
    loaded = nl.load(path, cells={"Leaky": Scaled})
    assert type(loaded.cells[0]) is Scaled


def test_safetensors_reads_the_parameters_by_name_and_json_says_what_they_are_of(path):
    from safetensors import safe_open

    model = MODELS["all of it"]()
    nl.save(model, path)
    with safe_open(path, framework="np") as file:
        assert set(file.keys()) == {*model.parameters, *model.frozen}
        np.testing.assert_array_equal(file.get_tensor("0.forward.input.U"), model.parameters["0.forward.input.U"])
        told = json.loads(file.metadata()["nanolstm"])
    cell = told["description"]["cells"][1]
    assert (told["format"], told["kind"], told["version"]) == (1, "model", nl.__version__)
    assert (cell["class"], cell["inputs"], cell["hidden"], cell["dtype"]) == ("Leaky", 6, 4, "float64")
    assert cell["settings"] == {"leak": 0.1}


class WithFunction(Cell):
    act: object = np.tanh
    new: Gate = gate(np.tanh)

    def step(self, x, h):
        h = self.act(self.new(x, h))
        return h, h


class WithArray(Leaky):
    mask: Array = attrs.field(factory=lambda: np.ones(3))


@pytest.mark.parametrize(("cls", "field"), [(WithFunction, "act"), (WithArray, "mask")])
def test_a_field_that_is_not_plain_is_refused_with_what_to_write_instead(path, cls, field):
    with pytest.raises(
        DescriptionError, match=rf"model.safetensors cannot be written: {cls.__name__}\.{field} is .*frozen"
    ):
        nl.save(nl.Sequence(cls(inputs=2, hidden=3)), path)
    assert not path.exists()


@pytest.mark.parametrize("model", [ToyLSTM(inputs=2, hidden=3), ToyLSTM, {"a": 1}, None], ids=repr)
def test_what_is_no_model_is_not_saved(path, model):
    with pytest.raises(InputError, match=r"expected an nl.Sequence"):
        nl.save(model, path)


@pytest.fixture
def saved(path):
    nl.save(nl.Sequence(Leaky(inputs=2, hidden=3, leak=0.25, rng=0)), path)
    return path


def test_a_class_that_is_not_known_is_named_with_what_to_write(saved):
    with pytest.raises(UnknownNameError, match=r"model.safetensors: the cell 'Leaky' .*cells=\[Leaky\]") as caught:
        nl.load(saved, cells=[Settings])
    assert "Settings" in str(caught.value)


@pytest.mark.parametrize("cells", [[Leaky(inputs=1, hidden=1)], ["Leaky"], {"Leaky": "my:Leaky"}, [Gate], 3])
def test_what_is_handed_in_must_be_classes_of_cells(saved, cells):
    with pytest.raises(InputError, match="no class of a cell"):
        nl.load(saved, cells=cells)


def test_two_classes_of_one_name_are_not_chosen_from(saved):
    other = type("Leaky", (Leaky,), {"__module__": "other"})
    with pytest.raises(InputError, match="two classes are called 'Leaky'"):
        nl.load(saved, cells=[Leaky, other])


def registering(**cells):
    def nanolstm_register_cells(register):
        for name, cell in cells.items():
            register(name, cell)

    return types.SimpleNamespace(nanolstm_register_cells=nl.hookimpl(nanolstm_register_cells))


@pytest.fixture
def house(monkeypatch):
    monkeypatch.setattr(nl.plugins, "shared", nl.plugins.PluginHouse())
    return nl.plugins.shared


@pytest.mark.parametrize("name", ["Leaky", "AnotherName"])
def test_a_registered_class_is_found_under_whatever_name(saved, house, name):
    house.register(registering(**{name: Leaky}), "mine")
    assert type(nl.load(saved).cells[0]) is Leaky


def test_a_class_that_is_registered_twice_over_is_one_class(saved, house):
    house.register(registering(First=Leaky, Second=Leaky), "mine")
    assert type(nl.load(saved).cells[0]) is Leaky


def test_the_class_of_the_same_module_is_preferred_and_others_are_not_guessed(saved, house):
    class Other(Leaky):
        pass

    Other.__name__, Other.__module__ = "Leaky", "elsewhere"
    house.register(registering(Leaky=Other, Mine=Leaky), "both")
    assert type(nl.load(saved).cells[0]) is Leaky
    house.unregister("both")
    one, two = (type("Leaky", (Leaky,), {"__module__": module}) for module in ("one", "two"))
    house.register(registering(First=one, Second=two), "others")
    with pytest.raises(UnknownNameError, match="several registered cells could be it: First, Second"):
        nl.load(saved)


class WiderLeaky(Leaky):
    new: Gate = gate(np.tanh, size=7)


class BiasedLeaky(Leaky):
    new: Gate = gate(np.tanh, bias=False)
    more: Gate = gate(np.tanh)


class Unleaky(Leaky):
    leak = absent

    def step(self, x, h):
        h = self.new(x, h)
        return h, h


class Demanding(Leaky):
    order: int = attrs.field()


@pytest.mark.parametrize(
    ("cls", "reason"),
    [
        (WiderLeaky, r"'new.U' has shape \(3, 2\), not \(7, 2\)"),
        (BiasedLeaky, r"'more.U' is missing; .*'new.b' is not one of its own"),
        (Unleaky, "Unleaky.*leak=0.25.*there is no such field"),
        (Demanding, "no value for its field 'order'"),
    ],
)
def test_a_class_with_other_fields_or_parameters_is_refused(saved, cls, reason):
    with pytest.raises(CellMismatchError, match=rf"model.safetensors holds a 'Leaky' that .*{cls.__name__}.*{reason}"):
        nl.load(saved, cells={"Leaky": cls})


def test_a_field_that_the_class_has_gained_takes_its_default(saved):
    class Gained(Leaky):
        more: float = 2.0
        twice: float = attrs.field(default=attrs.Factory(lambda cell: 2 * cell.leak, takes_self=True))

    cell = nl.load(saved, cells={"Leaky": Gained}).cells[0]
    assert (cell.leak, cell.more, cell.twice) == (0.25, 2.0, 0.5)


class OtherStep(Leaky):
    def step(self, x, h):
        h = self.leak * h + (1 - self.leak) * self.new(x, h)
        return h, h


class OtherActivation(Leaky):
    new: Gate = gate(sigmoid)


class OtherKind(Leaky):
    class Halved(Gate):
        def __call__(self, *values):
            return self.activation(self.preactivation(*values)) / 2

    new: Gate = gate(np.tanh, kind=Halved)


class Raising(Leaky):
    def step(self, x, h):
        if np.any(x > 0.5):
            raise ArithmeticError
        return h + self.new(x, h), h


@pytest.mark.parametrize("cls", [OtherStep, OtherActivation, OtherKind])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_class_that_computes_something_else_is_refused_unless_asked_for(path, cls, dtype):
    model = nl.Sequence(Leaky(inputs=2, hidden=300, leak=0.25, rng=0, dtype=dtype))
    for view in model.parameters.values():
        view *= 0.01  # small numbers, as after training
    nl.save(model, path)
    with pytest.raises(CellMismatchError, match=f"{cls.__name__} .*computes something else than 'Leaky' did"):
        nl.load(path, cells={"Leaky": cls})
    loaded = nl.load(path, cells={"Leaky": cls}, verify=False)
    np.testing.assert_array_equal(loaded.parameters["new.U"], model.parameters["new.U"])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_differences_of_rounding_are_not_taken_for_another_class(dtype):
    """Another processor sums in another order: as if each weight were another one in its last places."""
    rng, kind = np.random.default_rng(0), {"float64": 1e-14, "float32": 1e-6}
    for cls in (Leaky, Everything, ToyLSTM):
        cell = cls(inputs=5, hidden=64, rng=1, dtype=dtype)
        before = trial.tried(cell)
        for view in cell.parameters.values():
            view *= (1 + kind[dtype] * rng.normal(size=view.shape)).astype(dtype)
        assert before is not None
        assert trial.same(before, trial.tried(cell), dtype)


def test_a_step_that_takes_no_trial_is_saved_and_loaded_all_the_same(path):
    nl.save(nl.Sequence(Raising(inputs=2, hidden=3)), path)
    assert type(nl.load(path, cells=[Raising]).cells[0]) is Raising


def test_a_file_that_holds_no_model_is_foreign(path):
    archive.write(path, {}, {"step": 1}, kind="checkpoint")
    with pytest.raises(ForeignFileError, match=r"model.safetensors holds a 'checkpoint'; expected a 'model'"):
        nl.load(path)


def test_a_path_where_nothing_is_or_nothing_can_be_is_an_error_of_files(tmp_path):
    with pytest.raises(MissingFileError, match=r"nothing.safetensors: there is no such file"):
        nl.load(tmp_path / "nothing.safetensors")
    with pytest.raises(FileAccessError, match="there is no folder"):
        nl.save(MODELS["the toy"](), tmp_path / "no" / "model.safetensors")


def test_a_path_may_be_text(path):
    nl.save(MODELS["the toy"](), str(path))
    assert nl.load(str(path)).outputs == 1


CHANGES = {
    "a size that is too large": (("cells", 0, "hidden"), 10**12),
    "a size beyond all numbers": (("cells", 0, "hidden"), 10**400),
    "a negative size": (("cells", 0, "hidden"), -3),
    "no cells": (("cells",), []),
    "a cell that is none": (("cells",), [3]),
    "two cells for one": (("cells", 1), {}),
    "a class that is a path": (("cells", 0, "class"), "../../os.py:system"),
    "a class that is a module's": (("cells", 0, "class"), "os:system"),
    "a class with parameters": (("cells", 0, "class"), "ToyLSTM(outputs=3)"),
    "a class that is no name": (("cells", 0, "class"), ""),
    "a class that is none": (("cells", 0, "class"), None),
    "a dtype that is none": (("cells", 0, "dtype"), "object"),
    "another dtype": (("cells", 0, "dtype"), "float32"),
    "a field that is not one": (("cells", 0, "settings"), {"self": 1, "cls": 2}),
    "a field of the machinery": (("cells", 0, "settings"), {"parameters": 1}),
    "a value of another type": (("cells", 0, "settings"), {"leak": "much"}),
    "parameters that are not there": (("cells", 0, "parameters"), ["../x", "new.U"]),
    "fewer parameters": (("cells", 0, "parameters"), ["new.U"]),
    "parameters that are none": (("cells", 0, "parameters"), [[], {}]),
    "a readout that is not there": (("readout",), 10**12),
    "first states that are not there": (("learn_initial",), True),
    "another direction": (("backward",), []),
    "a backend that there is not": (("backend",), "cuda"),
    "a seed that is none": (("rng",), -1),
    "a trial that is none": (("cells", 0, "trial"), [["a", {}]]),
    "no rng": (("rng",), ...),
    "no cells at all": (("cells",), ...),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_made_up_description_is_refused(saved, name):
    (*way, last), value = CHANGES[name]
    held = archive.read(saved, kind="model")
    inside = held.description
    for key in way:
        inside = inside[key]
    if value is ...:
        del inside[last]
    elif isinstance(inside, list):
        inside.append(value)
    else:
        inside[last] = value
    archive.write(saved, held.arrays, held.description, kind="model")
    with pytest.raises((DamagedFileError, CellMismatchError, UnknownNameError), match=r"model.safetensors"):
        nl.load(saved, cells=[Leaky])


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("new.U", np.zeros((3, 3))),
        ("new.U", np.zeros((3, 2), np.float32)),
        ("new.U", np.zeros((3, 2), int)),
        ("../new.U", np.zeros((3, 2))),
        ("extra", np.zeros(0)),
    ],
)
def test_arrays_that_are_not_the_models_are_refused(saved, name, array):
    held = archive.read(saved, kind="model")
    archive.write(saved, {**held.arrays, name: array}, held.description, kind="model")
    with pytest.raises((DamagedFileError, CellMismatchError), match=r"model.safetensors"):
        nl.load(saved, cells=[Leaky])


def test_no_bit_of_a_model_can_change_unnoticed(saved):
    whole, rng = saved.read_bytes(), np.random.default_rng(0)
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(rng.integers(8))
        saved.write_bytes(changed)
        with pytest.raises(DamagedFileError, match=r"model.safetensors"):
            nl.load(saved, cells=[Leaky])


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_model_with_a_right_checksum_is_loaded_or_refused_and_never_crashes(saved, sealed, seed):
    whole, rng = saved.read_bytes(), np.random.default_rng(seed)
    refused = 0
    for _ in range(150):
        changed = bytearray(whole)
        for at in rng.integers(8, len(whole), rng.integers(1, 3)):
            changed[at] = rng.choice([*b'{}[]",:0129-eN\\ ', 0, changed[at] ^ 1])
        saved.write_bytes(sealed(bytes(changed)))
        try:
            nl.load(saved, cells=[Leaky])
        except nl.NanolstmError as error:
            assert "model.safetensors" in str(error)  # noqa: PT017
            refused += 1
    assert 30 < refused < 150


def test_nothing_is_unpickled_and_nothing_that_a_file_names_is_imported(saved, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("something was unpickled")

    imported = []
    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", lambda name, *more: (imported.append(name), real(name, *more))[1])
    monkeypatch.setattr("importlib.import_module", lambda name, *_: imported.append(name))
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    held = archive.read(saved, kind="model")
    held.description["cells"][0] |= {"module": "this_would_be_imported", "class": "Leaky"}
    archive.write(saved, held.arrays, held.description, kind="model")
    nl.load(saved, cells=[Leaky])
    with pytest.raises(UnknownNameError):
        nl.load(saved)
    assert "this_would_be_imported" not in imported


def test_the_code_that_reads_and_writes_files_knows_no_pickle_and_no_eval():
    for file in Path(archive.__file__).parent.glob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        imports = [
            ast.unparse(n) for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert not {"eval", "exec", "compile", "__import__", "pickle"} & names
        assert not any(word in line for line in imports for word in ("pickle", "marshal", "shelve", "importlib"))


def test_a_cell_of_a_script_is_loaded_by_another_process(path):
    script = (
        "import sys, numpy as np, nanolstm as nl\n"
        "from nanolstm import Cell, Gate, gate\n"
        "class Mine(Cell):\n"
        "    leak: float = 0.5\n"
        "    new: Gate = gate(np.tanh)\n"
        "    def step(self, x, h):\n"
        "        h = (1 - self.leak) * h + self.leak * self.new(x, h)\n"
        "        return h, h\n"
        "x = np.linspace(0, 1, 12).reshape(6, 2)\n"
    )
    writes = (
        "model = nl.Sequence(Mine(inputs=2, hidden=3, leak=0.1))\n"
        "nl.save(model, sys.argv[1])\n"
        "print(model(x).tobytes().hex())"
    )
    reads = "print(nl.load(sys.argv[1], cells=[Mine])(x).tobytes().hex())"
    said = [
        subprocess.run([sys.executable, "-c", script + end, path], capture_output=True, text=True, check=True).stdout
        for end in (writes, reads)
    ]
    assert said[0] == said[1] != ""


def test_a_restored_cell_is_compared_before_anything_of_a_wrong_size_is_made():
    values = {"new.U": np.zeros((3, 2)), "new.W": np.zeros((3, 3)), "new.b": np.zeros(3)}
    assert restored(Leaky, {"inputs": 2, "hidden": 3, "rng": 0}, values).parameters["new.U"].shape == (3, 2)
    with pytest.raises(nl.errors.CellError, match=r"'new.W' has shape \(3, 3\), not \(1000000000000, 1000000000000\)"):
        restored(Leaky, {"inputs": 2, "hidden": 10**12, "rng": 0}, values)
