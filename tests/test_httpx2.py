"""docs/httpx2.md: what it shows is run, with the guard's own connections and with a client; and it is one line."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest

from geetest_asgi._line import transport as _transport
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

PAGE = (Path(__file__).parent.parent / "docs" / "httpx2.md").read_text()
SHOWN = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
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
def test_the_guard_asks_by_httpx2_alone(way: str) -> None:
    if way == "own" and not hasattr(httpx2, "alias_httpx"):
        pytest.skip("needs httpx2 2.9 or later")
    simulator = Simulator()
    environment = {"GEETEST_CAPTCHA_ID": DEMO_ID, "GEETEST_CAPTCHA_KEY": DEMO_KEY, "PYTHONPATH": ":".join(sys.path)}
    with serve(simulator) as url:
        form = urlencode(simulator.token())
        done = subprocess.run(
            [sys.executable, "-c", SITE + BLOCKS[way] + LOGIN, form],
            env=environment | {"GEETEST_API_SERVER": url},
            capture_output=True,
            text=True,
        )
    assert done.stdout == "200['httpx2']\n", done.stderr
    assert len(simulator.calls) == 1


def test_it_is_the_line_that_is_shown() -> None:
    [diff] = re.findall(r"^```diff\n-(.*)\n\+(.*)\n```$", PAGE, re.MULTILINE)
    assert Path(_transport.__file__).read_text().splitlines().count(diff[0]) == 1
    assert diff[1] == "import httpx2 as httpx"


def test_the_files_and_tests_that_are_named_are_there() -> None:
    tree = Path(__file__).parent
    assert [name for name in re.findall(r"`(tests/[\w/]+\.py)`", PAGE) if not (tree.parent / name).exists()] == []
    assert "def test_no_secret_is_logged_or_answered" in (tree / "edges" / "test_secrets.py").read_text()
