"""One Redis for the tests that leave it alone."""

from collections.abc import Iterator

import pytest

from .support import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[RedisServer]:
    with redis_server(program="valkey-server") as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """For a test that stops it, kills it, or makes it hang."""
    with redis_server() as server:
        yield server
