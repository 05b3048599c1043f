"""docs/cookbook.md: each recipe is run."""

import re
import sys
from pathlib import Path

import pytest
from commands import printed
from pages import Page, ask, is_denied, site
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware, Rule
from geetest_asgi.clearance import HEADER as CLEARANCE
from geetest_asgi.frontend import SCRIPT
from geetest_asgi.testing import GeeTest, Simulator, serve

PAGE = Page("docs/cookbook.md")


def test_the_fourth_login_after_three_failures_needs_a_captcha(geetest: GeeTest) -> None:
    async def wrong_password(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("no", 401)(scope, receive, send)

    app = PAGE.run("AfterFailures(3, seconds=600)", app=wrong_password)["app"]
    assert [ask(app, "POST", "/login").status_code for _ in range(4)] == [401, 401, 401, 403]
    assert ask(app, "POST", "/login", data=geetest.token()).status_code == 401


def test_a_code_is_sent_for_a_captcha_and_registers_once(geetest: GeeTest) -> None:
    mail: list[tuple[str, str]] = []
    app = PAGE.run("send_mail(email", send_mail=lambda *letter: mail.append(letter))["app"]
    token = geetest.token()
    assert ask(app, "POST", "/register/code", data={"email": "ada@example.org"}).status_code == 403
    assert ask(app, "POST", "/register/code", data={"email": "ada", **token}).status_code == 422
    assert mail == []
    assert ask(app, "POST", "/register/code", data={"email": "ada@example.org", **token}).status_code == 200
    ((email, code),) = mail
    guess = {"email": email, "code": "guess"}
    assert ask(app, "POST", "/register", data=guess | {"code": code}).json() == {"welcome": email}
    assert ask(app, "POST", "/register", data=guess | {"code": code}).status_code == 403
    geetest.down()
    assert ask(app, "POST", "/register/code", data={"email": email, **geetest.token()}).status_code == 503


def test_an_api_key_needs_no_captcha(geetest: GeeTest) -> None:
    app = PAGE.run("API_KEYS =", app=site)["app"]
    right = ask(app, "POST", "/api/x", headers={"authorization": "Bearer partner.change-me"})
    assert right.json()["outcome"] == "skipped"
    for wrong in ("Bearer partner.change-m", "Bearer nobody.change-me", "Bearer partner", ""):
        assert ask(app, "POST", "/api/x", headers={"authorization": wrong}).status_code == 403


def test_a_health_check_stays_open(geetest: GeeTest) -> None:
    app = PAGE.run('exempt=["GET /health"]', app=site)["app"]
    requests = ("GET /health", "HEAD /health", "POST /health", "GET /")
    assert [is_denied(app, each) for each in requests] == [False, False, True, True]


def test_one_captcha_is_enough_for_three_steps(geetest: GeeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARANCE_SECRET", "0123456789abcdef" * 2)
    client = TestClient(PAGE.run("CLEARANCE_SECRET", app=site)["app"], base_url="https://shop.example")
    assert client.post("/order/2").status_code == 403
    assert client.post("/order/1", data=geetest.token()).json()["outcome"] == "passed"
    assert [client.post(f"/order/{step}").json()["outcome"] for step in (2, 3)] == ["skipped", "skipped"]
    assert len(geetest.calls) == 1


def test_pages_of_two_other_origins_send_and_read_the_captchas_headers(geetest: GeeTest) -> None:
    defined = PAGE.run("expose_headers=")
    sent = ",".join([*geetest.headers(), CLEARANCE])
    origin = {"origin": "https://m.shop.example"}
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": sent}
    assert ask(defined["app"], "OPTIONS", "/login", headers=origin | preflight).status_code == 200
    denied = ask(defined["app"], "POST", "/login", headers=origin)
    assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (403, "https://m.shop.example")
    exposed = {"X-GeeTest-Denial", "X-GeeTest-Token", "Retry-After", CLEARANCE}
    assert exposed == set(re.split(", *", denied.headers["access-control-expose-headers"]))


def test_denials_of_the_house_keep_what_the_page_script_reads(geetest: GeeTest) -> None:
    given = PAGE.run("denial = DENIALS[result.outcome]", app=site)
    app = given["app"]
    denied = ask(app, "POST", "/login")
    assert (denied.json()["code"], denied.json()["retry"]) == ("captcha_missing", "solve")
    assert "problem\\+json" in SCRIPT.read_text(encoding="utf-8")
    assert denied.headers["content-type"] == "application/problem+json"
    geetest.answers(body={"status": "error", "code": "-50102", "msg": "illegal captcha_id"})
    wrong = ask(app, "POST", "/login", data=geetest.token())
    assert (wrong.status_code, wrong.headers["retry-after"]) == (503, "60")


LOGGING_INI = "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\nhandlers="


def test_file_config_leaves_the_logger_on(tmp_path: Path) -> None:
    (tmp_path / "logging.ini").write_text(LOGGING_INI)
    before = "import logging, geetest_asgi.observers.logs\n"
    after = "print(logging.getLogger('geetest_asgi').disabled)"
    line = [sys.executable, "-c", before + PAGE.block("fileConfig(").text + after]
    assert printed(line, cwd=tmp_path) == "False\n"


def test_a_flag_switches_the_guard_off(geetest: GeeTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = PAGE.run("SWITCH =", app=site)["app"]
    assert is_denied(app, "POST /login")
    (tmp_path / "captcha-off").touch()
    assert not is_denied(app, "POST /login")


def test_each_tenant_has_its_own_id(geetest: GeeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEETEST_CAPTCHA_ID")
    monkeypatch.delenv("GEETEST_CAPTCHA_KEY")
    app = PAGE.run("PAIRS =", app=site)["app"]
    for host, captcha_id in (("a.shop.example", geetest.captcha_id), ("b.shop.example:8443", "another-id")):
        assert ask(app, "POST", "/login", headers={"host": host}, data=geetest.token()).status_code == 200
        assert geetest.calls[-1].parameters["captcha_id"] == captcha_id
    assert ask(app, "POST", "/login", headers={"host": "c.shop.example"}, data=geetest.token()).status_code == 403


def test_a_load_test_takes_a_fresh_token_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator()
    with serve(simulator) as url:
        guard = GeeTestMiddleware(site, protect=["POST /login"], captcha_id="any", captcha_key="some", api_server=url)
        with serve(guard) as shop:
            log_in = PAGE.run("def log_in(site")["log_in"]
            assert [log_in(shop, url) for _ in range(3)] == [200, 200, 200]
    assert len(simulator.calls) == 3


def test_sentry_has_the_outcome_and_no_body(geetest: GeeTest) -> None:
    sentry_sdk = pytest.importorskip("sentry_sdk", reason="pip install 'geetest-asgi[conformance]'")
    app = PAGE.run("import sentry_sdk", app=site)["app"]
    options = sentry_sdk.get_client().options
    assert (options["max_request_body_size"], options["include_local_variables"]) == ("never", False)
    with sentry_sdk.isolation_scope() as scope:
        assert is_denied(app, "POST /login")
        assert scope.apply_to_event({}, {})["tags"] == {"geetest.outcome": "missing"}
    sentry_sdk.get_client().close()


def test_every_graphql_operation_is_protected_by_one_rule(geetest: GeeTest) -> None:
    assert '`Rule("POST /graphql", fields="extensions.captcha")`' in PAGE.text
    app = GeeTestMiddleware(site, protect=[Rule("POST /graphql", fields="extensions.captcha")])
    for extensions, status in (({}, 403), ({"captcha": geetest.token()}, 200)):
        body = {"query": "{ items { id } }", "extensions": extensions}
        assert ask(app, "POST", "/graphql", json=body).status_code == status


def test_native_apps_have_an_id_of_their_own(geetest: GeeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_CAPTCHA_ID", "app-id")
    monkeypatch.setenv("APP_CAPTCHA_KEY", "app-key")
    app = PAGE.run("APP_CAPTCHA_ID", app=site)["app"]
    assert ask(app, "POST", "/app/login", headers=geetest.headers()).json()["outcome"] == "passed"
    assert geetest.calls[-1].parameters["captcha_id"] == "app-id"
    assert ask(app, "POST", "/app/login", data=geetest.token()).status_code == 403
    assert ask(app, "POST", "/login", data=geetest.token()).json()["outcome"] == "passed"
