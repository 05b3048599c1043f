"""Marks of FastAPI and of Litestar: marked routes are guarded, one call for each request, and the document says so."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import fastapi_shop
import litestar_shop
import pytest
from starlette.testclient import TestClient

from geetest_asgi import ConfigError, GeeTestMiddleware
from geetest_asgi.testing import GeeTest

SITES = [fastapi_shop, litestar_shop]
FIELDS = ["lot_number", "captcha_output", "pass_token", "gen_time"]
HEADERS = {f"x-geetest-{name.replace('_', '-')}" for name in FIELDS}


@pytest.fixture(params=SITES, ids=lambda module: module.__name__)
def site(request: pytest.FixtureRequest) -> Any:
    return request.param


def visitor(app: Any) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client(site: Any, geetest: GeeTest) -> Iterator[TestClient]:
    with visitor(site.shop()) as client:
        yield client


@pytest.mark.parametrize(("site", "path"), [(site, path) for site in SITES for path in site.GUARDED], indirect=["site"])
def test_a_marked_route_is_guarded_however_it_is_reached(path: str, client: TestClient, geetest: GeeTest) -> None:
    url = f"{client.base_url}{path}"  # as it stands: "//login" alone would name a host
    denied = client.post(url, data={"username": "ada"})
    assert (denied.status_code, denied.json()["code"]) == (403, "captcha_missing")
    assert denied.headers["content-type"] == "application/problem+json"
    assert client.post(url, data={"username": "ada"} | geetest.token()).is_success
    assert len(geetest.calls) == 1


def test_what_is_not_marked_is_open(site: Any, client: TestClient, geetest: GeeTest) -> None:
    assert "in" in client.post("/open").text
    assert client.get(site.DOCUMENT).status_code == 200
    assert client.post("/nowhere").status_code == 404
    assert "in" in client.post("/shelf/preview").text, "beside a marked placeholder"
    assert client.post("/shelf/PREVIEW").status_code == 403
    assert client.post("/shelf/7").status_code == 403


def test_the_parameter_is_the_decision_and_no_visitor_can_give_it(client: TestClient, geetest: GeeTest) -> None:
    form = {"username": "ada"}
    given = client.post("/login?captcha=1&verified=1", data=form | {"captcha": "1"})
    assert given.json()["code"] == "captcha_missing"
    told = client.post("/login", data=form | geetest.token()).json()
    assert told == {"user": "ada", "verified": True, "rule": "POST /login"}
    geetest.down()
    assert client.post("/login", data=form | geetest.token()).json()["verified"] is False


def test_all_routes_have_one_guard_and_so_one_memory_of_spent_tokens(client: TestClient, geetest: GeeTest) -> None:
    token = geetest.token()
    assert client.post("/orders/7", json=token).is_success
    assert client.post("/shelf/7", json=token).json()["code"] == "captcha_replayed"
    assert len(geetest.calls) == 1


def test_a_mark_has_settings_of_its_own(client: TestClient, geetest: GeeTest) -> None:
    assert client.request("DELETE", "/v1/account/ada", json=geetest.token()).status_code == 403
    assert "ada" in client.delete("/v1/account/ada", headers=geetest.headers()).text


def test_a_marked_websocket_is_guarded(client: TestClient, geetest: GeeTest) -> None:
    with client.websocket_connect("/live", headers=geetest.headers()) as socket:
        assert socket.receive_json() == {"rule": "account"}
    with pytest.raises(Exception), client.websocket_connect("/live"):  # noqa: B017, PT011
        pass


def test_a_mistyped_form_costs_no_second_captcha(client: TestClient, geetest: GeeTest) -> None:
    token = geetest.token()
    mistyped = client.post("/register", data=token | {"email": "ada"})
    assert (mistyped.status_code, mistyped.headers["x-geetest-token"]) == (422, "kept")
    assert "registered" in client.post("/register", data=token | {"email": "a@b"}).text
    assert client.post("/register", data=token | {"email": "a@b"}).json()["code"] == "captcha_replayed"
    assert len(geetest.calls) == 1


def test_unsafe_methods_are_guarded_and_the_others_named(
    site: Any, geetest: GeeTest, caplog: pytest.LogCaptureFixture
) -> None:
    """Where a mark does not say which methods it guards: `/write` has one that does, and is not named."""
    logger = logging.getLogger("geetest_asgi")
    logger.addHandler(caplog.handler)  # Litestar takes away what the root logger has
    with caplog.at_level("INFO", logger.name), visitor(site.shop()) as client:
        assert "read" in client.get("/items/7").text
        assert client.post("/items/7").status_code == 403
        answers = [client.request(method, "/write") for method in ("GET", "POST", "PUT")]
        assert client.put("/write", headers=geetest.headers()).is_success
    logger.removeHandler(caplog.handler)
    assert [each.status_code for each in answers] == [200, 200, 403]
    assert "skipped" in answers[0].text, "a handler is told that the method is not guarded"
    told = {vars(each)["geetest_event"]: vars(each) for each in caplog.records if hasattr(each, "geetest_event")}
    assert {"POST /items/{number:int}", "PUT /write"} < set(told["marks"]["geetest_routes"])
    assert (told["marks_open"]["levelname"], told["marks_open"]["geetest_routes"]) == (
        "WARNING",
        ["GET /items/{number:int}"],
    )


ASKS = {"origin": "https://front.example", "access-control-request-method": "POST"}


def test_a_preflight_reaches_a_marked_handler_of_options(client: TestClient, geetest: GeeTest) -> None:
    assert "a CORS preflight" in client.options("/any", headers=ASKS).text
    assert client.options("/any").status_code == 403


def test_without_a_guard_no_marked_route_is_open(site: Any, geetest: GeeTest) -> None:
    """Nor is it with a guard by path that is laxer than the mark, nor for a preflight."""
    for app in (site.routes(), GeeTestMiddleware(site.routes(), protect=["POST /orders/*"], mode="monitor")):
        with visitor(app) as client:
            assert client.post("/orders/7", json=geetest.token()).status_code == 500
            assert client.options("/any", headers=ASKS).status_code == 500


def test_a_route_that_came_too_late_is_not_open(site: Any, geetest: GeeTest) -> None:
    app = site.shop()
    with visitor(app) as client:
        client.post("/open")
        site.add_late(app)
        assert client.post("/late", json=geetest.token()).status_code == 500


def test_a_setting_that_a_mark_or_the_guard_has_not_is_told_at_once(site: Any) -> None:
    with pytest.raises(ConfigError, match=r"colour.*settings are those of Rule"):
        site.Captcha(colour="red")
    with pytest.raises(ConfigError, match=": unknown setting colour; there are accept"):
        site.shop(colour="red")


def paths(site: Any, **settings: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(site.document(site.shop(**settings))))
    return made["paths"]  # type: ignore[no-any-return]


@pytest.mark.usefixtures("geetest")
def test_a_form_shows_the_fields_besides_its_own(site: Any) -> None:
    ((media_type, content),) = paths(site)["/login"]["post"]["requestBody"]["content"].items()
    assert media_type == "application/x-www-form-urlencoded"
    theirs, ours = content["schema"]["allOf"]
    assert "$ref" in theirs
    assert ours["required"] == FIELDS


@pytest.mark.usefixtures("geetest")
def test_the_mark_and_the_guard_say_where_the_fields_are(site: Any) -> None:
    made = paths(site, sources=["query"])
    assert {each["name"] for each in made["/login"]["post"]["parameters"] if each["in"] == "query"} == {*FIELDS}
    operation = made["/v1/account/{name}"]["delete"]
    assert "requestBody" not in operation
    named = {each["name"]: each["required"] for each in operation["parameters"] if each["in"] == "header"}
    assert named == dict.fromkeys(HEADERS, True)


@pytest.mark.usefixtures("geetest")
def test_what_is_not_marked_is_as_the_framework_wrote_it(site: Any) -> None:
    plain = json.loads(json.dumps(site.document(site.routes())))["paths"]
    made = paths(site)
    assert made["/open"] == plain["/open"]
    assert [method for method, each in made["/items/{number}"].items() if "403" in each["responses"]] == ["post"]
