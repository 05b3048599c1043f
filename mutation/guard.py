"""The modules that are mutated, and the tests that are run against them."""

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

_CORE: Final = ("tests/core", "tests/test_config.py", "tests/test_scope.py", "tests/edges/test_what_was_looked_at.py")
_GUARD: Final = ("tests/bounds", "tests/corridor", "tests/edges", "tests/line", "tests/test_config.py")
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "_core": _CORE,
    "_config": ("tests/test_config.py", "tests/test_mistakes.py", "tests/edges/test_credentials.py"),
    "_scope.py": ("tests/test_scope.py",),
    "stores": ("tests/stores",),
    "when.py": ("tests/test_when.py",),
}
"""By folder or module of the package: those that run in one process and end soon. All else is tested by `_GUARD`."""


def is_guard(module: Path) -> bool:
    """Whether a module, given by its path in the package, belongs to the guard proper."""
    names = {module.parts[0].removesuffix(".py"), module.with_suffix("").as_posix()}
    return not names & NOT_THE_GUARD


def modules(names: list[str]) -> dict[str, list[Mutant]]:
    """Return the mutants of the guard's modules that begin so ("_core", "_core/judge.py"; all if empty), by module."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if is_guard(Path(name)) and (not names or name.startswith(tuple(names))):
            found[name] = list(mutants(path.read_text(), str(path)))
    return {name: several for name, several in found.items() if several}


def import_name(module: str) -> str:
    """Return the name that a module is imported by, given its path in the package."""
    return f"{PACKAGE.name}.{module.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"


def tests(module: str) -> tuple[str, ...]:
    """Return the tests that are run against a module's mutants, as pytest takes them."""
    return TESTS.get(module.partition("/")[0], _GUARD)
