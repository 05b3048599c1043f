"""One simulator and one uvicorn for all of these tests; each test finds them as new."""

from collections.abc import Iterator

import pytest
import trustme

from geetest_asgi.testing import Simulator, serve

from .servers import GeeTest
from .site import App, Front


@pytest.fixture(scope="package", autouse=True)
def _one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let HTTP clients load one certificate instead of 150: hundreds are made, and none of them calls a public host."""
    bundle = tmp_path_factory.mktemp("certificates") / "bundle.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(bundle))
        yield


@pytest.fixture(scope="session")
def _served_geetest() -> Iterator[GeeTest]:
    simulator = Simulator()
    with serve(simulator) as url:
        yield GeeTest(simulator, url)


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    """uvicorn on a socket; `front.app = app`."""
    front = Front()
    with serve(front) as front.url:
        yield front


@pytest.fixture
def geetest(_served_geetest: GeeTest) -> GeeTest:
    """GeeTest's stand-in on a socket: up, and without a memory of calls."""
    _served_geetest.simulator.up()
    _served_geetest.simulator.calls.clear()
    return _served_geetest


@pytest.fixture
def app() -> App:
    """The app behind the guard."""
    return App()
