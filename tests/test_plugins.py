"""Plugins: found, registered, switched off, broken, wrapped; each test with a fresh house of them."""

import json
import os
import subprocess
import sys
import threading
import types
import warnings
from importlib import metadata
from typing import get_args

import attrs
import numpy as np
import pandas as pd
import pytest

import nanolstm as nl
from nanolstm import hookimpl, plugins
from nanolstm.errors import InputError, PluginError, PluginWarning, UnknownNameError
from nanolstm.plugins import PluginHouse

OURS = {"files", "losses", "sample", "scalers", "tasks", "training", "yfinance", "zoo"}


def plugin(**hooks):
    """An object whose hooks are the given functions."""
    return types.SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def registers(kind, *names, value=lambda *_: 0.0, **more):
    def fill(register):
        for name in names:
            register(name, value, **more)

    return plugin(**{f"nanolstm_register_{kind}": fill})


@attrs.define
class Point:
    """An entry point of a distribution that is not there."""

    name: str
    load: object
    value: str = "nowhere"
    dist: object = attrs.field(factory=lambda: types.SimpleNamespace(name="stranger", version="1.2"))


@pytest.fixture
def house():
    return PluginHouse(discover=False)


@pytest.fixture
def shared(monkeypatch):
    """A house with what is installed in it, in the place of the process's own."""
    monkeypatch.setattr(plugins, "shared", PluginHouse())
    return plugins.shared


@pytest.fixture
def installed(monkeypatch):
    """Makes entry points be found as if they were installed, beside ours."""
    ours = list(metadata.entry_points(group="nanolstm"))

    def install(**loads):
        points = [Point(name, load) for name, load in loads.items()]
        monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: [*points, *ours])

    return install


def module(value):
    return lambda: value


def raises(error):
    def load():
        raise error

    return load


# What is installed


def test_what_is_shipped_is_found_by_entry_points_and_by_nothing_else(shared):
    found = {p.name: p for p in plugins.listing()}
    assert set(found) >= OURS
    assert {p.name for p in metadata.entry_points(group="nanolstm") if p.dist.name == "nanolstm"} == OURS
    assert {(found[name].distribution, found[name].version, found[name].status) for name in OURS} == {
        ("nanolstm", metadata.version("nanolstm"), "on")
    }
    assert found["sample"].registered == {"sources": ["sample"]}
    assert found["sample"].hooks == ["nanolstm_register_sources"]
    assert {kind for name in OURS for kind in found[name].registered} == set(get_args(plugins.Kind))


def test_nothing_is_loaded_before_it_is_asked_for(installed):
    loaded = []
    installed(stranger=lambda: loaded.append(1) or registers("sources", "s"))
    house = PluginHouse()
    assert not loaded
    assert not house.plugins
    assert "s" in house.registry("sources")
    house.registry("losses")
    assert loaded == [1]


def test_the_hooks_of_a_plugin_are_listed_and_how_long_its_import_took(house):
    many = plugin(nanolstm_register_sources=lambda register: None, nanolstm_load_data=lambda request: None)
    found = house.register(many, "many")
    assert found.hooks == ["nanolstm_load_data", "nanolstm_register_sources"]
    assert 0 <= found.seconds < 60


def test_every_hook_is_documented():
    hooks = [name for name in dir(nl.plugins.hookspecs) if name.startswith("nanolstm_")]
    kinds = {f"nanolstm_register_{kind}" for kind in (*get_args(plugins.Kind), "commands")}
    moments = {"nanolstm_fit_start", "nanolstm_epoch_end", "nanolstm_fit_end"}
    assert set(hooks) == {"nanolstm_load_data"} | kinds | moments
    assert all(getattr(nl.plugins.hookspecs, name).__doc__ for name in hooks)


# Registering


def test_a_module_or_any_object_with_hooks_is_registered_and_taken_out_again(house):
    written = types.ModuleType("written")
    exec(
        "from nanolstm import hookimpl\n@hookimpl\ndef nanolstm_register_losses(register):\n    register('a', max)",
        vars(written),
    )
    assert house.register(written).name == "written"

    class Other:
        @hookimpl
        def nanolstm_register_losses(self, register):
            register("b", min)

    assert house.register(Other()).name == "Other"
    assert list(house.registry("losses")) == ["a", "b"]
    assert house.registry("losses")["a"].value.function is max
    house.unregister("written")
    assert list(house.registry("losses")) == ["b"]
    assert "written" not in house.plugins


