"""The pytest plugin: the fixtures `geetest` and `geetest_server`, the ini option `geetest_env`.

pytest imports this file at the start of every run on a machine that has the package, so it imports nothing: all that
it needs comes in with the first test that asks for a fixture.
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
    """Before any conftest.py, since that may import the app."""
    if early_config.getini("geetest_env"):
        environment = pytest.MonkeyPatch()
        early_config.add_cleanup(environment.undo)
        _give_id_and_key(environment)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """The id and key of a test with `geetest` are there before its first fixture, which may build the app."""
    with pytest.MonkeyPatch.context() as environment:
        if "geetest" in getattr(item, "fixturenames", ()):
            _give_id_and_key(environment)
        return (yield)


@pytest.fixture
def geetest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator["GeeTest"]:
    """A GeeTest for this test: every guard in this process asks it, and none the network.

    `.token()`, `.headers()`, `.calls`; `.down()`, `.slow(s)`, `.hanging()`, `.garbled()`, `.error(code)`,
    `.answers(…)` until `.up()`; `.expect("success")`. An app without an id and key finds some in the environment, also
    one that an earlier fixture builds. Together with `geetest_server` it is the same one.
    """
    from .testing import GeeTest

    _give_id_and_key(monkeypatch)
    shared = "geetest_server" in request.fixturenames
    with request.getfixturevalue("geetest_server") if shared else GeeTest() as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def geetest_server(pytestconfig: pytest.Config) -> Iterator["GeeTestServer"]:
    """A GeeTest on a socket, for browsers and for apps in other processes.

    `.url`, `.env`, `.captcha_id`, `.captcha_key`, and all that `geetest` has. One for the session, so that an app may
    be started once; each test finds it up and without calls. An app in this process wants `geetest` besides.
    """
    from .testing import GeeTestServer, serve

    server = GeeTestServer()
    renewal = _Renewal(server)
    with serve(server) as server.url:
        pytestconfig.pluginmanager.register(renewal)
        yield server
        pytestconfig.pluginmanager.unregister(renewal)


class _Renewal:
    """A plugin of its own while there is a server: no fault and no call outlives its test."""

    def __init__(self, server: "GeeTestServer") -> None:
        self._server = server

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._server.reset()


def _give_id_and_key(environment: pytest.MonkeyPatch) -> None:
    from .testing.environment import missing_pair

    for name, value in missing_pair().items():
        environment.setenv(name, value)
