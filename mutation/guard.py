"""The modules that are mutated, and the tests that are run against them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .mutants import Mutant, mutants

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "geetest_asgi"

NOT_THE_GUARD: Final = frozenset(
    "testing demo commands __main__ frontend pytest_plugin clearance observers/otel "
    "fastapi litestar blacksheep django _routes _mark _openapi".split()
)
"""Folders and modules beside the guard proper: the tools, and what is only there for those who ask for it."""

_CONFIG: Final = ("tests/test_config.py", "tests/test_config_credentials.py", "tests/edges/test_rules_and_sources.py")
_CORE: Final = ("tests/core", "tests/test_config.py", "tests/edges/test_what_was_looked_at.py")
_GUARD: Final = ("tests/bounds", "tests/corridor", "tests/edges", "tests/line", *_CONFIG)
_CORRIDOR: Final = ("tests/corridor", "tests/test_clearance.py")


def _edges(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/edges/test_{name}.py" for name in names)


def _line(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/line/test_{name}.py" for name in names)


TESTS: Final[dict[str, tuple[str, ...]]] = {
    "_core": _CORE,
    "_config": (
        *_CONFIG,
        "tests/test_clearance.py",
        "tests/test_mistakes.py",
        "tests/test_when.py",
        "tests/edges/test_credentials.py",
        "tests/edges/test_watch.py",
    ),
    "__init__.py": ("tests/test_house.py",),
    "_application.py": ("tests/test_mistakes.py",),
    "_scope.py": ("tests/test_scope.py", "tests/edges/test_rules_and_sources.py"),
    "_client.py": ("tests/test_client.py", *_edges("credentials", "watch", "what_was_looked_at")),
    "_corridor/body.py": ("tests/corridor/test_body.py", *_edges("body", "decisions", "outgoing")),
    "_corridor/build.py": (*_edges("watch", "lifecycle", "outgoing", "calls"), "tests/test_config.py"),
    "_corridor/find.py": _edges("rules_and_sources", "body", "what_was_looked_at", "decisions", "websocket"),
    "_corridor/hooks.py": _edges("decisions"),
    "_corridor/outgoing.py": (*_edges("outgoing", "denials", "tokens"), "tests/test_clearance.py"),
    "_corridor/spent.py": ("tests/corridor/test_spent.py",),
    "_corridor/steps.py": (
        *_edges("credentials", "decisions", "rules_and_sources", "tokens", "what_was_looked_at"),
        "tests/test_when.py",
        *_CORRIDOR,
    ),
    "_corridor/visit.py": _CORRIDOR,
    "_corridor/walk.py": (
        *_edges("body", "decisions", "denials", "outgoing", "rules_and_sources", "tokens", "watch"),
        *_CORRIDOR,
    ),
    "_line/blame.py": _line("blame_of_errors", "call"),
    "_line/call.py": _line("call", "line", "wires"),
    "_line/clock.py": _line("clock", "call"),
    "_line/connecting.py": _line("connecting", "line", "wires"),
    "_line/exchange.py": _line("exchange"),
    "_line/given.py": _line("given", "wires"),
    "_line/line.py": (*_line("line", "wires"), *_edges("calls", "outages", "credentials", "watch")),
    "_line/reader.py": _line("reader"),
    "_line/sockets.py": _line("sockets", "line"),
    "_line/transport.py": (*_line("transport", "given", "line", "wires"), *_edges("tls")),
    "_line/wires.py": _line("wires", "line"),
    "_line/stand_in.py": ("tests/test_pytest_plugin.py", "tests/test_simulator.py"),
    "_middleware.py": (
        *_edges("lifecycle", "rules_and_sources", "decisions", "websocket", "outgoing"),
        "tests/corridor",
        *_CONFIG,
        "tests/test_middleware.py",
    ),
    "_bounds": ("tests/bounds",),
    "_bounds/per_loop.py": ("tests/line", "tests/edges/test_lifecycle.py"),
    "denials.py": ("tests/edges/test_denials.py", "tests/edges/test_websocket.py"),
    "observers/logs.py": (
        "tests/bounds",
        "tests/test_logs.py",
        "tests/test_observability_page.py",
        "tests/test_config_credentials.py",
        "tests/edges/test_watch.py",
    ),
    "stores": tuple(f"tests/stores/test_{name}.py" for name in ("contract", "failsafe", "memory", "redis", "sqlite")),
    "stores/setting.py": ("tests/test_config.py", "tests/stores/test_failsafe.py"),
    "stores/urls.py": ("tests/test_config.py", "tests/stores/test_docs.py"),
    "when.py": ("tests/test_when.py", "tests/test_when_apps.py"),
}
"""By module or folder of the package: those that run in one process and end soon. All else is tested by `_GUARD`."""


def is_guard(module: Path) -> bool:
    """Whether a module, given by its path in the package, belongs to the guard proper."""
    names = {module.parts[0].removesuffix(".py"), module.with_suffix("").as_posix()}
    return not names & NOT_THE_GUARD


def modules(begins: Sequence[str] = ("",)) -> list[str]:
    """Return the guard's modules that begin so ("_core", "_core/judge.py") and have mutants, by path in the package."""
    names = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    ours = (name for name in names if is_guard(Path(name)) and name.startswith(tuple(begins)))
    return [name for name in ours if next(mutants_of(name), None)]


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield the mutants of a module."""
    path = PACKAGE / module
    return mutants(path.read_text(), str(path))


def import_name(module: str) -> str:
    """Return the name that a module is imported by, given its path in the package."""
    return f"{PACKAGE.name}.{module.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"


def tests(module: str) -> tuple[str, ...]:
    """Return the tests that are run against a module's mutants, as pytest takes them."""
    return TESTS.get(module) or TESTS.get(module.partition("/")[0], _GUARD)
