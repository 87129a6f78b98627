"""A load of plugins that is stopped half-way, by Ctrl-C or by whatever is no `Exception`, leaves nothing half done."""

import signal
import sys
import threading
import time
import types

import attrs
import pytest

import nanolstm as nl
from nanolstm import hookimpl, plugins, registry
from nanolstm.cells.find import find_cell
from nanolstm.errors import PluginWarning
from nanolstm.plugins import PluginHouse


class Stop(BaseException):
    """Such as pytest's own `Exit` and `Skipped`."""


@attrs.define
class Point:
    """An entry point of a distribution that is not there."""

    name: str
    load: object
    value: str = "nowhere"
    dist: object = attrs.field(factory=lambda: types.SimpleNamespace(name="stranger", version="1.2"))


def registers(name, **first):
    """A plugin that registers a loss and a source called `name`; `first` are functions that it calls before that."""

    def losses(register):
        first.get("losses", list)()
        register(name, lambda p, t: 0.0)

    def sources(register):
        first.get("sources", list)()
        register(name, lambda request: None)

    return types.SimpleNamespace(nanolstm_register_losses=hookimpl(losses), nanolstm_register_sources=hookimpl(sources))


def once(action):
    """A function that acts at its first call alone."""
    left = [action]
    return lambda: left.pop()() if left else None


def raises(error):
    def act():
        raise error

    return act


@pytest.fixture
def house(monkeypatch):
    """Makes the process's house of plugins one with the given entry points and no others."""

    def make(**loads):
        points = [Point(name, load) for name, load in loads.items()]
        monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: points)
        monkeypatch.setattr(plugins, "shared", PluginHouse())
        return plugins.shared

    return make


STOPS = {
    "a signal": lambda: signal.raise_signal(signal.SIGINT),
    "KeyboardInterrupt": raises(KeyboardInterrupt()),
    "another": raises(Stop()),
}


@pytest.fixture(params=STOPS.values(), ids=STOPS)
def stop(request):
    """A function that stops whatever runs."""
    return request.param


def is_whole(house, *names):
    """Whether the house has each of `names` once, with all that it registers, and nothing else."""
    for kind in ("losses", "sources"):
        found = house.registry(kind)
        assert sorted(found) == sorted(names)
        assert all(found[name].plugin.name == name for name in names)
    assert {p.name: (p.status, p.registered) for p in plugins.listing()} == {
        name: ("on", {"losses": [name], "sources": [name]}) for name in names
    }
    assert nl.loss(names[0]).plugin.startswith(repr(names[0]))
    return True


def test_a_load_that_is_stopped_begins_anew(house, stop):
    stopped = once(stop)
    made = house(a=lambda: registers("a"), b=lambda: stopped() or registers("b"), c=lambda: registers("c"))
    with pytest.raises((KeyboardInterrupt, Stop)):
        nl.loss("a")
    assert is_whole(made, "a", "b", "c")


def test_a_registry_whose_filling_is_stopped_is_filled_anew(house, stop):
    made = house(a=lambda: registers("a"), b=lambda: registers("b", losses=stopped), c=lambda: registers("c"))
    stopped = once(stop)
    assert "c" in made.registry("sources")
    with pytest.raises((KeyboardInterrupt, Stop)):
        nl.loss("a")
    assert is_whole(made, "a", "b", "c")


def test_a_plugin_given_by_hand_and_stopped_is_registered_anew(house, stop):
    made = house(a=lambda: registers("a"))
    assert is_whole(made, "a")
    mine = registers("mine", sources=once(stop))
    with pytest.raises((KeyboardInterrupt, Stop)):
        nl.plugins.register(mine, "mine")
    assert is_whole(made, "a")
    nl.plugins.register(mine, "mine")
    assert is_whole(made, "a", "mine")


def test_entry_points_that_cannot_be_read_are_read_again(house, monkeypatch):
    made, fails = house(a=lambda: registers("a")), once(raises(OSError("damaged")))
    points = plugins.metadata.entry_points(group="nanolstm")
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: fails() or points)
    with pytest.raises(OSError, match="damaged"):
        nl.loss("a")
    assert is_whole(made, "a")


def test_a_plugin_that_exits_while_it_loads_is_broken_and_the_others_are_there(house):
    made = house(a=lambda: registers("a"), b=raises(SystemExit(3)), c=lambda: registers("c"))
    with pytest.warns(PluginWarning, match=r"'b' \(stranger 1\.2\) is left out: SystemExit: 3"):
        made.registry("losses")
    assert sorted(made.registry("losses")) == ["a", "c"]


def test_a_plugin_that_asks_while_it_loads_does_not_cut_off_those_after_it(house):
    seen = []
    made = house(
        a=lambda: registers("a"),
        b=lambda: seen.append(nl.loss("a").name) or registers("b"),
        c=lambda: registers("c", losses=lambda: seen.append("b" in plugins.shared.registry("losses"))),
    )
    assert is_whole(made, "a", "b", "c")
    assert seen == ["a", True]


def test_a_plugin_that_adds_another_while_it_registers_has_it_filled_in(house):
    other = registers("other")
    made = house(a=lambda: registers("a", losses=once(lambda: nl.plugins.register(other, "other"))))
    assert is_whole(made, "a", "other")


def test_threads_that_wait_for_a_load_that_is_stopped_load_themselves(house):
    begun, found = threading.Event(), []

    def slow():
        begun.set()
        time.sleep(0.2)
        raise Stop

    stopped = once(slow)
    house(a=lambda: registers("a"), b=lambda: stopped() or registers("b"))

    def ask():
        try:
            found.append(sorted(plugins.shared.registry("losses")))
        except Stop:
            found.append("stopped")

    first = threading.Thread(target=ask)
    first.start()
    assert begun.wait(10)
    others = [threading.Thread(target=ask) for _ in range(4)]
    for thread in others:
        thread.start()
    for thread in (first, *others):
        thread.join(10)
    assert sorted(map(str, found)) == sorted(["stopped", *[str(["a", "b"])] * 4])


class Interrupt:
    """Raises KeyboardInterrupt at one of the calls in the files of plugins: where Python looks for signals."""

    FILES = (plugins.__file__, registry.__file__)

    def __init__(self, number):
        self.left = number

    def __enter__(self):
        self.before = sys.getprofile()
        sys.setprofile(self.look)

    def __exit__(self, *_):
        sys.setprofile(self.before)

    def look(self, frame, event, _):
        if frame.f_code.co_filename in self.FILES:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["a load", "a registry", "a plugin by hand"])
def test_it_may_be_stopped_at_any_call(house, what):
    number = 0
    while True:
        number += 1
        made = house(a=lambda: registers("a"), b=lambda: registers("b"))
        mine, names = registers("mine"), ["a", "b"]
        if what == "a registry":
            made.load()
        if what == "a plugin by hand":
            made.registry("losses")
            made.registry("sources")
            names.append("mine")

        def act(made=made, mine=mine):
            if what == "a plugin by hand":
                made.register(mine, "mine")
            else:
                made.registry("losses")

        try:
            with Interrupt(number):
                act()
        except KeyboardInterrupt:
            act()
            assert is_whole(made, *names), f"stopped at call {number}"
        else:
            break
    assert number > 40


def test_a_file_whose_import_is_stopped_leaves_no_module_behind(tmp_path):
    (tmp_path / "stopped.py").write_text("raise KeyboardInterrupt\n")
    before = dict(sys.modules)
    with pytest.raises(KeyboardInterrupt):
        find_cell(f"{tmp_path}/stopped.py:Mine")
    assert sys.modules.keys() == before.keys()
