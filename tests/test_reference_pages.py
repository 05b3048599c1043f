"""docs/settings.md, fields.md and outcomes.md: each table is held against the code, each block is executed."""

import ast
import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pages import Page, ask, codes, is_denied, site

from geetest_asgi import GeeTestClient, GeeTestMiddleware, GeeTestResult, Limits, Outcome, Rule
from geetest_asgi._core.model import FIELD_NAMES
from geetest_asgi.denials import DENIALS
from geetest_asgi.testing import GeeTest

SETTINGS, FIELDS, OUTCOMES = Page("docs/settings.md"), Page("docs/fields.md"), Page("docs/outcomes.md")


def keywords(function: Callable[..., object]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.name not in ("app", "pattern")}


def test_the_settings_are_all_there_with_their_defaults() -> None:
    shown = {name: codes(row[1])[0] for row in SETTINGS.rows("keyword") for name in codes(row[0])}
    there = keywords(GeeTestMiddleware)
    assert {name: ast.literal_eval(default) for name, default in shown.items()} == there
    assert list(shown) == list(there)


def section(page: Page, heading: str) -> str:
    return page.prose.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_a_rule_and_the_client_have_the_settings_that_are_named() -> None:
    of_a_rule = section(SETTINGS, "Rule").partition("It takes ")[2].partition(". Of a rule's")[0]
    assert set(codes(of_a_rule)) == keywords(Rule).keys()
    named = section(SETTINGS, "GeeTestClient").partition("has the settings ")[2].partition(". It refuses")[0]
    assert codes(named) == list(keywords(GeeTestClient))


def test_the_limits_are_all_there_with_their_defaults() -> None:
    shown = {codes(row[0])[0]: ast.literal_eval(codes(row[1])[0]) for row in SETTINGS.rows("`Limits(…)`")}
    assert shown == dataclasses.asdict(Limits())


def test_settings_are_given_as_keywords(geetest: GeeTest) -> None:
    app = SETTINGS.run("max_body=64 * 1024", app=site)["app"]
    assert is_denied(app, "POST /login")
    assert not is_denied(app, "POST /api/orders/webhook")
    geetest.down()
    assert ask(app, "POST", "/login", data=geetest.token()).status_code == 503


def test_a_rule_has_settings_of_its_own(geetest: GeeTest) -> None:
    app = SETTINGS.run('captcha_id="another-id"', app=site)["app"]
    registered = ask(app, "POST", "/register", data=geetest.token(captcha_id="another-id"))
    assert (registered.json()["outcome"], registered.json()["rule"]) == ("passed", "POST /register")
    assert ask(app, "POST", "/api/x", data=geetest.token()).json()["outcome"] == "missing"
    geetest.down()
    assert ask(app, "POST", "/register", data=geetest.token()).status_code == 503
    assert ask(app, "POST", "/login", data=geetest.token()).json()["verified"] is False


def test_functions_skip_and_accept(geetest: GeeTest) -> None:
    app = SETTINGS.run("def skip(scope)", app=site)["app"]
    assert ask(app, "POST", "/login", headers={"x-api-key": "change-me"}).json()["outcome"] == "skipped"
    assert ask(app, "POST", "/login", headers={"x-api-key": "change-m"}).status_code == 403
    for address, status in (("127.0.0.1", 200), ("192.0.2.7", 403)):
        geetest.answers(body={"status": "success", "result": "success", "captcha_args": {"user_ip": address}})
        assert ask(app, "POST", "/login", data=geetest.token()).status_code == status


def test_a_mistyped_form_is_forgiven_three_times(geetest: GeeTest) -> None:
    app = SETTINGS.run("forgive=(422,)")["app"]
    token = geetest.token()
    for _ in range(3):
        mistyped = ask(app, "POST", "/register", data=token | {"email": "ada"})
        assert (mistyped.status_code, mistyped.headers["x-geetest-token"]) == (422, "kept")
    right = {"email": "ada@example.org"}
    assert ask(app, "POST", "/register", data=token | right).json() == {"welcome": "ada@example.org"}
    assert ask(app, "POST", "/register", data=token | right).json()["code"] == "captcha_replayed"


