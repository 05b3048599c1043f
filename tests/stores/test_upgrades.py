"""docs/upgrading.md: processes of two versions, or with two settings, share a store. No token is good for two acts."""

from hashlib import sha256
from typing import Any

import pytest
from httpx import Response
from pages import ask
from starlette.responses import PlainTextResponse

from geetest_asgi import GeeTestMiddleware, Limits, Rule
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, GeeTest, Simulator, serve

from .support import RedisServer


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Answers 422 where the path says so."""
    await PlainTextResponse("done", 422 if scope["path"] == "/mistyped" else 200)(scope, receive, send)


def version(store: str, **settings: Any) -> GeeTestMiddleware:
    settings = {"protect": "POST /**"} | settings
    return GeeTestMiddleware(site, captcha_id=DEMO_ID, captcha_key=DEMO_KEY, store=store, **settings)


def post(guard: GeeTestMiddleware, token: dict[str, str], path: str = "/login") -> Response:
    return ask(guard, "POST", path, data=token)


def code(answer: Response) -> str:
    return str(answer.json()["code"])


def key_of(token: dict[str, str]) -> str:
    """As the page describes it."""
    return "geetest_asgi:" + sha256("\n".join([DEMO_ID, token["lot_number"], token["pass_token"]]).encode()).hexdigest()


@pytest.mark.parametrize("value", ["", '["passed", "", "", {}]', '{"layout": 99, "outcome": "passed"}'])
def test_a_token_that_another_version_has_spent_is_spent(value: str, geetest: GeeTest, redis: RedisServer) -> None:
    pytest.importorskip("redis", reason="pip install 'geetest-asgi[redis]'")
    token = geetest.token()
    redis.ask("SET", key_of(token), value)
    assert code(post(version(redis.url), token)) == "captcha_replayed"
    assert geetest.calls == []


def test_a_token_is_spent_whatever_the_settings_of_the_other_process(geetest: GeeTest, store_url: str) -> None:
    token = geetest.token()
    assert post(version(store_url), token).status_code == 200
    changed = version(store_url, protect=Rule("/login", name="login"), forgive=[422], on_unavailable="deny")
    assert code(post(changed, token)) == "captcha_replayed"
    assert len(geetest.calls) == 1


def test_a_kept_verdict_is_good_under_the_same_rule_with_other_settings(geetest: GeeTest, store_url: str) -> None:
    forgiving, changed = version(store_url, forgive=[422]), version(store_url, on_unavailable="deny", timeout=1.0)
    assert post(forgiving, token := geetest.token(), "/mistyped").status_code == 422
    assert post(changed, token).status_code == 200
    assert code(post(forgiving, token)) == "captcha_replayed"
    assert len(geetest.calls) == 1


@pytest.mark.parametrize("rule", [Rule("POST /login", name="POST /**"), Rule("POST /**", name="all")])
def test_a_kept_verdict_waits_for_its_own_rule(rule: Rule, geetest: GeeTest, store_url: str) -> None:
    forgiving, changed = version(store_url, forgive=[422]), version(store_url, protect=rule)
    assert post(forgiving, token := geetest.token(), "/mistyped").status_code == 422
    assert code(post(changed, token)) == "captcha_replayed"
    assert post(forgiving, token).status_code == 200
    assert len(geetest.calls) == 1


def test_what_is_let_in_unverified_is_counted_in_one_place(store_url: str) -> None:
    simulator = Simulator()
    simulator.down()
    with serve(simulator) as url:
        one, three = (version(store_url, api_server=url, limits=Limits(unverified_per_client=most)) for most in (1, 3))
        answers = [post(guard, simulator.token()).status_code for guard in (three, one, three, three)]
    assert answers == [200, 503, 200, 503], "each goes by its own limit"
