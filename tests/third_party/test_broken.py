"""A plugin of somebody else that is broken: it is named, and everything but itself goes on."""

import pytest

NAME = "plugin 'warehouse' (nanolstm-warehouse 0.3.1)"
HEAD = "from nanolstm import hookimpl\n"
BROKEN = {
    "raises at import": (
        "import nothing_of_that_name\n",
        "ModuleNotFoundError: No module named 'nothing_of_that_name'",
    ),
    "cannot be parsed": ("def broken(:\n", "SyntaxError: "),
    "stops the program at import": ("raise SystemExit('no licence')\n", "SystemExit: no licence"),
    "raises in a hook": (
        HEAD + "@hookimpl\ndef nanolstm_register_sources(register):\n"
        "    register('warehouse', lambda request: None)\n    raise OSError('the gate\\nis shut')\n",
        "in nanolstm_register_sources: OSError: the gate is shut",
    ),
    "stops the program in a hook": (
        HEAD + "@hookimpl\ndef nanolstm_register_sources(register):\n    raise SystemExit(3)\n",
        "in nanolstm_register_sources: SystemExit: 3",
    ),
    "misspells a hook": (
        HEAD + "@hookimpl\ndef nanolstm_register_source(register):\n    register('warehouse', print)\n",
        "there is no hook 'nanolstm_register_source': did you mean 'nanolstm_register_sources'?",
    ),
    "misspells an argument": (
        HEAD + "@hookimpl\ndef nanolstm_register_sources(registry):\n    registry('warehouse', print)\n",
        "nanolstm_register_sources",
    ),
    "has no hook": ("def nanolstm_register_sources(register):\n    pass\n", "it implements no hook"),
    "registers what cannot be called": (
        HEAD + "@hookimpl\ndef nanolstm_register_sources(register):\n    register('warehouse', 5)\n",
        "'warehouse' is registered among the sources as 5, which cannot be called",
    ),
    "registers what cannot be asked for": (
        HEAD + "@hookimpl\ndef nanolstm_register_sources(register):\n    register('ware house', print)\n",
        "'ware house'",
    ),
}


@pytest.fixture
def replaced(tmp_path):
    """Puts another module in the place of the installed plugin's; answers with the variables that make it be found."""

    def replace(text):
        package = tmp_path / "replaced" / "nanolstm_warehouse"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(text, encoding="utf-8")
        return {"PYTHONPATH": package.parent}

    return replace


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_is_named_in_one_line_and_the_rest_goes_on(fresh, replaced, tmp_path, fault):
    text, reason = BROKEN[fault]
    variables = replaced(text)
    sources, said = fresh.json("sources", cwd=tmp_path, **variables)
    assert [source["name"] for source in sources] == ["files", "sample", "tasks", "yfinance"]
    (line,) = said.splitlines()
    assert line.startswith(f"nanolstm: warning: {NAME} is left out: ")
    assert reason in line


@pytest.mark.parametrize("fault", ["raises at import", "raises in a hook", "misspells a hook"])
def test_a_broken_plugin_is_fatal_where_that_is_asked_for(fresh, replaced, tmp_path, fault):
    text, reason = BROKEN[fault]
    strict = fresh.nanolstm("sources", "--json", cwd=tmp_path, NANOLSTM_STRICT_PLUGINS=1, **replaced(text))
    assert (strict.returncode, strict.stdout) == (2, "")
    (line,) = strict.stderr.splitlines()
    assert line.startswith(f"nanolstm: {NAME} is broken: ")
    assert reason in line


