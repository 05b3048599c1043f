"""Which id and key a request is checked with: one pair, several keys while one is replaced, or a function's word."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Scope

from geetest_asgi import ConfigError, GeeTestMiddleware, Outcome
from geetest_asgi._core.model import FOREIGN_ID
from geetest_asgi._core.rules import Pair
from geetest_asgi.clearance import Clearance
from geetest_asgi.testing import Simulator, serve

from .servers import GeeTest
from .site import App, Told
from .visitors import visit

pytestmark = pytest.mark.anyio

NEW, OLD, WRONG = "b" * 32, "c" * 32, "d" * 32
TENANTS: dict[str, Pair] = {"one.example": ("1" * 32, NEW), "two.example": ("2" * 32, [WRONG, OLD])}


@pytest.fixture
def strict() -> Any:
    """A GeeTest that knows three ids, and checks signatures."""
    simulator = Simulator({"a" * 32: OLD, "1" * 32: NEW, "2" * 32: OLD})
    with serve(simulator) as url:
        yield GeeTest(simulator, url)


async def tenant(scope: Scope) -> Pair | None:
    return TENANTS.get(dict(scope["headers"]).get(b"host", b"").decode())


PLATFORMS: dict[str | None, Pair] = {"1" * 32: ("1" * 32, NEW), "2" * 32: ("2" * 32, [WRONG, OLD])}


async def platform(scope: Scope, sent_id: str | None) -> Pair | None:
    return PLATFORMS.get(sent_id)


def during_an_outage(geetest: GeeTest) -> dict[str, str]:
    geetest.simulator.down()
    return geetest.token()


ASKED: dict[str, tuple[dict[str, Any], Callable[[GeeTest], dict[str, str]], str, int]] = {
    # the settings, of which OLD is the right key; the token; what the visitor gets, and how often GeeTest is asked
    "the one": ({"captcha_key": OLD}, GeeTest.token, "in", 1),
    "the third": ({"captcha_key": (WRONG, NEW, OLD)}, GeeTest.token, "in", 3),
    "none of them": ({"captcha_key": [NEW, WRONG]}, GeeTest.token, "captcha_misconfigured", 2),
    "an unknown id": ({"captcha_id": "f" * 32}, GeeTest.token, "captcha_misconfigured", 1),
    "a forged token": ({}, lambda geetest: geetest.token(forged=True), "captcha_failed", 1),
    "an outage": ({}, during_an_outage, "captcha_unavailable", 1),
}


@pytest.mark.parametrize("name", ASKED)
async def test_while_a_key_is_replaced_either_is_good_and_nothing_else_makes_it_ask_again(
    name: str, strict: GeeTest, app: App
) -> None:
    """A visitor cannot make one request cost two calls. Where no key is right it is the site's mistake."""
    settings, token, code, calls = ASKED[name]
    guard = strict.guard(app, **{"captcha_key": [OLD, NEW], "on_unavailable": "deny", **settings})
    assert (await visit(token(strict)).run(guard)).code == code
    assert len(strict.calls) == calls


async def test_all_keys_together_have_the_time_of_one_call(strict: GeeTest, app: App) -> None:
    strict.simulator.slow(0.8)
    told = Told()
    guard = strict.guard(app, captcha_key=[NEW, WRONG, "e" * 32, "f" * 32], timeout=2.0, on_result=told)
    await visit(strict.token()).run(guard)
    assert told.outcomes[0] in (Outcome.UNAVAILABLE, Outcome.BUSY), "on a busy machine the silence is our own"
    assert 1.8 <= told.results[0].elapsed < 3.5
    assert len(strict.calls) <= 3


def test_the_environment_may_hold_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", "a" * 32)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", f"{NEW},{OLD}")
    GeeTestMiddleware(App())
    for wrong in (f"{NEW},", f"{NEW}, {OLD}", ","):
        monkeypatch.setenv("GEETEST_CAPTCHA_KEY", wrong)
        with pytest.raises(ConfigError, match="captcha_key") as refused:
            GeeTestMiddleware(App())
        assert NEW not in str(refused.value)


@pytest.mark.parametrize("keys", [[], [NEW, ""], [NEW, None], [NEW, f"{OLD} "], 7, {NEW}])
def test_a_list_of_keys_that_cannot_be_meant(keys: Any) -> None:
    with pytest.raises(ConfigError, match="captcha_key") as refused:
        GeeTestMiddleware(App(), captcha_id="a" * 32, captcha_key=keys)
    assert NEW not in str(refused.value)


async def login(guard: ASGIApp, token: dict[str, str], host: str = "three.example") -> str:
    return (await visit(token, headers={"host": host}).run(guard)).code


