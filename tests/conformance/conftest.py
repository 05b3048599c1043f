"""One simulator and one process for each server, for the whole session; started when a test first asks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from geetest_asgi.testing import Simulator, serve

from .servers import SERVERS
from .stage import Stage

REACHED = pytest.StashKey[Counter[tuple[str, str]]]()


@pytest.fixture(scope="session")
def _stage(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Stage]:
    simulator = Simulator()
    with ExitStack() as stack:
        url = stack.enter_context(serve(simulator))
        made = Stage(simulator, url, tmp_path_factory.mktemp("servers"), stack)
        pytestconfig.stash[REACHED] = made.reached
        yield made


@pytest.fixture
def stage(_stage: Stage) -> Stage:
    """The servers, and GeeTest's stand-in without a memory of calls."""
    _stage.simulator.calls.clear()
    return _stage


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    """The matrix: how many spellings reached a handler of the bare app; each was refused, and let in with a token."""
    if not (reached := config.stash.get(REACHED, None)):
        return
    terminalreporter.section("spellings that reach a protected handler, all of them guarded")
    terminalreporter.write_line(f"{'':40}" + "".join(f"{server:>19}" for server in SERVERS))
    for app in dict.fromkeys(app for app, _ in reached):
        numbers = (reached.get((app, server)) for server in SERVERS)
        terminalreporter.write_line(f"{app:40}" + "".join(f"{number or '-':>19}" for number in numbers))


def parameters(item: pytest.Item) -> dict[str, object]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup` one process runs all tests of a server, so that each server is started once."""
    for item in items:
        server = parameters(item).get("server")
        if server in SERVERS:
            item.add_marker(pytest.mark.xdist_group(server))