def test_a_plugin_that_comes_late_fills_what_others_have_filled(house):
    house.register(registers("sources", "early"), "one")
    assert list(house.registry("sources")) == ["early"]
    house.register(registers("sources", "late"), "two")
    assert list(house.registry("sources")) == ["early", "late"]


def test_a_plugin_that_is_registered_again_by_hand_takes_its_own_place(house):
    house.register(registers("sources", "first"), "mine")
    house.register(registers("sources", "second"), "mine")
    assert list(house.registry("sources")) == ["second"]


def test_a_plugin_by_hand_does_not_take_the_place_of_an_installed_one(shared):
    with pytest.raises(PluginError, match=r"its name is taken by plugin 'sample' \(nanolstm "):
        shared.register(registers("sources", "mine"), "sample")
    assert shared.registry("sources")["sample"].plugin.distribution == "nanolstm"


def test_taking_out_what_is_not_there_suggests_the_nearest(house):
    house.register(registers("sources", "a"), "warehouse")
    with pytest.raises(UnknownNameError, match="no plugin 'warehose'; did you mean 'warehouse'"):
        house.unregister("warehose")


def test_a_hook_needs_only_the_arguments_that_it_uses(house):
    called = []
    house.register(plugin(nanolstm_register_sources=lambda: called.append(1)), "quiet")
    house.registry("sources")
    assert called == [1]


def test_an_example_plugin_works_as_its_documentation_says(shared):
    class Warehouse:
        @nl.hookimpl
        def nanolstm_register_sources(self, register):
            register(
                "warehouse",
                lambda request: pd.DataFrame({"price": [1.0, 2.0, 3.0]}, index=pd.date_range("2024-01-01", periods=3)),
            )

    nl.plugins.register(Warehouse())
    assert nl.load_data("warehouse")["price"].tolist() == [1.0, 2.0, 3.0]
    nl.plugins.unregister("Warehouse")
    with pytest.raises(UnknownNameError, match="no source 'warehouse'"):
        nl.load_data("warehouse")


# Names


@pytest.mark.parametrize("name", ["", "two words", "a(b=1)", "a()", "module:Class", 3, None])
def test_a_name_that_could_not_be_asked_for_breaks_its_plugin(house, name):
    house.registry("sources")
    with pytest.raises(PluginError, match="plugin 'mine' is broken: in nanolstm_register_sources: "):
        house.register(registers("sources", name), "mine")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("sources", 5, "'x' is registered among the sources as 5, which cannot be called"),
        ("losses", "rmse", "'x' is registered among the losses as LossEntry"),
        ("cells", None, "'x' is registered among the cells as None, which cannot be called"),
    ],
)
def test_what_cannot_be_called_breaks_its_plugin(house, kind, value, text):
    house.registry(kind)
    with pytest.raises(PluginError, match=text):
        house.register(registers(kind, "x", value=value), "mine")


def test_a_wrong_name_suggests_the_nearest_and_names_what_is_off_or_broken(house):
    house = PluginHouse(discover=False, disabled=["sleeping"])
    house.register(registers("losses", "rmse", "mae"), "one")
    house.register(registers("losses", "rmsle"), "sleeping")
    with pytest.raises(UnknownNameError) as caught:
        house.registry("losses")["rmes"]
    text = "no loss 'rmes'; did you mean 'rmse'? registered: mae, rmse (plugin 'sleeping' is off)"
    assert str(caught.value) == text


@pytest.mark.parametrize(("kind", "one"), [("losses", "loss"), ("sources", "source"), ("cells", "cell")])
def test_a_wrong_name_is_named_in_the_singular(house, kind, one):
    with pytest.raises(UnknownNameError, match=f"^no {one} 'x'; registered: none$"):
        house.registry(kind)["x"]


