"""docs/httpx2.md: what it shows is run, with the guard's own connections and with a client; and it is one line."""

import re
import sys
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from commands import printed
from pages import Page

from geetest_asgi._line import transport as _transport
from geetest_asgi.testing import GeeTestServer

PAGE = Page("docs/httpx2.md")
SHOWN = [block.text for block in PAGE.blocks if block.language == "python"]
BLOCKS = dict(zip(["client", "own"], SHOWN, strict=True))

SITE = """
import anyio, sys

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""
LOGIN = """
async def receive():
    return {"type": "http.request", "body": sys.argv[1].encode(), "more_body": False}

async def send(message):
    print(message.get("status", ""), end="")

form = [(b"content-type", b"application/x-www-form-urlencoded")]
anyio.run(app, {"type": "http", "method": "POST", "path": "/login", "headers": form}, receive, send)
print(sorted(name for name, module in sys.modules.items() if name in {"httpx", "httpx2"} and module.__name__ == name))
"""


@pytest.mark.parametrize("way", BLOCKS)
def test_the_guard_asks_by_httpx2_alone(way: str, geetest_server: GeeTestServer) -> None:
    if way == "own" and not hasattr(httpx2, "alias_httpx"):
        pytest.skip("needs httpx2 2.9 or later")
    env = geetest_server.env | {"PYTHONPATH": ":".join(sys.path)}
    line = [sys.executable, "-c", SITE + BLOCKS[way] + LOGIN, urlencode(geetest_server.token())]
    assert printed(line, env=env) == "200['httpx2']\n"
    geetest_server.expect("success")


def test_it_is_the_line_that_is_shown() -> None:
    [diff] = re.findall(r"^-(.*)\n\+(.*)$", PAGE.block("import httpx2 as httpx").text, re.MULTILINE)
    assert Path(_transport.__file__).read_text().splitlines().count(diff[0]) == 1
    assert diff[1] == "import httpx2 as httpx"
