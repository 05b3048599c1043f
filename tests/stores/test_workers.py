"""Real uvicorn workers behind one token: spent on one of them, it is spent on all."""

import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from commands import SECONDS, free_port, running

from geetest_asgi.testing import GeeTestServer


@pytest.mark.slow
def test_of_many_copies_for_the_workers_of_one_port_one_gets_in(
    store_url: str, geetest_by_env: GeeTestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPENT_TOKENS", store_url)
    site = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "uvicorn", "examples.workers_sqlite:app", "--port", port, "--workers", "3"]

    def post(token: dict[str, str]) -> int:
        return httpx.post(f"{site}/login", data=token, trust_env=False, timeout=SECONDS).status_code

    with running(command, site, env=os.environ) as master, ThreadPoolExecutor(12) as threads:
        try:
            for _ in range(5):
                statuses = threads.map(post, [geetest_by_env.token()] * 12)
                assert Counter(statuses) == {200: 1, 403: 11}
        finally:  # a master that is killed leaves its workers behind
            master.terminate()
            master.wait(SECONDS)
    assert len(geetest_by_env.calls) == 5