def test_two_plugins_with_one_name_are_both_named_when_it_is_used_and_not_before(house):
    house.register(registers("sources", "prices", "mine"), "one")
    house.register(registers("sources", "prices", "yours"), "two")
    registry = house.registry("sources")
    assert list(registry) == ["mine", "prices", "yours"]
    assert registry["mine"].plugin.name == "one"
    with pytest.raises(PluginError) as caught:
        registry["prices"]
    assert str(caught.value) == (
        "'prices' is registered twice among the sources, by plugin 'one' and by plugin 'two'; switch one off: "
        "-p no:two, or NANOLSTM_DISABLE_PLUGINS=two"
    )
    house.unregister("two")
    assert registry["prices"].plugin.name == "one"


def test_one_plugin_that_registers_a_name_twice_is_told_so(house):
    house.register(registers("sources", "prices", "prices"), "one")
    with pytest.raises(PluginError, match="'prices' is registered twice among the sources"):
        house.registry("sources")["prices"]


def test_one_name_may_be_a_source_a_loss_and_a_cell(house):
    for kind in ("sources", "losses", "cells"):
        house.register(registers(kind, "same"), kind)
        assert house.registry(kind)["same"].plugin.name == kind


@pytest.mark.parametrize("text", [None, 3, b"rmse", ["rmse"]])
def test_what_is_no_text_is_no_name(text):
    with pytest.raises(InputError, match="is no name of one of the losses"):
        plugins.lookup("losses", text)


# Broken


def broken():
    """Each way to be broken: how the plugin is loaded, and what is said of it."""

    class Misspelt:
        @hookimpl
        def nanolstm_registers_losses(self, register):
            pass

    class Argument:
        @hookimpl
        def nanolstm_register_losses(self, registry):
            pass

    class Wraps:
        @hookimpl(wrapper=True)
        def nanolstm_register_losses(self, register):
            return (yield)

    def half(register):
        register("half", max)
        raise KeyError("x")

    def leaves(register):
        sys.exit("no licence")

    return {
        "import": (raises(ImportError("no module\n  named so")), "ImportError: no module named so"),
        "exit": (raises(SystemExit(3)), "SystemExit: 3"),
        "own": (raises(UnknownNameError("nothing there")), "nothing there"),
        "misspelt": (
            module(Misspelt()),
            "there is no hook 'nanolstm_registers_losses': did you mean 'nanolstm_register_losses'?",
        ),
        "argument": (module(Argument()), "registry"),
        "none": (module(types.SimpleNamespace()), "it implements no hook; its functions need @hookimpl"),
        "wraps": (module(Wraps()), "nanolstm_register_losses cannot be wrapped"),
        "half": (module(plugin(nanolstm_register_losses=half)), "in nanolstm_register_losses: KeyError: 'x'"),
        "leaves": (
            module(plugin(nanolstm_register_losses=leaves)),
            "in nanolstm_register_losses: SystemExit: no licence",
        ),
    }


@pytest.mark.parametrize("fault", broken())
def test_a_broken_plugin_is_left_out_with_one_warning_and_the_rest_goes_on(installed, fault):
    load, reason = broken()[fault]
    installed(broken=load, zuletzt=module(registers("losses", "last")))
    house = PluginHouse()
    with pytest.warns(PluginWarning) as caught:
        losses, sources = [house.registry(kind) for kind in ("losses", "sources")]
    (warning,) = caught
    assert str(warning.message).startswith("plugin 'broken' (stranger 1.2) is left out: ")
    assert reason in str(warning.message)
    assert "\n" not in str(warning.message)
    assert {"rmse", "last"} <= {*losses}
    assert "sample" in sources
    assert "half" not in losses
    found = house.plugins["broken"]
    assert found.status == "broken"
    assert reason in found.reason
    assert found.registered == {}


@pytest.mark.parametrize("fault", broken())
def test_a_broken_plugin_is_fatal_where_strictness_is_asked_for_every_time(installed, fault):
    load, reason = broken()[fault]
    installed(broken=load)
    house = PluginHouse(strict=True)
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            house.registry("losses")
        assert str(caught.value).startswith("plugin 'broken' (stranger 1.2) is broken: ")
        assert reason in str(caught.value)


