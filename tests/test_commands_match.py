"""`python -m geetest_asgi match`: the decision that the guard would make, and how it comes about.

That an explanation agrees with the decision for every path: test_explain.py.
"""

from pathlib import Path

import pytest
from commands import ROOT, command


def match(method: str, path: str, *arguments: str, cwd: Path = ROOT) -> tuple[int, str]:
    done = command("match", method, path, *arguments, captcha_id="", captcha_key="", cwd=cwd)
    assert done.stderr == ""
    return done.returncode, done.stdout


SITE = ("--protect", "POST /login", "--protect", "/api/**", "--exempt", "/api/hook")
OPEN = {
    "POST /logn": "no pattern matches; the nearest: POST /login",
    "POST /api/hook": "rule 2, /api/** matches, but every form of the path is exempt",
    "OPTIONS /api/x": "rule 2, /api/** is for unsafe",
    "WEBSOCKET /api/x": "no rule is for WEBSOCKET here",
}


@pytest.mark.parametrize("line", OPEN)
def test_an_open_request_is_told_why(line: str) -> None:
    status, said = match(*line.split(), *SITE)
    assert status == 1
    assert OPEN[line] in said
    assert "What follows" not in said


BETWEEN = ("--protect", "POST /users/demo", "--protect", "/users/**")
AFTER = ("--protect", "/a/*", "--protect", "/**")
MOUNTED = ("--protect", "/hook", "--exempt", "/api/hook", "--root-path", "/api/")
CLOSED: dict[str, tuple[str, tuple[str, ...], str]] = {
    "a query, which is cut off": ("/login?next=/", SITE, "protected by rule 1, POST /login"),
    "rules that come later": ("/a/b", AFTER, "by rule 1, /a/* (its path is also matched by rule 2, /**)"),
    "an exemption of the path with its root path alone": ("/hook", MOUNTED, "POST /api/hook\n"),
    "text beyond ASCII, as a browser escapes it": ("/café", ("--protect", "/café"), "POST /caf%C3%A9\n"),
    "spellings under two rules": ("/users/DEMO", BETWEEN, "no rule: spellings of the path fall under rule 1"),
    "a path past the bounds": ("/users/" + "a" * 2048, BETWEEN, "refused, by no rule: the path is longer"),
}


@pytest.mark.parametrize(("path", "arguments", "told"), CLOSED.values(), ids=CLOSED)
def test_what_is_particular_about_a_protected_request_is_told(path: str, arguments: tuple[str, ...], told: str) -> None:
    status, said = match("POST", path, *arguments)
    assert status == 0
    assert told in said
    assert said.isascii()
    assert ("What follows" in said) == (arguments != BETWEEN)


IN_A_MOUNT = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from geetest_asgi import GeeTestMiddleware
guard = Middleware(GeeTestMiddleware, protect=["/pay"], captcha_id="a", captcha_key="b")
pay = Route("/pay", Response, methods=["POST"])
app = Starlette(routes=[Mount("/shop", routes=[pay], middleware=[guard]), pay])
"""


def test_a_guard_in_a_mount_is_asked_about_its_own_requests(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(IN_A_MOUNT)
    for root_path in ("", "/api"):
        where = ["--app", "shop:app", "--root-path", root_path]
        assert match("POST", "/shop/pay", *where, cwd=tmp_path)[0] == 0
        status, said = match("POST", "/pay", *where, cwd=tmp_path)
        assert (status, "does not come to the guard on /shop/pay" in said) == (1, True)
