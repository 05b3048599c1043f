"""docs/clients.md: each recipe is run. Those that need a browser are in tests/browser/test_clients_page.py."""

import json
from typing import Any

import pytest
from pages import Page, ask

from geetest_asgi.testing import GeeTest

PAGE = Page("docs/clients.md")


def test_there_is_no_recipe_that_nobody_runs() -> None:
    """Blocks in the languages of phones are compared with the request that they send, which is sent."""
    in_browser = ["html", "html", "html", "html", "jsx", "html", "js"]
    assert [block.language for block in PAGE.blocks] == (
        ["python", *in_browser, "kotlin", "swift", "dart", "http", "python", "python", "python"]
    )


def sent_by_apps(geetest: GeeTest) -> tuple[str, dict[str, str], str]:
    """Path, headers and body of the request on the page, with a token in it."""
    head, _, body = PAGE.block("Host: shop.example").text.partition("\n\n")
    line, *lines = head.splitlines()
    headers = dict(each.split(": ", 1) for each in lines)
    names = json.loads(headers["X-GeeTest"])
    token = geetest.token() | {"captcha_id": "any"}
    assert names.keys() == token.keys()
    return line.split()[1], headers | {"X-GeeTest": json.dumps(token)}, body


def test_what_apps_send_passes(geetest: GeeTest) -> None:
    app = PAGE.run("app.mount(")["app"]
    path, headers, body = sent_by_apps(geetest)
    assert ask(app, "POST", path, headers=headers, content=body).text == "Welcome, ada!"
    assert ask(app, "POST", path, headers=headers, content=body).json()["code"] == "captcha_replayed"
    del headers["X-GeeTest"]
    assert ask(app, "POST", path, headers=headers, content=body).json()["code"] == "captcha_missing"


@pytest.mark.parametrize("way", ["json", "data"])
def test_what_mini_programs_send_passes(geetest: GeeTest, way: str) -> None:
    app = PAGE.run("app.mount(")["app"]
    without: dict[str, Any] = {way: {"username": "ada"}}
    sent: dict[str, Any] = {way: {"username": "ada", **geetest.token(), "captcha_id": "any"}}
    assert ask(app, "POST", "/login", **sent).text == "Welcome, ada!"
    assert ask(app, "POST", "/login", **without).status_code == 403


def test_swagger_ui_knows_the_header_and_the_guard_reads_it(geetest: GeeTest) -> None:
    app = PAGE.run("APIKeyHeader")["app"]
    schema = ask(app, "GET", "/openapi.json").json()
    (scheme,) = schema["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-GeeTest")
    assert schema["paths"]["/orders"]["post"]["security"] == [{"GeeTest": []}]
    headers = {"X-GeeTest": json.dumps(geetest.token())}
    assert ask(app, "POST", "/orders", headers=headers).json() == {"ordered": "tea"}
    assert ask(app, "POST", "/orders").status_code == 403


LOGIN = 'mutation { login(name: "ada") { id } }'
ATTEMPTS = {
    "aliases": 'mutation { a: login(name: "ada") { id } b: login(name: "eve") { id } }',
    "a fragment": LOGIN.replace("{ login", "{ ...F login") + ' fragment F on Mutation { b: login(name: "eve") { id } }',
    "two operations": f"{LOGIN.replace('mutation', 'mutation A')} {LOGIN.replace('mutation', 'mutation B')}",
}


def test_a_graphql_mutation_needs_a_captcha_and_queries_do_not(geetest: GeeTest) -> None:
    pytest.importorskip("graphql", reason="pip install 'geetest-asgi[test]'")
    app = PAGE.run("PROTECTED =", execute=lambda body: {"done": True})["app"]

    def told(body: Any) -> Any:
        answer = ask(app, "POST", "/graphql", json=body).json()
        return answer.get("data") or answer["errors"][0]["extensions"].get("code", answer["errors"][0]["message"])

    assert told({"query": "query { items { id } }"}) == {"done": True}
    without: list[Any] = [None, {"captcha": None}, "x"]
    for extensions in without:
        assert told({"query": LOGIN, "extensions": extensions}) == "captcha_missing"
    alias = LOGIN.replace("login", "items: login")
    assert told({"query": alias, "operationName": "items"}) == "captcha_missing"
    token = {"captcha": geetest.token()}
    assert told({"query": LOGIN, "extensions": token}) == {"done": True}
    assert told({"query": LOGIN, "extensions": token}) == "captcha_replayed"
    for query in ATTEMPTS.values():
        assert told({"query": query, "extensions": {"captcha": geetest.token()}}) == "one attempt in one request"
    for wrong in ([{"query": LOGIN}], {"query": 5}, {"query": "{"}, {}, 5, {"query": "{a" * 3000}):
        assert told(wrong) == "one GraphQL document is wanted"
    assert len(geetest.calls) == 1


def test_an_oauth2_password_form_carries_the_captcha_once_it_is_wanted(geetest: GeeTest) -> None:
    given = {"is_right": lambda name, password: password == "right", "token_of": lambda name: f"for {name}"}
    app = PAGE.run("OAuth2PasswordRequestForm", **given)["app"]
    form = {"grant_type": "password", "username": "ada", "password": "right"}
    assert ask(app, "POST", "/token", data=form).json() == {"access_token": "for ada", "token_type": "bearer"}
    for _ in range(3):
        assert ask(app, "POST", "/token", data=form | {"password": "wrong"}).status_code == 401
    assert ask(app, "POST", "/token", data=form).json()["code"] == "captcha_missing"
    assert ask(app, "POST", "/token", data=form | geetest.token()).json()["access_token"] == "for ada"
