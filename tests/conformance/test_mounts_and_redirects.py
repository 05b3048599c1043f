"""One token is asked about once, wherever guards stand and whatever redirects there are."""

import pytest

from . import wire
from .apps import VARIANTS
from .servers import LITERAL, SERVERS
from .stage import Stage

REDIRECTS = [("starlette", "/login/", 307), ("fastapi", "/login/", 307), ("quart", "/folder", 308)]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(("framework", "target", "status"), REDIRECTS)
def test_a_redirect_keeps_the_token_good_for_one_more_request(
    framework: str, target: str, status: int, server: str, stage: Stage
) -> None:
    """A browser sends the same body again to where a 307 or 308 points; GeeTest is asked about it once."""
    pair = stage.put(framework, server)
    assert pair.ask(True, target).code == "captcha_missing", "the redirect is guarded itself"
    body = wire.form({"user": "x", **stage.token()})
    first = pair.ask(True, target, body)
    assert first.status == status
    assert first.handler == ""
    location = first.headers["location"].removeprefix("http://testserver")
    second = pair.ask(True, location, body)
    assert second.seen["outcome"] == "passed"
    assert second.seen["size"] == len(body)
    assert len(stage.calls) == 1
    assert pair.ask(True, location, body).code == "captcha_replayed"
    assert pair.ask(True, target, body).code == "captcha_replayed"
    assert len(stage.calls) == 1


@pytest.mark.parametrize("app", VARIANTS)
def test_each_place_of_the_guard_asks_once_and_leaves_alone_what_is_not_protected(app: str, stage: Stage) -> None:
    """Two or three guards in one stack included; and a second use of the token is refused."""
    pair = stage.put(app, LITERAL)
    # django-regex has no such path, and of fastapi-three-guards one protects all.
    elsewhere = app in ("django-regex", "fastapi-three-guards")
    assert pair.ask(True, f"{VARIANTS[app]}/open").handler == ("" if elsewhere else "open")
    target = f"{VARIANTS[app]}/login"
    body = wire.form({"user": "x", **stage.token()})
    assert pair.ask(True, target).code == "captcha_missing"
    seen = pair.ask(True, target, body).seen
    assert (seen["handler"], seen["outcome"], seen["size"]) == ("login", "passed", len(body))
    assert pair.ask(True, target, body).code == "captcha_replayed"
    assert len(stage.calls) == 1
