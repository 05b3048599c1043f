"""The command line: what `check` looks at besides the pair and the rules, `--json`, and completion."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from commands import command, free_port, printed
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from geetest_asgi.commands.page import Page, verdict
from geetest_asgi.testing import DEMO_ID, GeeTestServer, serve

APP = """\
import contextlib, pathlib
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from geetest_asgi import GeeTestMiddleware

async def handler(request): ...

{lifespan}
app = Starlette(
    routes=[Route("/login", handler, methods=["POST"]), Route("/logout", handler, methods=["POST"])],
    middleware=[Middleware(GeeTestMiddleware, protect=["POST /login"], store={store!r})],
    lifespan=globals().get("lifespan"),
)
"""


@pytest.fixture
def url(geetest_server: GeeTestServer) -> str:
    return geetest_server.url


def project(place: Path, *, lifespan: str = "", store: str | None = None) -> Path:
    (place / "shop.py").write_text(APP.format(lifespan=lifespan, store=store))
    return place


def check(place: Path, url: str, *arguments: str) -> dict[str, Any]:
    done = command("check", "--json", "--app", "shop:app", *arguments, cwd=place, api_server=url, width=math.inf)
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["status"], done.stderr) == (done.returncode, "")
    return found


def section(found: dict[str, Any], title: str) -> dict[str, Any]:
    (one,) = (each for each in found["sections"] if each["title"].startswith(title))
    return dict(one)


def test_json_has_all_that_the_plain_report_has(tmp_path: Path, url: str) -> None:
    found = check(project(tmp_path), url)
    assert (found["status"], found["failed"], found["warnings"]) == (0, 0, 2)
    assert [each["mark"] for each in section(found, "Servers")["findings"]] == ["ok"]
    (rule,) = section(found, "Rules")["rows"]
    assert (rule["path"], rule["captcha id"], rule["mode"]) == ("/login", DEMO_ID[:8] + "...", "enforce")
    assert section(found, "Routes")["rows"] == [{"method": "POST", "path": "/login", "decision": "by rule 1"}]
    assert section(found, "Open")["rows"] == [{"method": "POST", "path": "/logout", "decision": ""}]
    failed = check(tmp_path, f"http://127.0.0.1:{free_port()}", "--strict")
    assert (failed["status"], failed["failed"]) == (1, 2)


def test_a_store_that_works_and_one_that_does_not(tmp_path: Path, url: str) -> None:
    works = check(project(tmp_path, store=f"sqlite:///{tmp_path / 'spent.db'}"), url)
    assert section(works, "Store")["findings"][0]["mark"] == "ok"
    pytest.importorskip("redis")
    broken = check(project(tmp_path, store="redis://:hunter2@127.0.0.1:1/0"), url)
    (finding,) = section(broken, "Store")["findings"]
    assert (broken["status"], finding["mark"]) == (1, "fail")
    assert finding["text"].startswith("RedisStore fails (ConnectionError")
    assert "hunter2" not in json.dumps(broken)


@pytest.mark.parametrize(
    ("workers", "store", "warns"), [("4", None, True), ("1", None, False), ("4", "sqlite:///spent.db", False)]
)
def test_workers_with_a_memory_each_are_a_warning(
    workers: str, store: str | None, warns: bool, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    found = check(project(tmp_path, store=store), url)
    assert ("Workers" in [each["title"] for each in found["sections"]]) is warns


LIFESPAN = """\
@contextlib.asynccontextmanager
async def lifespan(app):
    told.write_text("up ")
    yield
    told.write_text(told.read_text() + "down")

