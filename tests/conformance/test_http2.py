"""HTTP/2, without TLS and without an upgrade, on the servers that speak it."""

from collections.abc import Mapping
from contextlib import suppress

import httpx
import pytest

from . import wire
from .servers import skip_without
from .spellings import spellings
from .stage import Pair, Stage

PAIRS = [(framework, server) for framework in ("starlette", "quart") for server in ("hypercorn", "granian")]
each_pair = pytest.mark.parametrize("pair", PAIRS, indirect=True)


def client(pair: Pair) -> httpx.Client:
    """Certificates are not read: that takes longer than all the rest."""
    url = f"http://127.0.0.1:{pair.port}"
    return httpx.Client(base_url=url, http1=False, http2=True, verify=False, trust_env=False, timeout=10)


def post(
    asked: httpx.Client, app: str, body: bytes, target: str = "/login", content_type: str = wire.FORM
) -> httpx.Response:
    headers = {"x-app": app, "content-type": content_type}
    return asked.post("/login", content=body, headers=headers, extensions={"target": target.encode()})


@each_pair
def test_a_token_passes_and_none_does_not(pair: Pair, stage: Stage) -> None:
    """The denial has no `connection` header, which HTTP/2 forbids."""
    skip_without("h2")
    with client(pair) as asked:
        denial = post(asked, pair.guarded, b"user=x")
        assert (denial.http_version, denial.status_code) == ("HTTP/2", 403)
        assert denial.json()["code"] == "captcha_missing"
        assert "connection" not in denial.headers
        unread = post(asked, pair.guarded, b"y" * 1000, content_type="text/plain")
        assert unread.status_code == 403
        assert "connection" not in unread.headers
    with client(pair) as asked:  # hypercorn hangs up when bytes come for an answer that is over (0.18, 2025)
        passed = post(asked, pair.guarded, wire.form(stage.token()))
        assert '"outcome": "passed"' in passed.headers["x-report"]


@each_pair
def test_a_path_is_guarded_however_it_is_spelt(pair: Pair) -> None:
    """`:path` is taken from a frame: there is no request line to keep it within bounds."""
    skip_without("h2")
    targets = [target for target in dict.fromkeys(spellings("/login")) if len(target) <= 500]
    with client(pair) as asked:
        reached = [target for target in targets if "x-report" in headers_of(asked, pair.bare, target)]
        assert "/login" in reached
        entered = pair.entered()
        assert [target for target in reached if "x-report" in headers_of(asked, pair.guarded, target)] == []
        assert pair.entered() == entered


def headers_of(asked: httpx.Client, app: str, target: str) -> Mapping[str, str]:
    """Nothing where the server, or the client, will have none of it: asked thrice, as hypercorn hangs up at times."""
    for _ in range(3):
        with suppress(httpx.HTTPError):
            return post(asked, app, b"user=x", target).headers
    return {}
