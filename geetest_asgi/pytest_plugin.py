"""The pytest plugin: the fixtures `geetest` and `geetest_server`, the ini option `geetest_env`.

pytest imports this file at the start of every run on a machine that has the package. So it imports nothing else until
the first test requests a fixture.
"""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import GeeTest, GeeTestServer

_ENV_HELP = "give GEETEST_CAPTCHA_ID and GEETEST_CAPTCHA_KEY values for this run, where both are unset"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option."""
    parser.addini("geetest_env", _ENV_HELP, type="bool", default=False)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set the id and key before any conftest.py is read, since that may import the app."""
    if early_config.getini("geetest_env"):
        environment = pytest.MonkeyPatch()
        early_config.add_cleanup(environment.undo)
        _give_id_and_key(environment)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Set the id and key of a test with `geetest` before its first fixture, which may build the app."""
    with pytest.MonkeyPatch.context() as environment:
        if "geetest" in getattr(item, "fixturenames", ()):
            _give_id_and_key(environment)
        return (yield)


@pytest.fixture
def geetest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator["GeeTest"]:
    """A GeeTest for this test: every guard in this process calls it instead of the network.

    `.token()`, `.headers()`, `.calls`; `.down()`, `.slow(s)`, `.hanging()`, `.garbled()`, `.error(code)`,
    `.answers(…)` until `.up()`; `.expect("success")`. An app without an id and key finds one in the environment, also
    if an earlier fixture builds it. With `geetest_server` in the same test, both are the same object.
    """
    from .testing import GeeTest

    _give_id_and_key(monkeypatch)
    shared = "geetest_server" in request.fixturenames
    with request.getfixturevalue("geetest_server") if shared else GeeTest() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def geetest_server(pytestconfig: pytest.Config) -> Iterator["GeeTestServer"]:
    """A GeeTest on a socket, for browsers and for apps in other processes.

    `.url`, `.env`, `.captcha_id`, `.captcha_key`, and all members of `geetest`. It lasts for the session, so an app can
    be started once; each test begins without a fault and without calls. An app in this process needs `geetest`, too.
    """
    from .testing import GeeTestServer, serve

    server = GeeTestServer()
    renewal = _Renewal(server)
    with serve(server) as server.url:
        pytestconfig.pluginmanager.register(renewal)
        yield server
        pytestconfig.pluginmanager.unregister(renewal)


class _Renewal:
    """A plugin that is registered while there is a server: it resets faults and calls before each test."""

    def __init__(self, server: "GeeTestServer") -> None:
        self._server = server

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._server.reset()


def _give_id_and_key(environment: pytest.MonkeyPatch) -> None:
    from .testing.environment import missing_pair

    for name, value in missing_pair().items():
        environment.setenv(name, value)
