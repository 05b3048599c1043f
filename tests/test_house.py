"""The house rules, read off the source: a pure core, a wall for each folder, httpx in one place, small modules, and a
start that imports nothing heavy.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from commands import ended, environment, printed

import geetest_asgi

ROOT = Path(geetest_asgi.__file__).parent  # of what is tested: the checkout, or an installed wheel
PACKAGE = "geetest_asgi"
MAX_LINES = 250

PURE = {  # what the core may use besides itself; logging for a logger that says nothing
    *("base64", "collections", "contextlib", "dataclasses", "enum", "functools", "gc", "hmac", "ipaddress"),
    *("itertools", "json", "logging", "math", "re", "types", "typing", "urllib.parse"),
    *("python_multipart.exceptions", "python_multipart.multipart"),
}
WALLS = (  # each imports from those before it
    {"_core"},
    {"observers"},
    {"_bounds"},
    {"stores", "_line"},
    {"denials", "_scope"},
    {"_config", "_application"},
    {"_corridor"},
    {"_middleware", "_client"},
    {
        *("testing", "demo", "clearance", "when", "commands", "frontend", "pytest_plugin", "__main__"),
        *("fastapi", "litestar", "blacksheep", "django", "_routes"),
    },
    {""},  # the front door
)
FOLDERS = {each: number for number, wall in enumerate(WALLS) for each in wall}
LONE: set[tuple[str, str]] = {("_line", "stores"), ("stores", "_line")}
"""Neighbours that know nothing of each other."""


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text(), str(path))
    return found


MODULES = modules()


def is_package(name: str) -> bool:
    return (ROOT.parent / Path(*name.split(".")) / "__init__.py").exists()


def imports(name: str, tree: ast.AST | None = None) -> Iterator[str]:
    """Absolute names of what a module imports, late imports included, those for the type checker left out."""
    for node in ast.walk(tree or MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = name.split(".") if is_package(name) else name.split(".")[:-1]
            prefix = base[: len(base) - node.level + 1] if node.level else []
            source = ".".join([*prefix, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in MODULES else source


@cache
def all_imports(name: str) -> set[str]:
    return set(imports(name))


@cache
def runtime_imports(name: str) -> set[str]:
    class WithoutTypeChecking(ast.NodeTransformer):
        def visit_If(self, node: ast.If) -> ast.AST | None:
            named = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            return None if named else self.generic_visit(node)

    return set(imports(name, WithoutTypeChecking().visit(ast.parse(ast.unparse(MODULES[name])))))


def folder(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def layer(name: str) -> int:
    return FOLDERS[folder(name)]


CORE = [name for name in MODULES if layer(name) == 0]
NOT_PURE = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith


def test_the_core_is_pure() -> None:
    assert len(CORE) > 5, "there is something to read"
    for name in CORE:
        nodes = [*ast.walk(MODULES[name])]
        calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        assert not [node for node in nodes if isinstance(node, NOT_PURE)], f"async in {name}"
        assert not calls & {"open", "print"}, name
        foreign = {each for each in all_imports(name) if not each.startswith(f"{PACKAGE}._core")}
        assert [each for each in foreign if not {each, each.split(".")[0]} & PURE] == [], name


def test_imports_only_go_down() -> None:
    for name in MODULES:
        imported = {each for each in runtime_imports(name) if each.startswith(f"{PACKAGE}.")}
        up = {each for each in imported if layer(each) > layer(name)}
        assert not up, f"{name} imports {sorted(up)}, which stand above it"
        beside = {each for each in imported if (folder(name), folder(each)) in LONE}
        assert not beside, f"{name} imports {sorted(beside)}, which stand beside it"


def users(library: str) -> set[str]:
    """The modules that import it, by their names after the package's."""
    found = (name for name in MODULES if any(f"{each}.".startswith(f"{library}.") for each in all_imports(name)))
    return {name.removeprefix(f"{PACKAGE}.") for name in found}


ONE_PLACE: dict[str, set[str]] = {
    "httpx": {"_line.transport"},
    "httpcore": set(),
    "redis": {"stores.redis"},
    "valkey": {"stores.redis"},
    "sqlite3": {"stores.sqlite_file"},
    "opentelemetry": {"observers.otel"},
    "starlette.testclient": set(),
}


