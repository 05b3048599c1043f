"""Real uvicorn workers behind one token: spent on one of them, it is spent on all."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from commands import SECONDS, free_port, running

from geetest_asgi.testing import Simulator, serve

if TYPE_CHECKING:
    from .support import RedisServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def geetest() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator()
    with serve(simulator) as url:
        yield simulator, url


@contextmanager
def uvicorn(app: str, environment: dict[str, str], *options: str) -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "uvicorn", app, "--port", port, "--log-level", "warning", *options]
    with running(command, url, env=os.environ | environment) as process:
        try:
            yield url
        finally:  # a master that is killed leaves its workers behind
            process.terminate()
            process.wait(SECONDS)


@pytest.fixture(params=["sqlite", "redis"])
def environment(request: pytest.FixtureRequest, geetest: tuple[Simulator, str], tmp_path: Path) -> dict[str, str]:
    simulator, url = geetest
    simulator.calls.clear()
    store = f"sqlite:///{tmp_path / 'spent.db'}"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.ask("FLUSHALL")
        store = server.url
    return {
        "GEETEST_API_SERVER": url,
        "GEETEST_CAPTCHA_ID": simulator.captcha_id,
        "GEETEST_CAPTCHA_KEY": simulator.captcha_key,
        "SPENT_TOKENS": store,
    }


@pytest.fixture
def two(environment: dict[str, str]) -> Iterator[list[str]]:
    """Two workers, each behind a URL of its own, so that a test may choose."""
    with ExitStack() as stack:
        yield [stack.enter_context(uvicorn("tests.stores.site:app", environment)) for _ in range(2)]


def post(url: str, fields: dict[str, str]) -> httpx.Response:
    return httpx.post(url, data=fields, trust_env=False, follow_redirects=True, timeout=SECONDS)


def test_a_redirect_may_land_on_the_other_worker(two: list[str], geetest: tuple[Simulator, str]) -> None:
    simulator, _ = geetest
    token = simulator.token()
    answer = post(f"{two[0]}/moved?to={two[1]}/login", token)
    assert (answer.status_code, answer.json()["outcome"], len(answer.history)) == (200, "passed", 1)
    assert [post(f"{url}/login", token).json()["code"] for url in two] == ["captcha_replayed"] * 2
    assert len(simulator.calls) == 1


def test_of_many_copies_for_the_workers_of_one_port_one_gets_in(
    environment: dict[str, str], geetest: tuple[Simulator, str]
) -> None:
    simulator, _ = geetest
    with uvicorn("examples.workers_sqlite:app", environment, "--workers", "3") as url:
        for _ in range(5):
            token = simulator.token()
            with ThreadPoolExecutor(12) as threads:
                answers = list(threads.map(lambda _, token=token: post(f"{url}/login", token), range(12)))
            assert Counter(each.status_code for each in answers) == {200: 1, 403: 11}
    assert len(simulator.calls) == 5
