"""What the documentation shows is run, and what the package offers is documented.

In README.md and docs/*.md every fenced block counts, by its language:

- `python`: the blocks of a page run in order and share their names, and one that prints is followed by what it prints;
  one with `title="name.py"` is written to that file first, so that a later block or command can import it; one with
  `title="raises NameOfAnError"` ends with just that error of nanolstm's.
- `bash`: lines that start with `nanolstm` or `python` run in the same folder and must succeed; set-up lines must be
  ones that the project promises, and are not run. `nanolstm` is called in this process, since what it imports takes
  longer to load than most commands take, except what the README shows first and commands that start processes.
- `text`: directly below a block of the two above it is what that block prints, with `...` for what is left out;
  anywhere else it is a drawing.
- `py`: the source of a cell of the zoo, shown and not run; it is that of the package as it is now.
- `toml`: parses, and every plugin that it announces as an entry point is a module of the page.
- `csv` with a `title`: a data file that the page goes on to read.

Any other language fails, so that nothing escapes.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import functools
import importlib
import importlib.util
import inspect
import io
import itertools
import pkgutil
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import nanolstm
from nanolstm import cli, plugins
from nanolstm.cells.zoo import HOMES
from nanolstm.describing.portrait import source_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = [ROOT / "nanolstm", *sorted((ROOT / "plugins").glob("nanolstm_*"))]
SET_UP = {
    "pip install . && nanolstm run",
    'pip install ".[test]" && pytest',
    "pip install .",
    "pip install ./nanolstm-river",
    'pip install "nanolstm[parquet]"',
    'pip install -e ".[dev]"',
    "mkdocs build --strict",
    "mkdocs serve",
}
FIRST = "nanolstm run --source sample"
"""What the README shows first."""
WITH_WORKERS = ("compare", "sweep")
"""Commands that start processes, which keep the working folder that they were started in."""
FENCE = re.compile(r"^(?P<indent> *)(?P<marks>```+|~~~+)(?P<info>.*)$")


@attrs.frozen
class Block:
    """One fenced block; `follows` says that only blank lines part it from the block before, `needs` what it imports."""

    page: Path
    line: int
    language: str
    title: str | None
    raises: str | None
    needs: str | None
    text: str
    follows: bool

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(text: str, page: Path) -> list[Block]:
    found: list[Block] = []
    lines, row, gap = text.splitlines(), 0, ""
    while row < len(lines):
        opening = FENCE.match(lines[row])
        row += 1
        if not opening:
            gap += lines[row - 1].strip()
            continue
        first, closing = row, opening["indent"] + opening["marks"]
        while lines[row] != closing:
            row += 1
            assert row < len(lines), f"{page.name}:{first}: this block has no end"
        language, _, options = opening["info"].strip().partition(" ")
        title = re.search(r'title="([^" ]+)"', options)
        raises = re.search(r'title="raises (\w+)"', options)
        needs = re.search(r'title="needs (\w+)"', options)
        known = title or raises or needs
        assert "title" not in options or known, f"{page.name}:{first}: {options} names no file, no error, no package"
        body = textwrap.dedent("\n".join(lines[first:row])) + "\n"
        follows = not gap and bool(found)
        of_title = [match and match[1] for match in (title, raises, needs)]
        found.append(Block(page, first, language, *of_title, body, follows=follows))
        row, gap = row + 1, ""
    return found


def assert_prints(block: Block, expected: str, printed: str) -> None:
    same = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, printed, same), (
        f"{block} prints\n{printed}\nand the page says\n{expected}"
    )


def run_python(block: Block, names: dict[str, object]) -> str | None:
    """What it prints; None where a package that it needs is not installed."""
    if block.needs and importlib.util.find_spec(block.needs) is None:
        return None
    printed = io.StringIO()
    # Blank lines in front make the line numbers of a traceback those of the page.
    code = compile("\n" * block.line + block.text, str(block.page), "exec")
    with contextlib.redirect_stdout(printed):
        if block.raises is None:
            exec(code, names)
        else:
            with pytest.raises(nanolstm.NanolstmError) as raised:
                exec(code, names)
            assert raised.type is getattr(nanolstm.errors, block.raises), f"{block} raises {raised.type.__name__}"
    return printed.getvalue()


def started(words: list[str], folder: Path) -> tuple[int, str, str]:
    """The status and what is written by a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )
    return done.returncode, done.stdout, done.stderr


