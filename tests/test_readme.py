"""The README does what it says: every block is run, every table is held against the code."""

import ast
import dataclasses
import inspect
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from projects import run_pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from test_demo import environment, on_a_terminal

from geetest_asgi import ConfigError, GeeTestMiddleware, Limits, Outcome, Rule, geetest_result
from geetest_asgi.denials import DENIALS
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SECONDS = 15

# Reading it


@dataclasses.dataclass(frozen=True)
class Block:
    section: str
    language: str
    text: str


def blocks() -> Iterator[Block]:
    section = ""
    for heading, language, text in re.findall(r"^#+ ([^\n]+)$|^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        section = heading or section
        if not heading:
            yield Block(section, language, text)


BLOCKS = list(blocks())
EXECUTED: dict[int, str] = {}
"""The number of a block → the test that runs it."""


def block(text: str) -> Block:
    """The block that has these words in it, as no other has."""
    (found,) = [each for each in BLOCKS if text in each.text]
    return found


Test = TypeVar("Test", bound=Callable[..., object])


def executes(*texts: str) -> Callable[[Test], Test]:
    """This test runs the blocks of the README that have these words in them."""

    def mark(test: Test) -> Test:
        EXECUTED.update({BLOCKS.index(block(text)): test.__name__ for text in texts})
        return test

    return mark


def tables() -> dict[str, list[list[str]]]:
    """The rows of each table, by the first cell of its head."""
    found = {}
    for table in re.findall(r"(?:^\|.*\n)+", README, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        found[rows[0][0]] = rows[2:]
    return found


TABLES = tables()


def codes(cell: str) -> list[str]:
    """What stands between back-ticks."""
    return re.findall(r"`([^`]+)`", cell)


# What the blocks are run with


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator()
    with serve(simulator) as url:
        yield simulator, url


@pytest.fixture
def geetest(running: tuple[Simulator, str], monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """GeeTest, up and asked nothing yet, and an environment that names it."""
    simulator, url = running
    simulator.up()
    simulator.calls.clear()
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", simulator.captcha_id)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", simulator.captcha_key)
    monkeypatch.setenv("GEETEST_API_SERVER", url)
    return simulator


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """Anybody's app: it says what the guard has decided, if there was one to decide."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        return
    request = Request(scope, receive)
    await request.body()
    found = (scope.get("state") or {}).get("geetest")
    answer = {}
    if found is not None:  # not `if found`, which asks whether a human was verified
        answer = {"outcome": found.outcome, "verified": found.verified, "rule": found.rule}
    await JSONResponse(answer)(scope, receive, send)


def run_python(text: str, **given: Any) -> dict[str, Any]:
    """Run the block with this text in it; the value is what it has defined."""
    assert block(text).language == "python"
    namespace = {"__name__": "__readme__", **given}
    exec(compile(block(text).text, f"README.md, the block with {text!r}", "exec"), namespace)
    return namespace


def ask(
    app: ASGIApp, method: str, path: str, *, headers: Mapping[str, str] | None = None, **body: Any
) -> httpx.Response:
    """One request in process. The target is sent as it stands."""

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, f"http://test{path}", headers=headers, **body)

    return anyio.run(sent)


def guarded(**settings: Any) -> GeeTestMiddleware:
    return GeeTestMiddleware(site, **settings)


# The blocks


def test_no_block_is_without_a_test() -> None:
    assert sorted(EXECUTED) == list(range(len(BLOCKS)))


_ENVIRONMENT = "python3 -m venv .venv && .venv/bin/"
COMMANDS = {
    "pip install -qe '.[demo]'": f"{_ENVIRONMENT}pip install -qe '.[demo]' && .venv/bin/python -m geetest_asgi demo\n",
    "pip install -qe '.[test]'": f"{_ENVIRONMENT}pip install -qe '.[test]' && .venv/bin/python -m pytest\n",
}


@executes(*COMMANDS)
def test_the_two_commands_stand_as_they_are_copied() -> None:
    assert {text: block(text).text for text in COMMANDS} == COMMANDS
    assert {block(text).language for text in COMMANDS} == {"sh"}


@executes("stands in for GeeTest\n")
def test_the_demo_prints_what_the_readme_shows() -> None:
    assert block("pip install -qe '.[demo]'").text.split()[-3:] == ["-m", "geetest_asgi", "demo"]
    with on_a_terminal(env=environment(NO_COLOR="1")) as terminal:
        shown = terminal.read_until("Ctrl-C ends it.\n")
        assert terminal.press_ctrl_c() == 0
    assert _numbered(shown) == _numbered(block("stands in for GeeTest\n").text)


def _numbered(text: str) -> str:
    """The ports by the order in which they come up: each run has others, but the same in the same places."""
    ports = list(dict.fromkeys(re.findall(r"127\.0\.0\.1:(\d+)", text)))
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:PORT{ports.index(found[1])}", text)


@executes("from fastapi import FastAPI", "from fastapi import Request")
def test_the_first_lines_protect_a_fastapi_app_and_its_handler_reads_the_decision(geetest: Simulator) -> None:
    app = run_python("from fastapi import FastAPI")["app"]
    run_python("from fastapi import Request", app=app)
    with serve(app) as url, httpx.Client(base_url=url, trust_env=False) as browser:
        assert browser.post("/login").json()["code"] == "captcha_missing"
        assert browser.post("/api/orders/7").json()["code"] == "captcha_missing"
        assert browser.post("/login", data=geetest.token()).json() == {"next": "welcome", "captcha": "slide"}
        geetest.down()
        assert browser.post("/login", data=geetest.token()).json() == {"next": "second factor"}
    assert len(block("from fastapi import FastAPI").text.strip().splitlines()) == 6


@executes("HTTP/1.1 403 Forbidden")
def test_a_refused_client_gets_what_the_readme_shows(geetest: Simulator) -> None:
    head, _, body = block("HTTP/1.1 403 Forbidden").text.partition("\n\n")
    status, *headers = head.splitlines()
    with serve(guarded(protect=["POST /login"])) as url:
        denied = httpx.post(f"{url}/login", trust_env=False)
        page = httpx.post(f"{url}/login", headers={"accept": "text/html"}, trust_env=False)
    assert f"{denied.http_version} {denied.status_code} {denied.reason_phrase}" == status
    for name, _, value in (line.partition(": ") for line in headers):
        assert denied.headers[name] == value
    assert denied.json() == json.loads(body)
    assert page.headers["content-type"].startswith("text/html")


@executes('captcha_id="another-id"')
def test_a_rule_has_settings_of_its_own(geetest: Simulator) -> None:
    app = run_python('captcha_id="another-id"', app=site)["app"]
    other = geetest.token(captcha_id="another-id")
    registered = ask(app, "POST", "/register", data=other)
    assert (registered.json()["outcome"], registered.json()["rule"]) == ("passed", "POST /register")
    assert geetest.calls[0].parameters["captcha_id"] == "another-id"
    assert ask(app, "POST", "/login", data=geetest.token(captcha_id="another-id")).status_code == 403
    assert ask(app, "POST", "/api/x", data=geetest.token()).json()["outcome"] == "missing", "looked at the body"
    geetest.down()
    assert ask(app, "POST", "/register", data=geetest.token(captcha_id="another-id")).status_code == 503
    assert ask(app, "POST", "/login", data=geetest.token()).json()["verified"] is False


@executes("def skip(scope)")
def test_the_hooks_of_the_readme_skip_and_accept(geetest: Simulator) -> None:
    app = run_python("def skip(scope)", app=site)["app"]
    assert ask(app, "POST", "/login", headers={"x-api-key": "change-me"}).json()["outcome"] == "skipped"
    assert ask(app, "POST", "/login", headers={"x-api-key": "change-m"}).status_code == 403
    assert ask(app, "POST", "/login", data=geetest.token()).json()["outcome"] == "passed"
    args = {"user_ip": "192.0.2.7"}
    geetest.answers(body={"status": "success", "result": "success", "reason": "", "captcha_args": args})
    assert ask(app, "POST", "/login", data=geetest.token()).json()["code"] == "captcha_failed"


@executes("async def register(request)")
def test_the_handler_that_asks_last_asks_once_its_form_is_right(geetest: Simulator) -> None:
    app = run_python("async def register(request)")["app"]
    token = geetest.token()
    assert ask(app, "POST", "/register", data=token | {"email": "ada"}).status_code == 422
    assert not geetest.calls
    assert (
        ask(app, "POST", "/register", data=token | {"email": "ada@example.org"}).json()["welcome"] == "ada@example.org"
    )
    assert ask(app, "POST", "/register", data=token | {"email": "ada@example.org"}).json() == {"error": "captcha"}
    assert ask(app, "POST", "/register").json()["code"] == "captcha_missing"


@executes("async def is_human")
@pytest.mark.anyio
async def test_a_handler_may_ask_by_itself(geetest: Simulator) -> None:
    defined = run_python("async def is_human")
    assert await defined["is_human"](geetest.token()) is True
    assert await defined["is_human"](geetest.token(expired=True)) is False
    assert await defined["is_human"]({}) is False
    geetest.down()
    assert await defined["is_human"](geetest.token()) is False
    await defined["geetest"].aclose()


@executes("def test_login(geetest)")
def test_the_fixture_makes_a_test_as_the_readme_writes_it(tmp_path: Path) -> None:
    shop = block("from fastapi import FastAPI").text + block("from fastapi import Request").text
    ran = run_pytest(tmp_path, {"shop.py": shop, "test_shop.py": block("def test_login(geetest)").text})
    assert ran.counts == {"passed": 1}, ran.text


@executes("with serve(geetest) as url")
def test_the_simulator_on_a_socket_makes_a_test_as_the_readme_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEETEST_API_SERVER", "GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY"):
        monkeypatch.setenv(name, "taken back at the end of this test")
    monkeypatch.syspath_prepend(ROOT)  # where a reader of the README stands
    run_python("with serve(geetest) as url")


@contextmanager
def shell(text: str, there: Mapping[str, str], ready: str) -> Iterator[subprocess.Popen[str]]:
    """A block that serves, with these texts in place of others, once something listens at `ready`."""
    assert block(text).language == "sh"
    process = subprocess.Popen(
        ["sh", "-c", _put(block(text).text, {".venv/bin/python": f"exec {sys.executable}", **there})],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _await(process, ready)
        yield process
    finally:
        process.kill()
        process.communicate()


def _put(text: str, there: Mapping[str, str]) -> str:
    for old, new in there.items():
        assert old in text, f"the README no longer says {old}"
        text = text.replace(old, new)
    return text


def _await(process: subprocess.Popen[str], url: str) -> None:
    place = urlsplit(url)
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection((str(place.hostname), place.port or 80), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    process.kill()
    raise AssertionError(f"nothing listens at {url}:\n{process.communicate()[0]}")


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@executes("simulator --port 8077\n", "export GEETEST_API_SERVER", "curl -X POST")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_command_line_is_walked_through_as_the_readme_does(tmp_path: Path) -> None:
    geetest, app = free_port(), free_port()
    ports = {"8077": geetest, "8000": app}
    at_geetest, at_app = (f"http://127.0.0.1:{port}" for port in (geetest, app))
    with (
        shell("simulator --port 8077\n", {"8077": geetest}, at_geetest),
        shell("export GEETEST_API_SERVER", ports, at_app),
    ):
        said = [_curl(_put(line, {old: new for old, new in ports.items() if old in line})) for line in LINES]
    assert [each.get("code") or each.get("outcome") or each.get("mode") for each in said[:-1]] == [
        "captcha_missing",
        "passed",
        "captcha_failed",
        "down",
        "unavailable",
    ]
    assert [call["result"] or call["status"] for call in said[-1]["calls"]] == ["success", "fail", 503]


LINES = block("curl -X POST").text.splitlines()


def _curl(line: str) -> dict[str, Any]:
    """One line of the block in a shell. `-q` would be no part of it: curl's own settings are left to the reader."""
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=SECONDS, env=_no_proxies())
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer if isinstance(answer, dict) else {"calls": answer}


def _no_proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


# The tables


@pytest.mark.parametrize("row", TABLES["written"], ids=lambda row: row[0])
def test_each_pattern_protects_what_its_row_says_and_no_more(geetest: Simulator, row: list[str]) -> None:
    written, _, protected, free = (codes(cell) for cell in row)
    for pattern in written:
        compiled = re.compile(ast.literal_eval(pattern[11:-1])) if pattern.startswith("re.compile(") else pattern
        app = guarded(protect=[compiled])
        assert {request: is_denied(app, request) for request in protected} == dict.fromkeys(protected, True)
        assert {request: is_denied(app, request) for request in free} == dict.fromkeys(free, False)
    assert protected
    assert free


def is_denied(app: ASGIApp, request: str) -> bool:
    method, _, path = request.partition(" ")
    if method == "WEBSOCKET":
        return websocket_is_denied(app, path)
    return ask(app, method, path).status_code == 403


def websocket_is_denied(app: ASGIApp, path: str) -> bool:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "headers": [], "query_string": b""}
    anyio.run(app, scope, receive, send)
    return [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("path", ["//login", "/LOGIN", "/login/", "/login%0A"])
def test_other_spellings_of_a_path_are_covered(geetest: Simulator, path: str) -> None:
    assert f"`{path}`" in README
    assert is_denied(guarded(protect=["/login"]), f"POST {path}")


def test_a_preflight_passes_always(geetest: Simulator) -> None:
    preflight = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    assert ask(guarded(protect=["* /login"]), "OPTIONS", "/login", headers=preflight).status_code == 200
    assert ask(guarded(protect=["* /login"]), "OPTIONS", "/login").status_code == 403


def test_without_patterns_everything_is_protected(geetest: Simulator) -> None:
    assert ask(guarded(), "GET", "/").status_code == 403


Fields = Mapping[str, str]
Way = Callable[[ASGIApp, Fields], httpx.Response]

SOURCES = {codes(source)[0]: what for source, what in TABLES["source"]}
*FOUR_HEADERS, ONE_HEADER = codes(SOURCES['"header"'])


def by_four_headers(app: ASGIApp, fields: Fields) -> httpx.Response:
    names = {name: name.removeprefix("X-GeeTest-").lower().replace("-", "_") for name in FOUR_HEADERS}
    return ask(app, "POST", "/login", headers={header: fields[field] for header, field in names.items()})


def as_json_of_another_type(app: ASGIApp, fields: Fields) -> httpx.Response:
    headers = {"content-type": "application/vnd.site+json"}
    return ask(app, "POST", "/login", content=json.dumps(dict(fields)), headers=headers)


WAYS: dict[str, list[Way]] = {
    '"body"': [
        lambda app, fields: ask(app, "POST", "/login", data=dict(fields)),
        lambda app, fields: ask(app, "POST", "/login", files={name: (None, fields[name]) for name in fields}),
        lambda app, fields: ask(app, "POST", "/login", json=dict(fields)),
        as_json_of_another_type,
    ],
    '"query"': [lambda app, fields: ask(app, "POST", f"/login?{httpx.QueryParams(dict(fields))}")],
    '"header"': [
        by_four_headers,
        lambda app, fields: ask(app, "POST", "/login", headers={ONE_HEADER: json.dumps(dict(fields))}),
    ],
}


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_is_read_in_every_way_and_only_where_it_is_asked_for(geetest: Simulator, source: str) -> None:
    app = guarded(sources=[ast.literal_eval(source)])
    for way in WAYS[source]:
        assert way(app, geetest.token()).json()["outcome"] == "passed"
    for way in (way for other, ways in WAYS.items() if other != source for way in ways):
        assert way(app, geetest.token()).json()["code"] == "captcha_missing"


def test_the_sources_are_all_there() -> None:
    assert set(SOURCES) == set(WAYS)
    assert len(FOUR_HEADERS) == 4


def test_the_body_alone_is_the_default(geetest: Simulator) -> None:
    assert inspect.signature(GeeTestMiddleware).parameters["sources"].default == ("body",)


CAMEL = {"lot_number": "lotNumber", "captcha_output": "captchaOutput", "pass_token": "passToken", "gen_time": "genTime"}

SPELLINGS: dict[str, Callable[[Fields], list[object]]] = {
    "None": lambda fields: [dict(fields)],
    '{"lot_number": "lot"}': lambda fields: [{name.replace("lot_number", "lot"): fields[name] for name in fields}],
    '"geetest_"': lambda fields: [{"geetest_" + name: fields[name] for name in fields}],
    '"camelCase"': lambda fields: [{CAMEL[name]: fields[name] for name in fields}],
    '"captcha"': lambda fields: [
        {"captcha": dict(fields)},
        {"captcha": json.dumps(dict(fields))},
        {"captcha": urlsafe_b64encode(json.dumps(dict(fields)).encode()).decode()},
    ],
    '"data.captcha"': lambda fields: [{"data": {"captcha": dict(fields)}}],
}


@pytest.mark.parametrize("row", TABLES["`fields=`"], ids=lambda row: row[0])
def test_each_spelling_of_the_fields_is_understood(geetest: Simulator, row: list[str]) -> None:
    setting, shown = codes(row[0])[0], codes(row[1])[0]
    app = guarded(fields=ast.literal_eval(setting))
    for number in range(len(SPELLINGS[setting](geetest.token()))):
        body = SPELLINGS[setting](geetest.token())[number]
        assert ask(app, "POST", "/login", json=body).json()["outcome"] == "passed"
        if number == 0:
            names = re.findall(r'"(\w+)"', shown)
            assert names
            assert [name for name in names if f'"{name}"' not in json.dumps(body)] == []
    assert set(SPELLINGS) == {codes(each[0])[0] for each in TABLES["`fields=`"]}


def test_a_form_sends_the_container_as_text(geetest: Simulator) -> None:
    app = guarded(fields="captcha")
    assert ask(app, "POST", "/login", data={"captcha": json.dumps(geetest.token())}).json()["outcome"] == "passed"


def test_the_outcomes_are_all_there_and_are_answered_as_the_table_says() -> None:
    rows = {codes(row[0])[0]: row[2:] for row in TABLES["outcome"]}
    assert list(rows) == [str(outcome) for outcome in Outcome]
    for name, (let_in, denial, retry) in rows.items():
        if let_in == "yes":
            assert (denial, retry, Outcome(name) in DENIALS) == ("", "", False)
            continue
        told = DENIALS[Outcome(name)]
        assert (denial, retry) == (str(told.status), f"`{told.retry}`")
        assert let_in == ("by `on_unavailable`" if name == "unavailable" else "no")


def test_the_options_are_all_there_with_their_defaults() -> None:
    shown = {name: codes(row[1])[0] for row in TABLES["keyword"] for name in codes(row[0])}
    parameters = inspect.signature(GeeTestMiddleware).parameters
    keywords = {name: each.default for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}
    assert {name: ast.literal_eval(default) for name, default in shown.items()} == keywords
    assert list(shown) == list(keywords)


def test_the_limits_are_all_there_with_their_defaults() -> None:
    shown = {codes(row[0])[0]: ast.literal_eval(codes(row[1])[0]) for row in TABLES["`Limits(…)`"]}
    assert shown == dataclasses.asdict(Limits())
    assert f"up to {Limits().unverified_per_second} unverified requests a second" in README


def test_a_result_has_the_attributes_that_are_named() -> None:
    named = re.search(r"`bool\(result\)` is `result\.(\w+)`.*?The rest: (.*?)\. On", README, re.DOTALL)
    assert named is not None
    from geetest_asgi import GeeTestResult

    assert {named[1], *codes(named[2])} == {field.name for field in dataclasses.fields(GeeTestResult)}


# The sentences that are promises


def test_an_unprotected_path_names_the_patterns_that_are(geetest: Simulator) -> None:
    async def asks(scope: Scope, receive: Receive, send: Send) -> None:
        geetest_result(scope)

    with pytest.raises(LookupError, match="POST /login"):
        ask(GeeTestMiddleware(asks, protect=["POST /login"]), "POST", "/other")


def test_a_missing_key_is_an_error_and_not_an_open_door(geetest: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEETEST_CAPTCHA_KEY")
    with pytest.raises(ConfigError, match="GEETEST_CAPTCHA_KEY"):
        guarded()


@pytest.mark.parametrize("lifespan", ["on", "auto"])
def test_a_missing_key_stops_the_start_or_is_answered_500(tmp_path: Path, lifespan: str) -> None:
    (tmp_path / "unset.py").write_text(
        "from starlette.applications import Starlette\n"
        "from starlette.middleware import Middleware\n"
        "from geetest_asgi import GeeTestMiddleware\n"
        "app = Starlette(middleware=[Middleware(GeeTestMiddleware)])\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "unset:app", "--port", port, "--lifespan", lifespan]
    process = subprocess.Popen(
        [*command, "--app-dir", str(tmp_path)],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        if lifespan == "on":
            assert process.wait(SECONDS) != 0
        else:
            _await(process, f"http://127.0.0.1:{port}")
            assert httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 500
    finally:
        process.kill()
        said = process.communicate()[0]
    assert "ConfigError: captcha_id is missing" in said


def test_inside_cors_a_browser_can_read_the_refusal(geetest: Simulator) -> None:
    async def login(request: Request) -> JSONResponse:
        return JSONResponse({})

    app = Starlette(
        routes=[Route("/login", login, methods=["POST"])],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["https://shop.example"]),
            Middleware(GeeTestMiddleware, protect=["POST /login"]),
        ],
    )
    denied = ask(app, "POST", "/login", headers={"origin": "https://shop.example"})
    assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (403, "https://shop.example")


def test_middleware_that_is_added_last_stands_outermost(geetest: Simulator) -> None:
    app = Starlette()
    app.add_middleware(GeeTestMiddleware, protect=["POST /login"])
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    denied = ask(app, "POST", "/login", headers={"origin": "https://shop.example"})
    assert "access-control-allow-origin" in denied.headers


def test_an_exemption_is_strict(geetest: Simulator) -> None:
    app = guarded(protect=["/**"], exempt=["/hook"])
    assert ask(app, "POST", "/hook").status_code == 200
    assert ask(app, "POST", "//hook").status_code == 403


@pytest.mark.parametrize(("exempt", "status"), [(["/hook"], 403), (["/hook", "/api/hook"], 200)])
def test_behind_a_root_path_both_spellings_are_listed(geetest: Simulator, exempt: list[str], status: int) -> None:
    app = guarded(protect=["/**"], exempt=exempt)

    async def behind_a_root_path(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": "/api"}, receive, send)

    assert ask(behind_a_root_path, "POST", "/api/hook").status_code == status


def test_the_state_is_a_copy(geetest: Simulator) -> None:
    seen = []

    async def writes(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["user"] = "ada"
        await site(scope, receive, send)

    inner = GeeTestMiddleware(writes, protect=["POST /login"])

    async def further_out(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"request_id": 7}
        await inner(scope, receive, send)
        seen.append(scope["state"])

    assert ask(further_out, "POST", "/login", data=geetest.token()).json()["outcome"] == "passed"
    assert seen == [{"request_id": 7}]


def test_after_a_redirect_the_token_is_honoured_once_more(geetest: Simulator) -> None:
    async def login(request: Request) -> JSONResponse:
        return JSONResponse({"verified": geetest_result(request).verified})

    app = GeeTestMiddleware(Starlette(routes=[Route("/login", login, methods=["POST"])]), protect=["POST /login"])
    token = geetest.token()
    assert ask(app, "POST", "/login/", data=token).status_code == 307
    assert ask(app, "POST", "/login", data=token).json() == {"verified": True}
    assert ask(app, "POST", "/login", data=token).status_code == 403


def test_one_token_is_good_for_every_path_under_its_id(geetest: Simulator) -> None:
    app = guarded(protect=["POST /cheap", Rule("POST /costly", captcha_id="another-id", captcha_key="another-key")])
    token = geetest.token()
    assert ask(app, "POST", "/costly", data=token).status_code == 403
    assert ask(guarded(protect=["POST /a", "POST /b"]), "POST", "/b", data=geetest.token()).status_code == 200


def test_the_pair_that_is_shown_is_the_public_one() -> None:
    assert f"GEETEST_CAPTCHA_ID={DEMO_ID} GEETEST_CAPTCHA_KEY={DEMO_KEY}" in block("export GEETEST_API_SERVER").text


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    assert [link for link in links if not _leads_somewhere(link)] == []


def _leads_somewhere(link: str) -> bool:
    name, _, anchor = link.partition("#")
    page = ROOT / (name or "README.md")
    return page.exists() and (not anchor or anchor in _anchors(page.read_text()))


def _anchors(page: str) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
