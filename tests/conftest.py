"""What every test may ask for."""

import pytest


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every asynchronous test runs on asyncio and on trio."""
    backend: str = request.param
    return backend