told = pathlib.Path("told")
"""


def test_start_runs_the_lifespan(tmp_path: Path, url: str) -> None:
    check(project(tmp_path, lifespan=LIFESPAN), url)
    assert not (tmp_path / "told").exists(), "not without --start"
    found = check(tmp_path, url, "--start")
    assert section(found, "Start")["findings"][0]["mark"] == "ok"
    assert (tmp_path / "told").read_text() == "up down"
    for error in ("RuntimeError", "SystemExit"):
        fails = LIFESPAN.replace('told.write_text("up ")', f'raise {error}("no database")')
        found = check(project(tmp_path, lifespan=fails), url, "--start")
        (finding,) = section(found, "Start")["findings"]
        assert (found["status"], finding["mark"]) == (1, "fail")
        assert f"{error}: no database" in finding["text"]


def test_the_public_pair_is_a_warning_where_it_is_not_for_a_simulator(tmp_path: Path) -> None:
    told = "public demonstration id"
    assert told in command("check", "--offline", cwd=tmp_path).stdout
    assert told not in command("check", "--offline", cwd=tmp_path, api_server="http://127.0.0.1:9").stdout
    assert told not in command("check", "--offline", cwd=tmp_path, captcha_id="a" * 32).stdout


OTHER_ID = "b" * 32
CODE = f'initGeetest4({{"captchaId": "{OTHER_ID}"}})'


def test_the_id_in_the_script_of_a_page_is_compared_with_the_rules(url: str) -> None:
    html = HTMLResponse("<script src='/gone.js'></script><script src='/app.js'></script>")
    with serve(Starlette(routes=[Route("/login", html), Route("/app.js", Response(CODE))])) as site:
        done = command("check", "--page", f"{site}/login", api_server=url)
        lost = command("check", "--page", f"{site}/nothing", api_server=url)
    assert (done.returncode, "  FAIL  its captcha_id" in done.stdout) == (1, True)
    assert "/gone.js: HTTP Error 404" in done.stdout.replace("\n        ", " ")
    assert (lost.returncode, "it cannot be read: HTTP Error 404" in lost.stdout) == (1, True)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        (f"captchaId: '{DEMO_ID}'", "ok"),
        (f'{{"captcha_id":"{OTHER_ID}"}}', "FAIL"),
        (f"captchaId:'{DEMO_ID}'; captchaId:'{OTHER_ID}'", "FAIL"),
        ("initGeetest4({captchaId: window.ID})", "note"),
    ],
)
def test_an_id_is_found_however_it_is_written(text: str, mark: str) -> None:
    assert verdict(Page([text]), [DEMO_ID])[0] == mark


OF_BASH = "$(complete -p geetest-asgi | sed 's/.*-F \\([^ ]*\\).*/\\1/')"


def test_bash_completes_by_its_script(tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed: pip install '.[completion]'")
    (script := tmp_path / "completion").write_text(command("completion", "bash", width=math.inf).stdout)
    line = f"source $0; COMP_WORDS=(geetest-asgi check --off); COMP_CWORD=2; {OF_BASH}; echo $COMPREPLY"
    assert printed(["bash", "-c", line, str(script)]) == "--offline\n"


DJANGO = """\
import django
from django.conf import settings
settings.configure(ROOT_URLCONF="shop", SECRET_KEY="x", GEETEST={"protect": ["POST /login/", "/orders/**"]})
django.setup()
from django.core.asgi import get_asgi_application
from django.urls import include, path, re_path
from django.views import View
from geetest_asgi.django import protect

class Orders(View):
    def post(self, request, number): ...

def view(request, **_): ...

urlpatterns = [
    path("login/", view),
    path("orders/", include([path("<int:number>/", Orders.as_view()), path("files/<path:name>", view)])),
    re_path(r"^report/(?P<year>[0-9]{4})/$", Orders.as_view()),
]
app = protect(get_asgi_application())
"""
QUART = """\
from quart import Quart
from geetest_asgi import GeeTestMiddleware

async def view(**_): ...

app = Quart(__name__)
for path in ("/orders/<int:number>", "/logout/<path:where>"):
    app.post(path, endpoint=path)(view)
app.websocket("/ws")(view)
app.asgi_app = GeeTestMiddleware(app.asgi_app, protect=["POST /orders/*"])
"""
CONNEXION = """\
from connexion import AsyncApp, FlaskApp
from geetest_asgi import GeeTestMiddleware

def login(): ...
async def own(request): ...

LOGIN = {"operationId": "shop.login", "responses": {"200": {"description": "well"}}}
PATHS = {"/login": {"post": LOGIN}}
SPECIFICATION = {"openapi": "3.0.0", "info": {"title": "shop", "version": "1"}, "paths": PATHS}

def made(kind):
    found = kind("shop")
    found.add_api(SPECIFICATION, base_path="/v1")
    found.add_url_rule("/own", view_func=own, methods=["POST"])
    return found

by_flask, by_starlette = made(FlaskApp), GeeTestMiddleware(made(AsyncApp), protect=["POST /v1/login"])
by_flask.add_middleware(GeeTestMiddleware, protect=["POST /v1/login"])
"""


BY_CONNEXION = {("POST", "/v1/login"): "by rule 1", ("POST", "/own"): ""}
BY_QUART = {("POST", "/orders/{number}"): "by rule 1", ("POST", "/logout/{where:path}"): "", ("WEBSOCKET", "/ws"): ""}
BY_DJANGO: dict[tuple[str, str], str | None] = {
    ("POST", "/login/"): "by rule 1",
    ("PUT", "/login/"): "",  # a function runs for every method
    ("POST", "/orders/{number}/"): "by rule 2",
    ("PUT", "/orders/{number}/"): None,  # a class has methods
    ("DELETE", "/orders/files/{name:path}"): "by rule 2",
    ("POST", "/report/{year}/ (by a regular expression)"): "",
}


@pytest.mark.parametrize(
    ("framework", "name", "text", "expected"),
    [
        ("django", "app", DJANGO, BY_DJANGO),
        ("quart", "app", QUART, BY_QUART),
        ("connexion", "by_flask", CONNEXION, BY_CONNEXION),
        ("connexion", "by_starlette", CONNEXION, BY_CONNEXION),
    ],
)
def test_the_routes_of_a_framework_are_read(
    framework: str, name: str, text: str, expected: dict[tuple[str, str], str | None], tmp_path: Path
) -> None:
    pytest.importorskip(framework)
    (tmp_path / "shop.py").write_text(text)
    line = ["check", "--json", "--offline", "--start", "--app", f"shop:{name}"]
    done = command(*line, cwd=tmp_path, width=math.inf, process=True)
    rows = [row for each in json.loads(done.stdout)["sections"] for row in each["rows"] if "decision" in row]
    found = {(row["method"], row["path"].replace(":int}", "}")): row["decision"] for row in rows}
    assert {line: found.get(line) for line in expected} == expected
