"""What every test may ask for."""

import gc
import os

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, settings

# Hundreds of processes are started here: what one of them compiles, the next one need not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

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


LATE = ("the event loop was held up", "too little of the time was GeeTest's")
"""What the guard says where this machine, and not GeeTest, let a call's time run out."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """A test fails that waits for an outage while the machine is too busy: the guard says so, rightly. Then it is tried
    again, twice at most. Not so the tests of who may be blamed.
    """
    for last in (False, False, True):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if last or "fake" in item.name or not any(_was_late(report) for report in reports):
            break
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _was_late(report: pytest.TestReport) -> bool:
    return report.failed and any(words in report.caplog + report.longreprtext for words in LATE)