def test_a_broken_plugin_is_listed_with_its_reason_and_stops_no_run(fresh, replaced, tmp_path):
    variables = replaced(BROKEN["raises in a hook"][0])
    plugins, said = fresh.json("plugins", cwd=tmp_path, **variables)
    (warehouse,) = [plugin for plugin in plugins if plugin["name"] == "warehouse"]
    assert warehouse["status"] == "broken"
    assert warehouse["reason"] == BROKEN["raises in a hook"][1]
    assert warehouse["registered"] == {}
    assert warehouse["version"] == "0.3.1"
    assert len(said.splitlines()) == 1

    facts, said = fresh.json("run", "--source", "sample", "--end", "2000-06-01", cwd=tmp_path, **variables)
    assert facts["data"]["rows"] == 64
    assert said.startswith(f"nanolstm: warning: {NAME} is left out: ")
    done = fresh.nanolstm("run", "bolts", "--source", "warehouse", cwd=tmp_path, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no source 'warehouse'; registered: files, sample, tasks, yfinance ({NAME} is broken)" in done.stderr


def test_a_broken_plugin_is_silent_once_it_is_switched_off(fresh, replaced, tmp_path):
    variables = replaced(BROKEN["raises at import"][0])
    for words, more in ((("-p", "no:warehouse"), {}), ((), {"NANOLSTM_DISABLE_PLUGINS": "warehouse"})):
        _, said = fresh.json(*words, "losses", cwd=tmp_path, NANOLSTM_STRICT_PLUGINS=1, **variables, **more)
        assert said == ""


def test_a_broken_plugin_is_a_warning_from_python_too(fresh, replaced, tmp_path):
    variables = replaced(BROKEN["raises at import"][0])
    code = """
import warnings
import nanolstm as nl
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert nl.loss("rmse").name == "rmse" and len(nl.load_data("sample")) == 3270
print([type(w.message).__name__ for w in caught], caught[0].message)
"""
    done = fresh.run("-c", code, cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"['PluginWarning'] {NAME} is left out: {BROKEN['raises at import'][1]}\n"


def test_a_name_of_ours_that_is_registered_again_is_an_error_only_where_it_is_used(fresh, replaced, tmp_path):
    variables = replaced(
        HEAD + "@hookimpl\ndef nanolstm_register_losses(register):\n"
        "    register('rmse', lambda p, t: 0.0)\n    register('mine', lambda p, t: 0.0)\n"
    )
    done = fresh.nanolstm("run", "--source", "sample", "--loss", "rmse", cwd=tmp_path, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "'rmse' is registered twice among the losses" in line
    assert "by plugin 'losses' (nanolstm " in line
    assert "by " + NAME in line
    assert "-p no:warehouse" in line
    code = "import numpy as np, nanolstm as nl; x = np.eye(1); print(*[nl.loss(n)(x, -x) for n in ('mae', 'mine')])"
    done = fresh.run("-W", "error", "-c", code, cwd=tmp_path, **variables)
    assert (done.stdout, done.stderr) == ("2.0 0.0\n", "")
    code = "import nanolstm as nl; print(nl.loss('rmse'))"
    done = fresh.run("-c", code, cwd=tmp_path, NANOLSTM_DISABLE_PLUGINS="warehouse", **variables)
    assert (done.stdout, done.stderr) == ("rmse\n", "")
    listed, said = fresh.json("losses", cwd=tmp_path, **variables)
    assert [loss["plugin"] for loss in listed if loss["name"] == "rmse"] == ["losses and warehouse"]
    assert said == ""


@pytest.mark.parametrize(
    "body",
    [
        "    @app.command()\n    def run():\n        print('hijacked')\n",
        "    @app.command('run')\n    def mine():\n        print('hijacked')\n",
        "    @app.command()\n    def Run():\n        print('hijacked')\n",
        "    import typer\n    app.add_typer(typer.Typer(), name='run')\n",
    ],
    ids=["by its function", "by its name", "in capitals", "by a group"],
)
def test_a_command_of_ours_cannot_be_taken_over(fresh, replaced, tmp_path, body):
    variables = replaced(HEAD + "@hookimpl\ndef nanolstm_register_commands(app):\n" + body)
    done = fresh.nanolstm("run", "--help", cwd=tmp_path, **variables)
    assert done.returncode == 0
    assert "--protocol" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"nanolstm: warning: {NAME} is left out: ")
    assert "'run'" in line
    strict = fresh.nanolstm("losses", cwd=tmp_path, NANOLSTM_STRICT_PLUGINS=1, **variables)
    assert (strict.returncode, strict.stdout) == (2, "")
    assert NAME in strict.stderr


def test_a_command_that_cannot_be_built_leaves_the_others_alone(fresh, replaced, tmp_path):
    variables = replaced(
        HEAD + "@hookimpl\ndef nanolstm_register_commands(app):\n"
        "    @app.command()\n    def count(folder: 'Path'):\n        pass\n"
    )
    losses, said = fresh.json("losses", cwd=tmp_path, **variables)
    assert len(losses) == 9
    (line,) = said.splitlines()
    assert line.startswith(f"nanolstm: warning: {NAME} is left out: ")
    assert "NameError: name 'Path' is not defined" in line


def test_a_wrapper_that_raises_is_named_when_data_is_loaded(fresh, replaced, tmp_path):
    variables = replaced(
        HEAD + "@hookimpl(wrapper=True)\ndef nanolstm_load_data(request):\n"
        "    answer = yield\n    return answer.nonsense\n"
    )
    done = fresh.nanolstm("run", "--source", "sample", cwd=tmp_path, **variables)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert NAME in line
    assert "AttributeError" in line