def called(words: list[str], folder: Path) -> tuple[int, str, str]:
    """The same of `nanolstm` in this process, with plugins and modules of its own."""
    out, err, house = io.StringIO(), io.StringIO(), plugins.PluginHouse()
    with pytest.MonkeyPatch.context() as here, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        here.setattr(plugins, "shared", house)
        here.setattr(sys, "path", [*sys.path])
        kept = taken_out(folder)
        status = cli.main(words)
        taken_out(folder)
        sys.modules.update(kept)
    return status, out.getvalue(), err.getvalue()


def taken_out(folder: Path) -> dict[str, types.ModuleType]:
    """The modules of the files in a folder, which are imported no longer."""
    found = {n: m for n, m in sys.modules.items() if str(getattr(m, "__file__", None)).startswith(str(folder))}
    for name in found:
        del sys.modules[name]
    return found


def run_commands(block: Block, folder: Path) -> str:
    printed = ""
    for line in block.text.splitlines():
        if line in SET_UP or not line.strip() or line.startswith("#"):
            # `nanolstm run` alone would ask Yahoo. What it then does without a network, tests/test_cli.py says.
            continue
        words = shlex.split(line, comments=True)
        settings = {"COLUMNS": "80", "PYTHONUTF8": "1"}
        while re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            settings[name] = value
        assert words[0] in ("nanolstm", "python"), f"{block}: {line!r} is no command that the project promises"
        asks = {"run", "evaluate"} & {*words} and not {"--source", "--config"} & {*words}
        assert not asks, f"{block}: {line!r} would ask Yahoo"
        with pytest.MonkeyPatch.context() as here:
            for name, value in settings.items():
                here.setenv(name, value)
            if words[0] == "python":
                status, out, err = started(words[1:], folder)
            elif line == FIRST or words[1] in WITH_WORKERS:
                status, out, err = started(["-m", "nanolstm.cli", *words[1:]], folder)
            else:
                status, out, err = called(words[1:], folder)
        assert status == 0, f"{block}: {line!r} ended with {status}\n{out}\n{err}"
        printed += out
    return printed


def check_toml(block: Block, files: dict[str, str]) -> None:
    project = tomllib.loads(block.text).get("project", {})
    for module in project.get("entry-points", {}).get("nanolstm", {}).values():
        path = module.replace(".", "/")
        assert {f"{path}.py", f"{path}/__init__.py"} & files.keys(), f"{block}: no block of the page is {module!r}"


