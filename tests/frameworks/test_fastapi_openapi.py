"""FastAPI: the OpenAPI document says what is guarded, and with what a request is refused."""

import json
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.openapi.models import OpenAPI
from fastapi_shop import JSON, marked, shop
from starlette.testclient import TestClient

from geetest_asgi import AfterFailures, Rule
from geetest_asgi.clearance import Clearance
from geetest_asgi.fastapi import add_geetest, captcha
from geetest_asgi.testing import GeeTest

FIELDS = ["lot_number", "captcha_output", "pass_token", "gen_time"]


def operation(path: str, **settings: Any) -> dict[str, Any]:
    """How POST to this path of the shop is described."""
    app = shop(**settings)
    assert app.openapi() is app.openapi(), "it is made once"
    OpenAPI.model_validate(app.openapi())
    found: dict[str, Any] = json.loads(json.dumps(app.openapi()["paths"][path]["post"]))
    return found


def parameters(found: dict[str, Any], place: str) -> dict[str, bool]:
    """Whether each parameter in this place is required."""
    return {each["name"]: each["required"] for each in found.get("parameters", []) if each["in"] == place}


def test_an_operation_without_a_body_gets_one() -> None:
    body = operation("/nested")["requestBody"]
    assert body["required"] is True
    assert set(body["content"]) == {"application/json", "application/x-www-form-urlencoded", "multipart/form-data"}


@pytest.mark.parametrize(
    ("settings", "required"),
    [
        ({"fields": "camelCase"}, ["lotNumber", "captchaOutput", "passToken", "genTime"]),
        ({"fields": {"lot_number": "lot"}}, ["lot", *FIELDS[1:]]),
        ({"fields": "captcha"}, ["captcha"]),
        ({"sources": ["query", "body"]}, []),
    ],
)
def test_the_fields_are_spelt_as_the_guard_reads_them(settings: dict[str, Any], required: list[str]) -> None:
    found = operation("/login", **settings)
    form = found["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["allOf"][1]
    assert form["required"] == required
    assert parameters(found, "query") == dict.fromkeys(FIELDS if "sources" in settings else (), False)


def test_a_container_is_an_object_in_json_and_a_header() -> None:
    found = operation("/orders/{number}", fields="data.captcha", sources=["body", "header"])
    ours = found["requestBody"]["content"]["application/json"]["schema"]
    assert list(ours["properties"]["data"]["properties"]["captcha"]["properties"]) == FIELDS
    assert parameters(found, "header") == {"data.captcha": False}


def test_the_denials_are_there_with_their_codes(geetest: GeeTest) -> None:
    responses = operation("/login")["responses"]
    assert {"200", "403", "408", "413", "422", "503"} <= set(responses)
    assert "captcha_replayed" in responses["403"]["description"]
    denied = TestClient(shop()).post("/login", data={"username": "ada"}, headers=JSON)
    schema = responses[str(denied.status_code)]["content"][denied.headers["content-type"]]["schema"]
    assert set(schema["properties"]) == set(schema["required"]) == set(denied.json())
    assert denied.json()["code"] in schema["properties"]["code"]["enum"]


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
def test_what_the_mark_leaves_open_or_the_route_describes_itself_stays() -> None:
    app = marked()
    own: dict[int | str, dict[str, Any]] = {403: {"description": "mine"}}
    app.api_route("/own", methods=["GET", "POST"], dependencies=[Depends(captcha)], responses=own)(lambda: "in")
    get, post = (app.openapi()["paths"]["/own"][method]["responses"] for method in ("get", "post"))
    assert ("503" in get, "503" in post, post["403"]) == (False, True, {"description": "mine"})


def test_the_document_has_what_protect_names() -> None:
    app = FastAPI()

    @app.post("/old/{name}")
    @app.post("/old/open")
    @app.put("/old/{name}")
    @app.post("/new/{number:int}")
    @app.get("/old/{name}")
    async def handle() -> None:
        """Only its description is looked at."""

    rules: list[str | Rule] = ["POST /old/*", Rule("/new/{number}", sources=["header"], mode="monitor")]
    add_geetest(app, protect=rules, exempt=["POST /old/open"], captcha_id="an-id", captcha_key="a-key")
    found = app.openapi()["paths"]
    refused = {(path, method) for path in found for method in found[path] if "403" in found[path][method]["responses"]}
    assert refused == {("/old/{name}", "post")}
    assert "lot_number" in json.dumps(found["/old/{name}"]["post"]["requestBody"])
    assert "x-geetest-lot-number" in parameters(found["/new/{number}"]["post"], "header")


@pytest.mark.parametrize(
    ("settings", "denials", "required"),
    [
        ({}, True, True),
        ({"mode": "monitor"}, False, False),
        ({"skip": lambda scope: None}, True, False),
        ({"clearance": Clearance("a-secret-of-thirty-two-characters")}, True, False),
        ({"when": AfterFailures()}, True, False),
        ({"on_denied": lambda result, scope: None}, False, True),
    ],
)
def test_it_is_described_as_it_will_be(settings: dict[str, Any], denials: bool, required: bool) -> None:
    found = operation("/nested", sources=["header"], **settings)
    assert ("403" in found["responses"]) is denials
    assert set(parameters(found, "header").values()) == {required}
