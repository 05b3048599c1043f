"""The demo as its users meet it: on a terminal, in a pipe, and with the real service's settings."""

import html
import re
import shlex
from dataclasses import replace

import httpx
import pytest
from commands import PROGRAM, command, ended, free_port
from pages import Page
from terminals import on_a_terminal

from geetest_asgi.demo import run_demo
from geetest_asgi.demo.pages import GT4
from geetest_asgi.demo.playground import live_site
from geetest_asgi.demo.story import STORY, Answer
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, GeeTestServer, serve


def rows(output: str) -> list[str]:
    return [line[5:] for line in output.splitlines() if line[5:].startswith(("POST /login", "GET  /login"))]


TOLD = rows(Page("README.md").block("stands in for GeeTest\n").text)


def test_an_output_that_is_no_terminal_ends_after_the_story_and_has_no_colour() -> None:
    """What it prints on one is what the README shows: test_readme.py."""
    done = command("demo", process=True)
    assert (rows(done.stdout), done.returncode, done.stderr) == (TOLD, 0, "")
    assert [word for word in ("\x1b", "Ctrl-C") if word in done.stdout] == []


def test_nothing_in_the_environment_disturbs_it_and_its_port_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    line = ["demo", "--once", "--port", port := free_port()]
    done = command(*line, captcha_id="not the demo's", captcha_key="not its key", api_server="nonsense")
    assert (rows(done.stdout), done.returncode, done.stderr) == (TOLD, 0, "")
    assert f"http://127.0.0.1:{port}/" in done.stdout


def test_a_taken_port_is_said_in_one_line(geetest_server: GeeTestServer) -> None:
    port = geetest_server.url.rpartition(":")[2]
    for mode in ("--once", "--live"):
        done = command("demo", mode, "--port", port)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert f"cannot start on port {port}: " in done.stderr


def test_whoever_reads_the_first_line_only_gets_no_traceback() -> None:
    done = ended(["sh", "-c", f"{shlex.join(PROGRAM)} demo --once | head -1"])
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_a_terminal_is_served_in_colour_until_ctrl_c() -> None:
    with on_a_terminal(["demo"]) as terminal:
        shown = terminal.read_until("Ctrl-C ends it.")
        assert shown.count("\x1b[32mok  \x1b[0m ") == len(TOLD)
        (url,) = re.findall(r"Try it in a browser: (http://[\w.:]+/)", shown)
        assert httpx.post(f"{url}login", trust_env=False).json()["code"] == "captcha_missing"
        assert terminal.press_ctrl_c() == 0


def test_a_row_that_differs_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(STORY[0], expected=Answer(200, "passed"))
    assert run_demo(once=True, story=[wrong, STORY[1]]) == 1
    printed = capsys.readouterr().out
    assert f"FAIL {TOLD[0]}\n       expected: 200 passed\nok   {TOLD[1]}\n" in printed
    assert "1 of 2 rows differ." in printed


def test_the_live_site_asks_the_service_and_loads_its_script_alone(geetest_by_env: GeeTestServer) -> None:
    with serve(live_site()) as url, httpx.Client(base_url=url, trust_env=False) as live:
        page = live.get("/")
        assert f'<script id="gt4" src="{GT4}" data-captcha-id="{DEMO_ID}"></script>' in page.text
        assert page.text.count("://") == 1
        assert "content-security-policy" not in page.headers, "GeeTest's script loads more, from hosts of its own"
        fields = geetest_by_env.token() | {"captcha_id": DEMO_ID}  # getValidate() gives five
        assert live.post("/login", data=fields).json() == {"outcome": "passed", "verified": True}
        for path in ("/demo/token", "/demo/state", "/geetest/v4/gt4.js"):
            assert live.get(path).status_code == 404


def test_an_id_from_the_environment_cannot_leave_its_place_in_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "a\"'/*&b"
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", odd)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", DEMO_KEY)
    with serve(live_site()) as url:
        page = httpx.get(url, trust_env=False).text
    assert (odd in page, html.escape(odd) in page) == (False, True)


@pytest.mark.parametrize(
    ("captcha_id", "said"),
    [("", "Set GEETEST_CAPTCHA_ID and GEETEST_CAPTCHA_KEY in"), (DEMO_ID, "Set GEETEST_CAPTCHA_KEY in")],
)
def test_live_says_what_is_missing(captcha_id: str, said: str) -> None:
    done = command("demo", "--live", captcha_id=captcha_id, captcha_key="")
    assert (done.returncode, done.stdout, said in done.stderr) == (2, "", True)


def test_live_on_the_command_line_serves_tells_no_story_and_logs_decisions(geetest_server: GeeTestServer) -> None:
    with on_a_terminal(["demo", "--live"], env=geetest_server.env) as terminal:
        (url,) = re.findall(r"site\s+(\S+)", terminal.read_until("Ctrl-C ends it."))
        assert httpx.post(f"{url}login", data=geetest_server.token(), trust_env=False).status_code == 200
        terminal.read_until("passed, allowed")
        assert terminal.press_ctrl_c() == 0
        assert rows(terminal.shown) == []