@pytest.mark.parametrize("library", ONE_PLACE)
def test_a_library_is_imported_in_one_file(library: str) -> None:
    with_httpx = ("testing", "demo") if library == "httpx" else ()
    assert {name for name in users(library) if name.split(".")[0] not in with_httpx} == ONE_PLACE[library]


def test_redis_is_imported_only_when_it_is_used_and_of_opentelemetry_the_api_alone() -> None:
    late = [node for node in MODULES[f"{PACKAGE}.stores.redis"].body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not re.search("redis|valkey", "".join(map(ast.unparse, late)))
    otel = f"{PACKAGE}.observers.otel"
    assert not [name for name in MODULES if otel in all_imports(name)], "an add-on, which nothing imports"
    foreign = {each for each in all_imports(otel) if each.startswith("opentelemetry")}
    assert foreign == {"opentelemetry.metrics", "opentelemetry.trace"}


def test_no_module_has_outgrown_the_house() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_there_is_no_import_cycle() -> None:
    graph = {name: {each for each in runtime_imports(name) if each in MODULES} - {PACKAGE} for name in MODULES}
    done: set[str] = set()
    while free := {name for name, needs in graph.items() if name not in done and not (needs - {name} - done)}:
        done |= free
    assert done == set(graph), f"in a cycle or behind one: {sorted(set(graph) - done)}"


MODULE_NAMES = {part for name in MODULES for part in name.split(".")}
FOREIGN = {"_build_middleware_stack"}  # Connexion's, which has no public name for it


def private_names(tree: ast.AST) -> Iterator[str]:
    """Private names that a file takes from another one: neither its own nor those of modules."""
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = {node.attr for node in attributes if ast.unparse(node.value) in ("self", "cls")}
    own |= {getattr(node, "name", "") for node in ast.walk(tree) if not isinstance(node, ast.alias)}
    taken = [node.attr for node in attributes if node.attr not in own]
    for node in ast.walk(tree):
        taken += [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
    return (name for name in taken if re.match("_[^_]", name) and name not in MODULE_NAMES | FOREIGN)


@pytest.mark.parametrize("folder", [ROOT, Path(__file__).parent], ids=["package", "tests"])
def test_no_private_name_is_reached_from_another_file(folder: Path) -> None:
    found = {path: [*private_names(ast.parse(path.read_text()))] for path in folder.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


def test_all_is_sorted_and_true() -> None:
    assert geetest_asgi.__all__ == sorted(geetest_asgi.__all__)
    assert [getattr(geetest_asgi, name).__name__ for name in geetest_asgi.__all__] == geetest_asgi.__all__
    assert {*geetest_asgi.__all__, "__version__"} <= {*dir(geetest_asgi)}
    with pytest.raises(AttributeError, match="nonsense"):
        _ = geetest_asgi.nonsense


A_GUARD = "from geetest_asgi import GeeTestMiddleware as G; G(print, captcha_id='a', captcha_key='b')"
RUN = "from geetest_asgi.__main__ import main; main"
HEAVY = {
    "import geetest_asgi": {"httpx", "httpcore", "starlette", "anyio", "pytest", "uvicorn"},
    A_GUARD: {"httpx", "sqlite3", "redis"},
    "import geetest_asgi.testing": {"starlette.testclient", "pytest", "httpx", "httpx2", "uvicorn", "trio"},
    f"{RUN}(['sign', 'a'])": {"uvicorn", "starlette", "httpx", "asyncio"},
    f"{RUN}(['match', 'POST', '/a', '--protect', '/a'])": {"httpx", "uvicorn", "fastapi", "litestar"},
}


@pytest.mark.parametrize("program", HEAVY)
def test_what_is_heavy_is_not_imported_at_the_start(program: str) -> None:
    code = f"import sys; {program}; print(sorted({HEAVY[program]} & set(sys.modules)))"
    assert printed([sys.executable, "-c", code], env=environment(captcha_key="b")).splitlines()[-1] == "[]"


EXTRAS = {"itsdangerous": ("clearance", "clearance"), "opentelemetry": ("observers.otel", "otel")}


@pytest.mark.parametrize("missing", EXTRAS)
def test_a_module_whose_extra_is_missing_says_what_to_install(missing: str) -> None:
    module, extra = EXTRAS[missing]
    code = f"import sys; sys.modules[{missing!r}] = None; import geetest_asgi.{module}"
    done = ended([sys.executable, "-c", code])
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f" is missing: pip install 'geetest-asgi[{extra}]'")
