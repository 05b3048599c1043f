"""What every test may ask for."""

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# Hundreds of processes are started here: what one of them compiles, the next one need not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would the commands that they end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every asynchronous test runs on asyncio and on trio."""
    backend: str = request.param
    return backend


def pytest_collection_finish() -> None:
    """Leave ten thousand collected tests out of every later run of the garbage collector: many tests call it."""
    gc.collect()
    gc.freeze()
