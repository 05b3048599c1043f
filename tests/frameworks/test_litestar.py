"""Litestar: what only Litestar has. What marks do in each framework is in test_marks."""

from datetime import date
from typing import Any

import httpx
import pytest
from litestar import Litestar, get, post
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.params import FromPath
from litestar.testing import TestClient
from litestar_shop import HANDLERS, document, login, shop

from geetest_asgi import ConfigError, GeeTestMiddleware
from geetest_asgi.litestar import Captcha, CaptchaResult, GeeTestPlugin, captcha, provide_captcha
from geetest_asgi.testing import GeeTest, GeeTestServer, serve

Client = TestClient[Litestar]


@post("/bare", sync_to_thread=False)
def bare() -> str:
    return "in"


@post("/unmarked", sync_to_thread=False)
def unmarked(captcha: CaptchaResult) -> bool:
    return captcha.verified


def test_whatever_path_a_handler_has_it_is_guarded(geetest: GeeTest) -> None:
    @post("/users(id)/{day:date}", guards=[captcha], sync_to_thread=False)
    def odd(day: FromPath[date], captcha: CaptchaResult) -> str:
        return f"{day} {captcha.rule}"

    with TestClient(shop([odd])) as client:
        assert client.post("/users(id)/2026-11-23").json()["code"] == "captcha_missing"
        told = client.post("/users(id)/2026-11-23", json=geetest.token()).text
        assert told == "2026-11-23 POST /users(id)/{day:date}"


def test_of_several_marks_the_nearest_counts(geetest: GeeTest) -> None:
    app = shop()
    with TestClient(app) as client:
        assert client.post("/v1/account/mild").text == "mild"
    assert "403" not in document(app)["paths"]["/v1/account/mild"]["post"]["responses"]


def test_the_class_in_place_of_a_mark_is_told_at_once() -> None:
    @post("/login", guards=[Captcha], sync_to_thread=False)  # type: ignore[list-item]
    def wrong() -> None: ...

    with pytest.raises(ConfigError, match=r"write guards=\[Captcha\(\)\]"):
        shop([wrong])


def test_a_browser_of_another_origin_may_read_the_denial_and_ask_beforehand(geetest: GeeTest) -> None:
    site = "https://front.example"
    asks = {"origin": site, "access-control-request-method": "DELETE"}
    app = Litestar(HANDLERS, plugins=[GeeTestPlugin()], cors_config=CORSConfig(allow_origins=[site]))
    with TestClient(app) as client:
        denied = client.post("/login", headers={"origin": site})
        assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (403, site)
        assert client.options("/v1/account/ada", headers=asks).headers["access-control-allow-origin"] == site
    with TestClient(shop()) as client:  # and Litestar answers by itself, through the guard
        assert client.options("/v1/account/ada", headers=asks).headers["allow"] == "DELETE, OPTIONS"


@pytest.mark.parametrize(("placed", "third"), [(True, 429), (False, 403)])
def test_the_guard_may_have_a_place_behind_a_rate_limit(placed: bool, third: int, geetest: GeeTest) -> None:
    limit, plugin = RateLimitConfig(rate_limit=("minute", 2)), GeeTestPlugin()
    middleware: list[Any] = [limit.middleware, *([plugin.middleware] if placed else [])]
    app = Litestar([login], middleware=middleware, plugins=[plugin])
    with TestClient(app) as client:
        assert [client.post("/login").status_code for _ in range(3)] == [403, 403, third]
        assert sum("GeeTestPlugin" in repr(each) for each in app.middleware) == 1, "placed once"


def test_a_parameter_on_a_route_that_is_not_marked_says_which_are(geetest: GeeTest) -> None:
    with TestClient(Litestar([login, unmarked], plugins=[GeeTestPlugin()], debug=True)) as client:
        assert "'/unmarked' is not protected by GeeTest" in client.post("/unmarked").text


def test_a_guard_in_front_of_the_app_serves_the_parameter_as_well(geetest: GeeTest) -> None:
    app = Litestar([unmarked], dependencies={"captcha": Provide(provide_captcha)})
    with serve(GeeTestMiddleware(app, protect=["POST /unmarked"])) as url:
        assert httpx.post(f"{url}/unmarked", json=geetest.token()).json() is True


@pytest.mark.parametrize(
    ("handler", "settings", "says"),
    [(bare, {}, "no route is marked; write guards"), (login, {"captcha_key": ""}, "captcha_key is missing")],
)
def test_a_wrong_setting_ends_the_start(handler: Any, settings: dict[str, Any], says: str, geetest: GeeTest) -> None:
    # Litestar runs its start in a task group, which wraps what is raised there.
    with pytest.raises(BaseExceptionGroup) as raised, TestClient(shop([handler], **settings)):
        pass
    ours, others = raised.value.split(ConfigError)
    assert others is None
    assert says in repr(ours)


def test_what_is_about_paths_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"goes by handlers.*guards=\[captcha\]"):
        GeeTestPlugin(protect=["POST /x"])  # type: ignore[call-arg]


def test_its_connections_are_closed_when_the_app_ends(geetest_server: GeeTestServer) -> None:
    made = []

    def make() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient())
        return made[-1]

    closed_by_then = []

    async def at_the_end() -> None:  # the loop goes on: it is not its end that closes them
        closed_by_then.append(made[0].is_closed)

    own: dict[str, Any] = {"api_server": geetest_server.url, "captcha_id": geetest_server.captcha_id}
    plugin = GeeTestPlugin(client=make, captcha_key=geetest_server.captcha_key, **own)
    with TestClient(Litestar([login], plugins=[plugin], on_shutdown=[at_the_end])) as client:
        assert client.post("/login", data={"username": "ada"} | geetest_server.token()).json()["verified"] is True
        assert not made[0].is_closed
    assert closed_by_then == [True]


@pytest.mark.anyio
async def test_without_a_lifespan_it_begins_with_the_first_request(geetest: GeeTest) -> None:
    transport = httpx.ASGITransport(shop())  # type: ignore[arg-type]  # which runs none
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        assert (await client.post("/login", data={"username": "ada"})).status_code == 403
        told = await client.post("/login", data={"username": "ada"} | geetest.token())
        assert told.json()["verified"] is True


def test_what_is_cached_is_not_open(geetest: GeeTest) -> None:
    @get("/costly", guards=[Captcha(sources=["header"], methods="GET")], cache=True, sync_to_thread=False)
    def costly() -> str:
        return "in"

    with TestClient(shop([costly])) as client:
        assert client.get("/costly", headers=geetest.headers()).text == "in"
        assert client.get("/costly").status_code == 403


def test_sentry_can_follow_the_middleware(geetest: GeeTest) -> None:
    """Its integration of Litestar sets an attribute of each middleware."""
    reason = "pip install 'geetest-asgi[conformance]'"
    sentry = pytest.importorskip("sentry_sdk.integrations.litestar", reason=reason)
    plugin = GeeTestPlugin()
    sentry.enable_span_for_middleware(plugin.middleware)
    with Client(Litestar([login], plugins=[plugin])) as client:
        assert client.post("/login", data={"username": "ada"} | geetest.token()).json()["verified"]
