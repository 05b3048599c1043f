"""One simulator and one process for each server, for the whole session; started when a test first asks."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from geetest_asgi.testing import Simulator, serve

from .servers import PAIRS, SERVERS
from .stage import Pair, Stage


@pytest.fixture(scope="session")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    simulator = Simulator()
    with ExitStack() as stack:
        url = stack.enter_context(serve(simulator))
        yield Stage(simulator, url, tmp_path_factory.mktemp("servers"), stack)


@pytest.fixture
def stage(_stage: Stage) -> Stage:
    """The servers, and GeeTest's stand-in without a memory of calls."""
    _stage.simulator.calls.clear()
    return _stage


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, stage: Stage) -> Pair:
    """An app on a server."""
    framework, server = request.param
    return stage.put(framework, server)


def _place(item: pytest.Item) -> int:
    """The place of a test's server in SERVERS, from 1 on; 0 for a test of no server."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    server = given["pair"][1] if "pair" in given else given.get("server")
    return SERVERS.index(server) + 1 if server in SERVERS else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by servers: pytest-xdist gives each process consecutive tests, which then starts few of the servers."""
    items.sort(key=_place)
