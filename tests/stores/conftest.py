"""The stores that tests share: one Redis for those that leave it alone, and what several processes have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .support import RedisServer, running


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[RedisServer]:
    with running(program="valkey-server") as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """For a test that stops it, kills it, or makes it hang."""
    with running() as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store that processes can share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/spent.db"
    server: RedisServer = request.getfixturevalue("redis")
    server.ask("FLUSHALL")
    return server.url
