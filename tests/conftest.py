"""What every test may ask for."""

import gc
import os
import signal
from fnmatch import fnmatchcase
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from geetest_asgi.testing import GeeTestServer, Simulator

# Hundreds of processes are started here: what one of them compiles, the next one need not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would the commands that they end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline and no health check, which depend on the speed of the machine.
settings.register_profile("daily", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("daily"), max_examples=300)
settings.load_profile("daily")

NEEDS = {"conformance": "hypercorn", "browser": "playwright"}
"""Folders of tests that need the extra of the same name, and a package that comes with it. They are marks, too."""
collect_ignore = [folder for folder, package in NEEDS.items() if find_spec(package) is None]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every asynchronous test runs on asyncio and on trio."""
    backend: str = request.param
    return backend


@pytest.fixture
def simulator() -> "Simulator":
    """A simulator of this test's own, as an ASGI app."""
    from geetest_asgi.testing import Simulator

    return Simulator()


@pytest.fixture
def geetest_by_env(geetest_server: "GeeTestServer", monkeypatch: pytest.MonkeyPatch) -> "GeeTestServer":
    """GeeTest on a socket, up and asked nothing yet, that the environment names."""
    for name, value in geetest_server.env.items():
        monkeypatch.setenv(name, value)
    return geetest_server


@pytest.fixture
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's own shell sets must not decide a test."""
    for name in [name for name in os.environ if name.startswith("GEETEST_")]:
        monkeypatch.delenv(name)


def pytest_report_header() -> str:
    """Name what this run leaves out."""
    return "".join(f"tests/{each} is left out: pip install -e '.[{each}]'\n" for each in collect_ignore).rstrip()


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of a folder by its name, and as slow the cases that `slow_except` does not name."""
    for item in items:
        for folder in NEEDS.keys() & set(item.nodeid.split("/")):
            item.add_marker(folder)
        stay = [name for mark in item.iter_markers("slow_except") for name in mark.args]
        if stay and not any(fnmatchcase(item.name.partition("[")[2], f"{name}]") for name in stay):
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Leave ten thousand collected tests out of every later run of the garbage collector: many tests call it."""
    gc.collect()
    gc.freeze()
