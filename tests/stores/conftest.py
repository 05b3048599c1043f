"""One Redis for the tests that leave it alone."""

from collections.abc import Iterator

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
