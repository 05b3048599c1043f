"""`python -m geetest_asgi match`: the decision that the guard would make, and how it comes about."""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
import pytest
from commands import ROOT, command
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.__main__ import main


def match(method: str, path: str, *arguments: str, cwd: Path = ROOT) -> tuple[int, str]:
    done = command("match", method, path, *arguments, captcha_id="", captcha_key="", cwd=cwd)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_protected_request_is_explained() -> None:
    status, said = match("POST", "//LOGIN%0a?next=/", "--protect", "GET /x", "--protect", "POST /login")
    assert status == 0
    assert said.startswith("POST //LOGIN%0a\n  ok    protected by rule 2, POST /login\n")
    forms = {row.split()[0]: " ".join(row.split()[1:]) for row in said.splitlines() if row.startswith("  /")}
    assert forms == {"//LOGIN\\n": "- -", "//LOGIN": "- -", "/LOGIN\\n": "- -", "/LOGIN": "rule 2 -"}
    assert "fields from   body" in said
    assert "allow, after 3 s" in said


@pytest.mark.parametrize(
    ("method", "path", "why"),
    [
        ("GET", "/login", "no rule is for GET here (rule 1, POST /login is for POST)"),
        ("POST", "/logn", "no pattern matches; the nearest: POST /login"),
        ("POST", "/api/hook", "rule 2, /api/** matches, but every form of the path is exempt"),
        ("OPTIONS", "/api/x", "rule 2, /api/** is for unsafe"),
        ("WEBSOCKET", "/api/x", "no rule is for WEBSOCKET here"),
    ],
)
def test_an_open_request_is_told_why(method: str, path: str, why: str) -> None:
    status, said = match(method, path, "--protect", "POST /login", "--protect", "/api/**", "--exempt", "/api/hook")
    assert status == 1
    assert why in said
    assert "What follows" not in said


def test_an_exemption_that_does_not_apply_is_told() -> None:
    status, said = match("POST", "//api/hook", "--protect", "/api/**", "--exempt", "/api/hook")
    assert status == 0
    assert "An exemption does not apply" in said
    assert "exempt by" in said


def test_rules_that_come_later_are_named() -> None:
    _, said = match("POST", "/a/b", "--protect", "/a/*", "--protect", "/**")
    assert "protected by rule 1, /a/* (its path is also matched by rule 2, /**)" in said


def test_a_path_that_is_too_long_to_be_looked_at_counts_as_protected() -> None:
    status, said = match("POST", "/" + "a" * 3000, "--protect", "/login")
    assert status == 0
    assert "longer than what is looked at" in said


@pytest.mark.parametrize(("pattern", "status"), [("/login", 0), ("/api/login", 0), ("/other", 1)])
def test_a_root_path_is_put_before_the_path(pattern: str, status: int) -> None:
    assert match("POST", "/login", "--root-path", "/api", "--protect", pattern)[0] == status


def test_behind_a_root_path_an_exemption_wants_both_spellings() -> None:
    rooted = ["--root-path", "/api", "--protect", "/**", "--exempt", "/hook"]
    assert match("POST", "/hook", *rooted)[0] == 0
    assert match("POST", "/hook", *rooted, "--exempt", "/api/hook")[0] == 1


def test_text_beyond_ascii_is_escaped_as_a_browser_does() -> None:
    status, said = match("POST", "/café", "--protect", "/café")
    assert status == 0
    assert said.startswith("POST /caf%C3%A9\n")
    assert said.isascii()


def test_without_anything_to_look_in_it_is_wrong_usage() -> None:
    done = command("match", "POST", "/login")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--app or --protect" in done.stderr


ONE_ROUTE = """
from litestar import Litestar, post
from litestar.middleware import DefineMiddleware

from geetest_asgi import GeeTestMiddleware


@post("/login", middleware=[DefineMiddleware(GeeTestMiddleware)])
async def login() -> str:
    return "in"


app = Litestar([login])
"""