@functools.cache
def sources_of_cells() -> set[str]:
    """The source of each cell of the zoo, as a portrait has it."""
    return {source_of(getattr(nanolstm.cells, name)) for name in HOMES}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder whose modules can be imported, plugins of its own, and a module to run examples in."""
    # A real module: the classes of an example can then be pickled, as those of a script can.
    monkeypatch.setitem(sys.modules, "example", types.ModuleType("example"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "shared", plugins.PluginHouse())
    yield tmp_path
    taken_out(tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_a_page_runs_and_prints_what_the_page_says(page: Path, folder: Path) -> None:
    blocks = blocks_of(page.read_text(encoding="utf-8"), page)
    files = {block.title: block.text for block in blocks if block.title}
    names = vars(sys.modules["example"])
    printed: str | None = None
    for block, below in itertools.zip_longest(blocks, blocks[1:]):
        if block.title and block.language in ("python", "csv"):
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            importlib.invalidate_caches()
        match block.language:
            case "python":
                printed = run_python(block, names)
                shown = below and below.follows and below.language == "text"
                assert shown or not printed, f"{block} prints\n{printed}\nand the page does not show it"
            case "bash":
                printed = run_commands(block, folder)
            case "text" if block.follows and printed is not None:
                assert_prints(block, block.text, printed)
                printed = None
            case "py":
                assert block.text.rstrip() in sources_of_cells(), (
                    f"{block}: no cell of the zoo has this source now; remake the page: "
                    "python benchmarks/gallery.py --out docs/gallery --resume"
                )
                printed = None
            case "toml":
                check_toml(block, files)
                printed = None
            case "text" | "csv":
                printed = None
            case _:
                pytest.fail(f"{block}: a block of language {block.language!r}; nothing would check it")


def docstrings() -> Iterator[tuple[str, str, str]]:
    """Every docstring of the core and of the plugins that we ship: its module, its place in it, itself."""
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            module = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    name = getattr(node, "name", "(module)")
                    if text := ast.get_docstring(node):
                        yield module, name, text


def examples() -> list[object]:
    shown = [(f"{module}.{name}", text) for module, name, text in docstrings() if "```" in text or ">>>" in text]
    return [pytest.param(text, id=place) for place, text in shown]


@pytest.mark.parametrize("text", examples())
def test_the_example_of_a_docstring_runs(text: str, folder: Path, request: pytest.FixtureRequest) -> None:
    place = request.node.callspec.id
    for block in blocks_of(text, Path(place)):
        assert block.language == "python", f"{place}: a block of language {block.language!r}; nothing would check it"
        run_python(block, vars(sys.modules["example"]))
    if ">>>" in text:
        names = vars(importlib.import_module(place.rpartition(".")[0])).copy()
        said = io.StringIO()
        runner = doctest.DocTestRunner()
        runner.run(doctest.DocTestParser().get_doctest(text, names, place, place, 0), out=said.write)
        assert not runner.failures, said.getvalue()


def public_names() -> dict[str, str]:
    """Every public name and the module that it stands in, from the table by which they are imported."""
    return {name: module for module, names in nanolstm._MODULES.items() for name in names}


def test_the_lazy_table_and_the_imports_for_type_checkers_agree() -> None:
    tree = ast.parse(Path(nanolstm.__file__).read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = {}
    for node in checked.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, f"{alias.name}: only `as {alias.name}` exports it to type checkers"
            own_module = node.module == "nanolstm"
            imports[alias.name] = alias.name if own_module else str(node.module).removeprefix("nanolstm.")
    assert imports == public_names()


def test_no_public_name_hides_a_submodule() -> None:
    submodules = {module.name for module in pkgutil.iter_modules(nanolstm.__path__)}
    hiding = {name for name, module in public_names().items() if name in submodules and module != name}
    assert not hiding


@pytest.mark.parametrize("name", sorted(public_names()))
def test_a_public_name_is_documented(name: str) -> None:
    value = getattr(nanolstm, name)
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__, f"nanolstm.{name} has no docstring"
    else:
        assert _text_below_the_assignment(name), f"nanolstm.{name} has no docstring below its assignment"
    api = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert f"::: nanolstm.{name}\n" in api, f"docs/api.md lacks `::: nanolstm.{name}`"


def _text_below_the_assignment(name: str) -> str | None:
    """The docstring of a variable, which only tools that read the source can see."""
    module = importlib.import_module(f"nanolstm.{public_names()[name]}")
    body = ast.parse(inspect.getsource(module)).body
    for node, below in itertools.pairwise(body):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(target, ast.Name) and target.id == name and is_text:
            return str(below.value.value)
    return None


def test_the_first_screen_of_the_readme_is_all_the_set_up() -> None:
    readme = PAGES[0]
    first, second = [b for b in blocks_of(readme.read_text(encoding="utf-8"), readme) if b.language == "bash"][:2]
    assert first.text == "pip install . && nanolstm run\n"
    assert second.text == 'pip install ".[test]" && pytest\n'
    assert second.line < 30


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_a_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target} is not there"
