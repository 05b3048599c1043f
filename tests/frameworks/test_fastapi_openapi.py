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


def document(**settings: Any) -> dict[str, Any]:
    app = shop(**settings)
    assert app.openapi() is app.openapi(), "it is made once"
    made: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return made


def test_an_operation_without_a_body_gets_one() -> None:
    body = document()["paths"]["/nested"]["post"]["requestBody"]
    assert body["required"] is True
    assert set(body["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }


def test_where_there_is_a_choice_nothing_is_required() -> None:
    operation = document(sources=["query", "body"])["paths"]["/login"]["post"]
    assert (
        operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["allOf"][1]["required"] == []
    )
    assert [each["required"] for each in operation["parameters"] if each["in"] == "query"] == [False] * 4


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ("camelCase", ["lotNumber", "captchaOutput", "passToken", "genTime"]),
        ({"lot_number": "lot"}, ["lot", "captcha_output", "pass_token", "gen_time"]),
        ("captcha", ["captcha"]),
    ],
)
def test_the_fields_are_spelt_as_the_guard_reads_them(fields: Any, sent: list[str]) -> None:
    content = document(fields=fields)["paths"]["/login"]["post"]["requestBody"]["content"]
    assert content["application/x-www-form-urlencoded"]["schema"]["allOf"][1]["required"] == sent


def test_a_container_is_an_object_in_json_and_a_header() -> None:
    paths = document(fields="data.captcha", sources=["body", "header"])["paths"]
    ours = paths["/orders/{number}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    inner = ours["properties"]["data"]["properties"]["captcha"]
    assert list(inner["properties"]) == ["lot_number", "captcha_output", "pass_token", "gen_time"]
    named = [each["name"] for each in paths["/login"]["post"]["parameters"] if each["in"] == "header"]
    assert named == ["data.captcha"]


def test_the_denials_are_there_with_their_codes_and_nothing_is_where_no_mark_is() -> None:
    assert document()["paths"]["/open"]["post"]["responses"].keys() == {"200"}
    responses = document()["paths"]["/login"]["post"]["responses"]
    assert {"200", "403", "408", "413", "422", "503"} <= set(responses)
    assert "captcha_replayed" in responses["403"]["description"]
    schema = responses["503"]["content"]["application/problem+json"]["schema"]
    assert set(schema["required"]) == {"type", "title", "status", "detail", "code", "retry"}
    OpenAPI.model_validate(document(sources=["query", "header", "body"], fields="captcha"))


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
def test_of_a_marked_route_the_methods_that_its_mark_leaves_open_are_as_they_were() -> None:
    app = FastAPI()
    app.api_route("/login", methods=["GET", "POST"], dependencies=[Depends(captcha)])(lambda: "in")
    add_geetest(app)
    operations = app.openapi()["paths"]["/login"]
    assert ("403" in operations["get"]["responses"], "403" in operations["post"]["responses"]) == (False, True)


def test_a_response_that_the_route_describes_itself_stays() -> None:
    app = marked()
    app.post("/own", dependencies=[Depends(captcha)], responses={403: {"description": "mine"}})(lambda: "in")
    responses = app.openapi()["paths"]["/own"]["post"]["responses"]
    assert responses["403"] == {"description": "mine"}
    assert "503" in responses


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
    paths = app.openapi()["paths"]
    assert "403" in paths["/old/{name}"]["post"]["responses"]
    assert "lot_number" in json.dumps(paths["/old/{name}"]["post"]["requestBody"])
    for path, method in (("/old/open", "post"), ("/old/{name}", "put"), ("/old/{name}", "get")):
        assert "403" not in paths[path][method]["responses"], (path, method)
    (monitored,) = paths["/new/{number}"].values()
    assert {each["name"] for each in monitored["parameters"]} >= {"x-geetest-lot-number"}
    assert "403" not in monitored["responses"]


def test_a_denial_is_what_the_document_says(geetest: GeeTest) -> None:
    responses = document()["paths"]["/login"]["post"]["responses"]
    denied = TestClient(shop()).post("/login", data={"username": "ada"}, headers=JSON)
    schema = responses[str(denied.status_code)]["content"][denied.headers["content-type"]]["schema"]
    assert set(schema["properties"]) == set(denied.json())
    assert denied.json()["code"] in schema["properties"]["code"]["enum"]


def test_a_route_that_comes_later_is_described_too() -> None:
    plain = FastAPI()
    plain.openapi()
    plain.post("/later")(lambda: None)
    if "/later" not in plain.openapi()["paths"]:
        pytest.skip("this FastAPI keeps its first description (0.145 does not)")
    app = shop()
    before = app.openapi()
    app.post("/later", dependencies=[Depends(captcha)])(lambda: "in")
    assert "/later" not in before["paths"]
    assert "403" in app.openapi()["paths"]["/later"]["post"]["responses"]
    assert len(app.openapi()["paths"]["/login"]["post"]["requestBody"]["content"]) == 1


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
    operation = document(sources=["header"], **settings)["paths"]["/nested"]["post"]
    assert ("403" in operation["responses"]) is denials
    assert {each["required"] for each in operation["parameters"]} == {required}