async def test_each_tenant_has_a_pair_of_its_own(strict: GeeTest, app: App) -> None:
    guard = strict.guard(app, captcha_id=None, captcha_key=None, credentials=tenant)
    for host, other, captcha_id in (("one.example", "two.example", "1" * 32), ("two.example", "one.example", "2" * 32)):
        token = strict.simulator.token(captcha_id=captcha_id)
        codes = [await login(guard, token, each) for each in (other, host, host)]
        assert codes == ["captcha_failed", "in", "captcha_replayed"]


async def test_who_is_excused_needs_no_pair(strict: GeeTest, app: App) -> None:
    guard = strict.guard(app, credentials=lambda scope: pytest.fail("looked up"), skip=lambda scope: "friend")
    assert await login(guard, {}) == "in"


@pytest.mark.parametrize("given", ["id", ("id", "key", "x"), ("id", None), (None, "key"), ("id", [])])
async def test_what_cannot_be_a_pair_lets_nobody_in(given: Any, strict: GeeTest, app: App) -> None:
    guard = strict.guard(app, credentials=lambda scope: given)
    with pytest.raises(ConfigError, match=r"credentials|captcha_"):
        await visit(strict.token()).run(guard)
    assert app.seen == []
    assert strict.calls == []


async def test_a_tenant_that_is_none_gets_nobody_in_and_raises_nothing(
    strict: GeeTest, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """A visitor can name any host, so that is no alarm."""
    guard = strict.guard(app, captcha_id=None, captcha_key=None, credentials=tenant)
    denied = await visit(strict.token(), headers={"host": "three.example"}).run(guard)
    assert (denied.status, denied.code, denied.problem["retry"]) == (403, "captcha_unknown_tenant", "never")
    assert app.seen == []
    assert strict.calls == []
    assert not [each for each in caplog.records if each.levelno > logging.INFO]


@pytest.mark.parametrize("given", [True, False])
async def test_none_stands_for_the_usual_pair_which_may_be_the_environments(
    given: bool, strict: GeeTest, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = {"captcha_id": "a" * 32, "captcha_key": OLD}
    for name, value in usual.items():
        monkeypatch.setenv(f"GEETEST_{name.upper()}", value)
    guard = strict.guard(app, credentials=platform, **(usual if given else dict.fromkeys(usual)))
    for token in (strict.token(), {**strict.token(), "captcha_id": "a" * 32}):
        assert await login(guard, token) == "in"
    assert {call.parameters["captcha_id"] for call in strict.calls} == {"a" * 32}


@pytest.mark.parametrize(("sent", "code"), [("1" * 32, "in"), (None, "captcha_failed")])
async def test_two_guards_share_a_finding_only_for_one_id(
    sent: str | None, code: str, strict: GeeTest, app: App
) -> None:
    one = strict.simulator.token(captcha_id="1" * 32)
    inner = strict.guard(app, credentials=platform, captcha_key=OLD)
    outer = strict.guard(inner, captcha_id="1" * 32, captcha_key=NEW)
    assert (await visit({**one, "captcha_id": sent} if sent else one).run(outer)).code == code
    assert len(strict.calls) == (1 if sent else 2)


@pytest.mark.parametrize("captcha_id", PLATFORMS)
async def test_the_id_that_was_sent_chooses_the_pair(captcha_id: str, strict: GeeTest, app: App) -> None:
    guard = strict.guard(app, captcha_id=None, captcha_key=None, credentials=platform)
    token = {**strict.simulator.token(captcha_id=captcha_id), "captcha_id": captcha_id}
    assert (await visit(token).run(guard)).code == "in"
    assert {call.parameters["captcha_id"] for call in strict.calls} == {captcha_id}


NO_ID, ODD_ID = "no captcha_id was sent, and there is no usual one", "missing or of the wrong shape: captcha_id"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [("f" * 32, FOREIGN_ID), ("1" * 31 + " ", ODD_ID), ("1" * 129, ODD_ID), ("", NO_ID), (None, NO_ID)],
)
async def test_an_id_that_is_none_of_ours_is_malformed_and_nobody_is_asked(
    sent: str | None, reason: str, strict: GeeTest, app: App
) -> None:
    told, token = Told(), strict.token()
    if sent is not None:
        token["captcha_id"] = sent
    guard = strict.guard(app, captcha_id=None, captcha_key=None, credentials=platform, on_result=told)
    assert await login(guard, token) == "captcha_malformed"
    assert told.reasons[0] == reason
    assert strict.calls == []


async def test_a_pair_of_another_id_than_the_one_that_was_sent_is_not_used(strict: GeeTest, app: App) -> None:
    guard = strict.guard(app, credentials=lambda scope, sent_id: ("1" * 32, NEW))
    assert (await visit({**strict.token(), "captcha_id": "2" * 32}).run(guard)).code == "captcha_malformed"
    assert strict.calls == []


def test_a_pass_is_for_an_id_that_is_known_without_a_captcha() -> None:
    with pytest.raises(ConfigError, match="clearance"):
        GeeTestMiddleware(print, protect=["POST /login"], credentials=platform, clearance=Clearance("s" * 32))  # type: ignore[arg-type]