def test_a_guard_on_one_route_is_asked_about_its_own_requests_only(tmp_path: Path) -> None:
    (tmp_path / "one_route.py").write_text(ONE_ROUTE)
    app = ["--app", "one_route:app"]
    with_pair = command("match", "POST", "/login", *app, cwd=tmp_path)
    assert with_pair.returncode == 0
    without = command("match", "POST", "/other", *app, cwd=tmp_path)
    assert without.returncode == 1
    assert "does not come to the guard on /login" in without.stdout


@pytest.mark.parametrize("root_path", ["", "/api"])
def test_a_guard_in_a_mount_has_the_mount_for_its_root_path(tmp_path: Path, root_path: str) -> None:
    (tmp_path / "shop.py").write_text("""\
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from geetest_asgi import GeeTestMiddleware
guard = Middleware(GeeTestMiddleware, protect=["/pay"], captcha_id="a", captcha_key="b")
pay = Route("/pay", Response, methods=["POST"])
app = Starlette(routes=[Mount("/shop", routes=[pay], middleware=[guard]), pay])
""")
    app = ["--app", "shop:app", "--root-path", root_path]
    assert match("POST", "/shop/pay", *app, cwd=tmp_path)[0] == 0
    status, said = match("POST", "/pay", *app, cwd=tmp_path)
    assert (status, "does not come to the guard on /shop/pay" in said) == (1, True)


def test_a_guard_in_front_of_an_app_is_found() -> None:
    done = command("match", "POST", "/orders/webhook", "--app", "examples.starlette_app:app")
    assert done.returncode == 1
    assert "every form of the path is exempt" in done.stdout


TARGETS = st.lists(
    st.sampled_from(["/", "login", "LOGIN", "api", "hook", "%2f", "%0a", "..", ";x", "//", "%20", "?a", "é", "%ff"]),
    max_size=7,
).map(lambda parts: "/" + "".join(parts))
PROTECT = ["POST /login", "/api/**", "GET /api/hook"]
EXEMPT = ["/api/hook"]


@given(st.sampled_from(["GET", "POST", "put", "WEBSOCKET", "OPTIONS"]), TARGETS, st.sampled_from(["", "/api", "/x/"]))
def test_the_status_says_what_the_guard_does(method: str, target: str, root_path: str) -> None:
    """With the scope that uvicorn makes of the same request line."""
    wire = "".join(letter if letter.isascii() else "%C3%A9" for letter in target).partition("?")[0]
    root = root_path.rstrip("/")
    arguments = ["match", method, target, "--root-path", root_path]
    arguments += [part for each in PROTECT for part in ("--protect", each)]
    status = main([*arguments, *(part for each in EXEMPT for part in ("--exempt", each))])
    assert status == (0 if is_guarded(method, root + wire, root) else 1)


def is_guarded(method: str, target: str, root_path: str) -> bool:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if method == "WEBSOCKET" else "http.request"}

    async def send(message: Any) -> None:
        pass

    guard = GeeTestMiddleware(app, protect=PROTECT, exempt=EXEMPT, captcha_id="a", captcha_key="b")
    scope: dict[str, Any] = {
        "type": "websocket" if method == "WEBSOCKET" else "http",
        "method": method.upper(),
        "path": unquote(target),
        "raw_path": target.encode(),
        "root_path": root_path,
        "query_string": b"",
        "headers": [],
    }
    anyio.run(guard, scope, receive, send)
    return not reached


def test_what_is_refused_by_no_rule_is_told_with_the_rules_that_it_falls_between() -> None:
    two = ("--protect", "POST /users/demo", "--protect", "/users/**")
    done = command("match", "POST", "/users/DEMO", *two)
    assert done.returncode == 0
    assert "refused, by no rule: spellings of the path fall under rule 1" in done.stdout
    assert "What follows" not in done.stdout
    assert "refused, by no rule: the path is longer" in command("match", "POST", "/users/" + "a" * 2048, *two).stdout