def test_a_handler_verifies_by_itself(geetest: GeeTest) -> None:
    app = SETTINGS.run("geetest.validate(")["app"]
    token = geetest.token()
    assert ask(app, "POST", "/login", json=token).json() == {"unverified": False}
    assert ask(app, "POST", "/login", json=token).json() == {"detail": "replayed"}
    assert ask(app, "POST", "/login", json=geetest.token(expired=True)).status_code == 403
    geetest.down()
    assert ask(app, "POST", "/login", json=geetest.token()).json() == {"unverified": True}


def test_each_rule_has_its_own_fields(geetest: GeeTest) -> None:
    app = FIELDS.run('fields="geetest_"', app=site)["app"]
    token = geetest.token()
    assert ask(app, "POST", "/login", data={f"geetest_{name}": token[name] for name in token}).status_code == 200
    assert ask(app, "GET", f"/export?{httpx.QueryParams(geetest.token())}").status_code == 200


SOURCES = {ast.literal_eval(codes(source)[0]): codes(what) for source, what in FIELDS.rows("source")}
*FOUR_HEADERS, ONE_HEADER = SOURCES["header"]


def ways(fields: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Each way in which a source may have the fields."""
    text = json.dumps(fields)
    four = {name: fields[name.removeprefix("X-GeeTest-").lower().replace("-", "_")] for name in FOUR_HEADERS}
    return [
        ("body", {"files": {name: (None, value) for name, value in fields.items()}}),
        ("body", {"content": text, "headers": {"content-type": "application/x+json"}}),
        ("text", {"content": text, "headers": {"content-type": "text/plain"}}),
        ("query", {"params": fields}),
        ("header", {"headers": four}),
        ("header", {"headers": {ONE_HEADER: text}}),
    ]


@pytest.mark.parametrize("way", range(6))
def test_each_source_is_read_in_every_way_and_only_when_it_is_listed(geetest: GeeTest, way: int) -> None:
    assert set(SOURCES) == {"body", "text", "query", "header"}
    for listed in SOURCES:
        source, sent = ways(geetest.token())[way]
        app = GeeTestMiddleware(site, sources=[listed])
        assert ask(app, "POST", "/login", **sent).is_success == (source == listed)


@pytest.mark.parametrize("row", FIELDS.rows("`fields=`"), ids=lambda row: row[0])
def test_each_spelling_of_the_fields_is_understood_as_it_is_shown(geetest: GeeTest, row: list[str]) -> None:
    setting, shown = codes(row[0])[0], codes(row[1])[0]
    token = geetest.token()
    whole = shown.replace('"lot_number": …, …', ", ".join(f'"{name}": …' for name in FIELD_NAMES))
    for name in FIELD_NAMES:
        whole = whole.replace("…", json.dumps(token[name]), 1)
    app = GeeTestMiddleware(site, fields=ast.literal_eval(setting))
    assert ask(app, "POST", "/login", json=json.loads(whole)).json()["outcome"] == "passed"


def test_the_outcomes_are_all_there_and_are_answered_as_the_table_says() -> None:
    rows = {codes(row[0])[0]: row[2:] for row in OUTCOMES.rows("outcome")}
    assert list(rows) == [str(outcome) for outcome in Outcome]
    denied = {Outcome(name): denial for name, (let_in, *denial) in rows.items() if let_in != "yes"}
    assert denied == {outcome: [str(told.status), f"`{told.retry}`"] for outcome, told in DENIALS.items()}


def test_a_denial_of_ones_own_leaves_the_rest_to_the_default(geetest: GeeTest) -> None:
    app = OUTCOMES.run("def on_denied(result, scope)", app=site)["app"]
    assert ask(app, "POST", "/login").headers["location"] == "/captcha-needed"
    failed = ask(app, "POST", "/login", data=geetest.token(expired=True)).json()
    assert failed["code"] == "captcha_failed"
    assert {codes(row[0])[0] for row in OUTCOMES.rows("member") if len(codes(row[0])) == 1} <= failed.keys()


def test_a_result_has_the_attributes_that_are_listed() -> None:
    listed = [codes(row[0])[0] for row in OUTCOMES.rows("attribute")]
    assert set(listed) == {field.name for field in dataclasses.fields(GeeTestResult)} | {"unverified"}