@pytest.mark.parametrize("fault", ["misspelt", "argument", "none", "wraps", "half", "leaves"])
def test_a_plugin_that_is_given_by_hand_is_never_left_out_with_a_mere_warning(house, fault):
    load, reason = broken()[fault]
    house.registry("losses")
    with pytest.raises(PluginError) as caught:
        house.register(load(), "broken")
    assert reason in str(caught.value)
    assert "half" not in house.registry("losses")
    house.register(registers("losses", "whole"), "broken")
    assert "whole" in house.registry("losses")


def test_what_breaks_later_takes_back_what_it_registered_before(installed):
    def register_losses(register):
        raise ValueError("later")

    installed(
        twofold=module(
            plugin(
                nanolstm_register_sources=lambda register: register("early", max),
                nanolstm_register_losses=register_losses,
            )
        )
    )
    house = PluginHouse()
    assert "early" in house.registry("sources")
    with pytest.warns(PluginWarning, match="'twofold'"):
        house.registry("losses")
    assert "early" not in house.registry("sources")


def test_a_stop_from_the_keyboard_stops_and_breaks_nobody(installed):
    installed(slow=raises(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        PluginHouse().registry("losses")


def test_two_installed_plugins_of_one_name_are_both_named(installed):
    installed(sample=module(registers("sources", "theirs")))
    house = PluginHouse()
    with pytest.warns(PluginWarning) as caught:
        sources = house.registry("sources")
    assert "'sample' (nanolstm " in str(caught[0].message)
    assert "'sample' (stranger 1.2)" in str(caught[0].message)
    assert ("theirs" in sources) != ("sample" in sources)
    assert sorted(p.status for p in house.plugins.values() if p.name == "sample") == ["broken", "on"]


# Off


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_plugin_can_be_switched_off_ours_too(name):
    house = PluginHouse(disabled=[name])
    for kind in ("sources", "losses", "cells"):
        assert all(house.registry(kind).entries(n)[0].plugin.name != name for n in house.registry(kind))
    assert house.plugins[name].status == "off"
    assert house.plugins[name].version
    assert not house.plugins[name].registered


def test_a_plugin_that_is_off_is_not_even_imported(installed):
    installed(broken=raises(RuntimeError("imported")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        house = PluginHouse(disabled=["broken"], strict=True)
        assert "rmse" in house.registry("losses")


def test_switching_off_needs_a_name_that_is_there_and_takes_out_what_is_loaded():
    house = PluginHouse()
    house.disable("sampel")
    with pytest.warns(PluginWarning, match="no plugin 'sampel' to switch off: did you mean 'sample'"):
        house.registry("sources")
    assert "sample" in house.registry("sources")
    house.disable("sample")
    assert "sample" not in house.registry("sources")
    assert house.plugins["sample"].status == "off"


def test_a_plugin_that_is_given_by_hand_and_switched_off_stays_off():
    house = PluginHouse(discover=False, disabled=["mine"])
    assert house.register(registers("sources", "s"), "mine").status == "off"
    assert "s" not in house.registry("sources")


# Environment


def nanolstm(*words, cwd, **variables):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NANOLSTM_")}
    command = [sys.executable, "-P", "-m", "nanolstm.cli", *words]
    return subprocess.run(command, cwd=cwd, env=clean | variables, capture_output=True, text=True, check=False)


def test_the_environment_switches_plugins_off_and_makes_broken_ones_fatal(tmp_path):
    done = nanolstm("plugins", "--json", cwd=tmp_path, NANOLSTM_DISABLE_PLUGINS=" sample,,tasks ")
    found = {p["name"]: p["status"] for p in json.loads(done.stdout)}
    assert {name for name in OURS if found[name] == "off"} == {"sample", "tasks"}
    assert done.stderr == ""

    (tmp_path / "late.py").write_text(
        "from nanolstm import hookimpl\n@hookimpl\ndef nanolstm_register_losses(register):\n    raise OSError('gone')\n"
    )
    for strict in ("", "1"):
        done = nanolstm("-p", "late", "losses", "--json", cwd=tmp_path, NANOLSTM_STRICT_PLUGINS=strict)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "nanolstm: plugin 'late' is broken: in nanolstm_register_losses: OSError: gone\n"


# Wrapping a load


FRAME = pd.DataFrame({"price": np.arange(3.0)}, index=pd.date_range("2024-01-01", periods=3))


def test_wrappers_see_every_load_whatever_the_source_and_may_change_its_answer(shared, tmp_path):
    seen = []

    class Counts:
        @hookimpl(wrapper=True)
        def nanolstm_load_data(self, request):
            answer = yield
            seen.append((request.source, request.symbol))
            return answer

    class Doubles:
        @hookimpl(wrapper=True)
        def nanolstm_load_data(self, request):
            answer = yield
            return answer * 2 if request.source == "mine" else answer

    shared.register(registers("sources", "mine", value=lambda request: FRAME), "source")
    shared.register(Counts())
    shared.register(Doubles())
    FRAME.to_csv(tmp_path / "x.csv")
    nl.load_data("sample", "AAPL")
    nl.load_data("tasks(n=2)", "adding")
    nl.load_data("files", str(tmp_path / "x.csv"))
    assert nl.load_data("mine")["price"].tolist() == [0.0, 2.0, 4.0]
    nl.load_data(nl.DataRequest(source="mine"))
    assert seen == [
        ("sample", "AAPL"),
        ("tasks", "adding"),
        ("files", str(tmp_path / "x.csv")),
        ("mine", None),
        ("mine", None),
    ]


def test_a_wrapper_can_try_again(shared):
    answers = iter([nl.errors.UnreachableError("busy"), nl.errors.UnreachableError("busy"), FRAME])

    def load(request):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    class Retries:
        @hookimpl(wrapper=True)
        def nanolstm_load_data(self, request):
            try:
                return (yield)
            except nl.errors.UnreachableError:
                pass
            for _ in range(2):
                try:
                    return load(request)
                except nl.errors.UnreachableError:
                    continue
            return None

    shared.register(registers("sources", "shaky", value=load), "source")
    shared.register(Retries())
    assert len(nl.load_data("shaky")) == 3


def test_a_plugin_may_answer_in_the_place_of_the_source_which_is_then_not_asked(shared):
    asked = []
    shared.register(registers("sources", "slow", value=asked.append), "source")
    shared.register(plugin(nanolstm_load_data=lambda request: FRAME if request.source == "slow" else None), "cache")
    assert nl.load_data("slow")["price"].tolist() == [0.0, 1.0, 2.0]
    assert not asked
    assert len(nl.load_data("sample")) == 3270


def test_the_answer_of_a_wrapper_is_checked_as_that_of_a_source_is(shared):
    class Reverses:
        @hookimpl(wrapper=True)
        def nanolstm_load_data(self, request):
            return (yield)[::-1]

    shared.register(Reverses())
    with pytest.raises(nl.errors.BadDataError, match="the time index is not ascending"):
        nl.load_data("sample")


def test_the_errors_of_a_source_reach_wrappers_and_callers_as_they_are(shared):
    seen = []

    class Watches:
        @hookimpl(wrapper=True)
        def nanolstm_load_data(self, request):
            try:
                return (yield)
            except nl.NanolstmError as error:
                seen.append(error)
                raise

    shared.register(Watches())
    with pytest.raises(nl.errors.UnknownSymbolError, match="MSFT") as caught:
        nl.load_data("sample", "MSFT")
    assert seen == [caught.value]


def test_a_wrapper_that_fails_is_named(shared):
    class Clumsy:
        @hookimpl(wrapper=True)
        def nanolstm_load_data(self, request):
            yield
            raise ValueError("of its own")

    shared.register(Clumsy())
    with pytest.raises(nl.NanolstmError, match="Clumsy") as caught:
        nl.load_data("sample")
    assert "ValueError: of its own" in str(caught.value)


def test_threads_that_ask_at_once_all_find_what_is_registered():
    house, found = PluginHouse(), []
    threads = [threading.Thread(target=lambda: found.append(set(house.registry("losses")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all("rmse" in names for names in found)
