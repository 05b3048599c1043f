"""What docs/deployment.md says of each server: a missing key, the client's address, a graceful stop, a reload."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from commands import ROOT, SECONDS, command, environment, free_port, until

from geetest_asgi.testing import Simulator, serve

from .proxies import nginx, started
from .servers import skip_without, stop

APP: Final = "tests.conformance.deployed:app"
VISITOR: Final = "198.51.100.7"

Command = Callable[[str], list[str]]
SERVERS: Final[dict[str, Command]] = {
    "uvicorn": lambda port: ["uvicorn", APP, "--port", port],
    "uvicorn, workers": lambda port: [
        *("uvicorn", APP, "--port", port, "--workers", "2", "--timeout-worker-healthcheck", "60"),
    ],
    "gunicorn, its own worker": lambda port: ["gunicorn", APP, "-b", f"127.0.0.1:{port}", "-k", "asgi"],
    "gunicorn, uvicorn's worker": lambda port: [
        *("gunicorn", APP, "-b", f"127.0.0.1:{port}", "-k", "uvicorn_worker.UvicornWorker"),
    ],
    "hypercorn": lambda port: ["hypercorn", APP, "-b", f"127.0.0.1:{port}", "--graceful-timeout", "10"],
    "granian": lambda port: ["granian", APP, "--port", port, "--interface", "asgi"],
    "daphne": lambda port: ["daphne", APP, "-p", port, "--proxy-headers"],
}
RELOADING: Final = ["uvicorn, workers", "gunicorn, its own worker", "gunicorn, uvicorn's worker", "granian"]
READERS: Final = {"gunicorn, its own worker": "uvicorn", "hypercorn": "hypercorn", "granian": "granian"}
"""Whose middleware reads the proxy's headers, where the server does not."""


@pytest.fixture(scope="module")
def geetest() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator()
    with serve(simulator) as url:
        yield simulator, url


@contextmanager
def launched(server: str, env: dict[str, str]) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A server's process, and the address that it will have."""
    skip_without("fastapi", server.partition(",")[0])
    if server == "gunicorn, uvicorn's worker":
        skip_without("uvicorn_worker")
    port = free_port()
    line = [sys.executable, "-m", *SERVERS[server](port)]
    with subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            stop(process)


@dataclass
class Running:
    """A server under test."""

    process: "subprocess.Popen[bytes]"
    url: str
    simulator: Simulator

    def login(self, url: str = "", seconds: float = 0) -> httpx.Response:
        headers = {"X-Forwarded-For": VISITOR}
        place = f"{url or self.url}/login?seconds={seconds}"
        return httpx.post(place, data=self.simulator.token(), headers=headers, timeout=SECONDS, trust_env=False)

    def release(self) -> int | None:
        """The release that answers; None where none does."""
        try:
            return int(httpx.get(self.url, timeout=SECONDS, trust_env=False).json()["release"])
        except httpx.TransportError:
            return None

    def wait_until(self, met: Callable[[], object]) -> None:
        until(lambda: met() or self.process.poll() is not None)
        assert self.process.poll() is None


@contextmanager
def running(server: str, geetest: tuple[Simulator, str], **variables: str) -> Iterator[Running]:
    simulator, url = geetest
    env = environment(captcha_id=simulator.captcha_id, captcha_key=simulator.captcha_key, api_server=url)
    with launched(server, env | {"DEPLOYED_PROXY": READERS.get(server, ""), **variables}) as (process, site):
        found = Running(process, site, simulator)
        found.wait_until(lambda: found.release() is not None)
        yield found


@contextmanager
def behind_nginx(site: str, directory: Path) -> Iterator[str]:
    """A proxy in front of the site, by the configuration of the page."""
    shown = re.search(r"```nginx\nlocation / {(.*?)}\n```", (ROOT / "docs" / "deployment.md").read_text(), re.DOTALL)
    assert shown is not None
    port, upstream = int(free_port()), int(site.rpartition(":")[2])
    location = shown[1].replace("http://127.0.0.1:8000", site)
    with started(nginx(directory, port, upstream, location), directory, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module", params=SERVERS)
def any_server(request: pytest.FixtureRequest, geetest: tuple[Simulator, str]) -> Iterator[Running]:
    """For tests that leave it running."""
    with running(request.param, geetest) as site:
        yield site


def test_behind_nginx_no_header_of_a_visitor_is_believed(any_server: Running, tmp_path: Path) -> None:
    """nginx's own client is this machine: the visitor's made-up header comes to nothing."""
    site = any_server
    with behind_nginx(site.url, tmp_path) as front:
        assert site.login(front).json()["client"] == "127.0.0.1"
        assert site.login().json()["client"] in ("127.0.0.1", VISITOR), "past nginx, from a trusted address"
        through = httpx.post(f"{front}/login", data={}, trust_env=False)
        assert through.json()["code"] == "captcha_missing"


def test_the_proxys_header_is_read(any_server: Running) -> None:
    assert any_server.login().json()["client"] == VISITOR


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A file with the number of the release that a server starts with."""
    file = tmp_path / "release"
    file.write_text("1")
    return file


@contextmanager
def login_under_way(site: Running) -> Iterator[None]:
    """A login takes a second meanwhile, and is answered."""
    calls = site.simulator.calls
    with ThreadPoolExecutor(1) as pool:
        asked = len(calls)
        answer = pool.submit(site.login, seconds=1)
        site.wait_until(lambda: len(calls) > asked)
        yield
        assert answer.result().status_code == 200


@pytest.mark.parametrize("server", [each for each in SERVERS if each != "daphne"])
def test_no_login_is_lost_when_a_server_stops_or_reloads(
    server: str, geetest: tuple[Simulator, str], release: Path
) -> None:
    with running(server, geetest, DEPLOYED_RELEASE=str(release)) as site:
        if server in RELOADING:
            with login_under_way(site):
                release.write_text("2")
                site.process.send_signal(signal.SIGHUP)
            site.wait_until(lambda: {site.release() for _ in range(10)} == {2})
        with login_under_way(site):
            site.process.terminate()
        assert site.process.wait(SECONDS) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("captcha_id", "captcha_key", "missing"),
    [("an-id", "a-key", ""), ("", "a-key", "GEETEST_CAPTCHA_ID"), ("an-id", "", "GEETEST_CAPTCHA_KEY")],
)
def test_before_any_server_check_stops_for_a_missing_key(captcha_id: str, captcha_key: str, missing: str) -> None:
    line = ("check", "--offline", "--start", "--app", APP)
    done = command(*line, process=True, captcha_id=captcha_id, captcha_key=captcha_key)
    assert done.returncode == (2 if missing else 0), done.stdout + done.stderr
    assert missing in done.stderr


@pytest.mark.parametrize("server", SERVERS)
def test_without_a_key_nothing_is_served_unprotected(server: str) -> None:
    """Some servers go on without a lifespan, some end with status 0: hence the check before."""
    with launched(server, environment()) as (process, url):
        ends = time.monotonic() + 5
        while time.monotonic() < ends and process.poll() is None:
            try:
                answer = httpx.post(f"{url}/login", timeout=SECONDS, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                assert answer.status_code == 500
                break
