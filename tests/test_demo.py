"""The demo as its users meet it: on a terminal, in a pipe, in a browser, and with the real service's settings."""

import html
import logging
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from commands import name_geetest

from geetest_asgi.commands.report import has_colour
from geetest_asgi.demo import command, run_demo, run_live
from geetest_asgi.demo.pages import GT4
from geetest_asgi.demo.playground import Site, live_site
from geetest_asgi.demo.story import STORY, Answer, Step, play
from geetest_asgi.demo.table import write_row
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

ROOT = Path(__file__).parent.parent

TOLD = """\
POST /login  no token                      403 captcha_missing
POST /login  fresh token                   200 passed
POST /login  same token again              403 captcha_replayed
POST /login  expired token                 403 captcha_failed       pass_token expire
POST /login  forged token                  403 captcha_failed       pass_token error
POST /login  gen_time=abc                  403 captcha_malformed
POST /login  GeeTest down, policy deny     503 captcha_unavailable  Retry-After
POST /login  GeeTest down, policy allow    200 unavailable (unverified)
GET  /login  not protected                 200
""".splitlines()

DEMO = [sys.executable, "-m", "geetest_asgi", "demo"]
SECONDS = 15
"""How long anything here may take before it counts as hanging."""


def environment(**more: str) -> dict[str, str]:
    """This process's, without what a developer may have set for a GeeTest of their own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GEETEST_", "NO_COLOR", "TERM"))}
    return clean | {"TERM": "xterm"} | more


def run(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *arguments],
        cwd=ROOT,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )


def rows(output: str) -> list[str]:
    """The lines of the table, without their marks."""
    return [line[5:] for line in output.splitlines() if line[5:].startswith(("POST /login", "GET  /login"))]


@dataclass
class Terminal:
    """A program on a terminal of its own."""

    process: subprocess.Popen[bytes]
    screen: int
    shown: str = ""

    def read_until(self, awaited: str) -> str:
        """What the screen has shown, once this is part of it."""
        ends = time.monotonic() + SECONDS
        while awaited not in self.shown:
            ready, _, _ = select.select([self.screen], [], [], max(0.0, ends - time.monotonic()))
            assert ready, f"no {awaited!r} on the screen:\n{self.shown}"
            try:
                self.shown += os.read(self.screen, 65536).decode().replace("\r\n", "\n")
            except OSError:  # how Linux says that the program has ended
                raise AssertionError(f"ended without {awaited!r}:\n{self.shown}") from None
        return self.shown

    def press_ctrl_c(self) -> int:
        """The exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)


@contextmanager
def on_a_terminal(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    pty = pytest.importorskip("pty", reason="no terminals to be had on this system")
    screen, inside = pty.openpty()
    process = subprocess.Popen(
        [*DEMO, *arguments], cwd=ROOT, env=env or environment(), stdin=inside, stdout=inside, stderr=inside
    )
    os.close(inside)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait(SECONDS)
        os.close(screen)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Served:
    simulator: Simulator
    geetest: str
    site: Site
    url: str


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    simulator = Simulator()
    with serve(simulator) as geetest:
        site = Site(simulator, geetest)
        with serve(site) as url:
            yield Served(simulator, geetest, site, url)


@pytest.fixture
def served(running: Served) -> Served:
    """The demo's two servers, as they were when they started."""
    running.simulator.calls.clear()
    running.site.set(geetest="up", policy="deny")
    running.site.last = None
    return running


@pytest.fixture
def simulator(served: Served) -> Simulator:
    return served.simulator


@pytest.fixture
def browser(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        yield client


# In a pipe


def test_the_story_is_told_word_for_word_and_every_row_is_right() -> None:
    done = run("--once")
    assert rows(done.stdout) == TOLD
    marks = [line[:5] for line in done.stdout.splitlines() if "/login  " in line]
    assert marks == ["ok   "] * len(TOLD)
    assert "All 9 rows are as expected." in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_that_is_no_terminal_ends_after_the_story_and_has_no_colour() -> None:
    done = run()
    assert rows(done.stdout) == TOLD
    assert "\x1b" not in done.stdout
    assert "Ctrl-C" not in done.stdout
    assert done.returncode == 0


def test_nothing_in_the_environment_disturbs_it() -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    done = run(
        "--once",
        env=environment(
            GEETEST_CAPTCHA_ID="not the demo's",
            GEETEST_CAPTCHA_KEY=" ",
            GEETEST_API_SERVER="nonsense",
            HTTP_PROXY=nowhere,
            http_proxy=nowhere,
            ALL_PROXY=nowhere,
        ),
    )
    assert (rows(done.stdout), done.returncode, done.stderr) == (TOLD, 0, "")


def test_the_site_is_at_the_port_that_was_asked_for() -> None:
    port = free_port()
    assert f"http://127.0.0.1:{port}/" in run("--once", "--port", str(port)).stdout


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = run("--once", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"The demo cannot start on port {port}: ")
    assert done.stderr.count("\n") == 1


def test_without_uvicorn_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['uvicorn'] = None; from geetest_asgi.__main__ import main; sys.exit(main(['demo']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 1
    assert "pip install 'geetest-asgi[demo]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_whoever_reads_the_first_line_only_gets_no_traceback() -> None:
    process = subprocess.Popen(
        [*DEMO, "--once"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _, stderr = process.communicate(timeout=SECONDS)
    assert stderr == ""


# On a terminal


def test_a_terminal_is_served_in_colour_until_ctrl_c() -> None:
    with on_a_terminal() as terminal:
        shown = terminal.read_until("Ctrl-C ends it.")
        assert shown.count("\x1b[32mok  \x1b[0m ") == len(TOLD)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert rows(plain) == TOLD
        url = re.search(r"Try it in a browser: (\S+)", plain)
        assert url is not None
        assert httpx.get(url[1], trust_env=False).status_code == 200
        assert httpx.post(f"{url[1]}login", trust_env=False).json()["code"] == "captcha_missing"
        assert terminal.press_ctrl_c() == 0


def test_no_color_and_once_are_heard_on_a_terminal() -> None:
    with on_a_terminal("--once", env=environment(NO_COLOR="1")) as terminal:
        shown = terminal.read_until("All 9 rows are as expected.")
        assert terminal.process.wait(SECONDS) == 0
    assert "\x1b" not in shown
    assert rows(shown) == TOLD


@pytest.mark.parametrize(
    ("settings", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),  # the convention: an empty one says nothing
        ({"TERM": "xterm", "NO_COLOR": "0"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_who_gets_colour(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], coloured: bool) -> None:
    pty = pytest.importorskip("pty", reason="no terminals to be had on this system")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    screen, inside = pty.openpty()
    with open(screen, "rb"), open(inside, "w") as stream:
        assert has_colour(stream) is coloured


# The story


WRONG = replace(STORY[0], expected=Answer(200, "passed"))


def test_a_row_that_differs_is_marked_in_words_and_is_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(once=True, story=[WRONG, STORY[1]]) == 1
    printed = capsys.readouterr().out
    assert f"FAIL {TOLD[0]}\n       expected: 200 passed\nok   {TOLD[1]}\n" in printed
    assert "1 of 2 rows differ." in printed


@pytest.mark.parametrize("expected", [Answer(503, "captcha_missing"), Answer(403, "captcha_failed"), Answer(403)])
def test_status_and_code_both_count(served: Served, expected: Answer) -> None:
    (row,) = play(served.site, served.url, [replace(STORY[0], expected=expected)])
    assert not row.as_expected
    assert row.answer == Answer(403, "captcha_missing")


def test_the_remark_counts_too(served: Served) -> None:
    (row,) = play(served.site, served.url, [replace(STORY[3], expected=Answer(403, "captcha_failed"))])
    assert not row.as_expected


def test_a_row_is_sent_when_it_is_asked_for(served: Served, simulator: Simulator) -> None:
    story = play(served.site, served.url, [STORY[1], STORY[1], STORY[1]])
    next(story)
    assert len(simulator.calls) == 1
    next(story)
    assert len(simulator.calls) == 2


def test_a_row_is_on_the_screen_before_the_next_is_sent(served: Served, tmp_path: Path) -> None:
    (row,) = play(served.site, served.url, [STORY[0]])
    with (tmp_path / "screen").open("w") as stream:
        write_row(row, stream)
        assert (tmp_path / "screen").read_text() == f"ok   {TOLD[0]}\n"


def test_the_reason_is_told_by_on_result_and_not_by_the_answer(served: Served, browser: httpx.Client) -> None:
    denied = browser.post("/login", data=served.site.simulator.token(expired=True))
    assert "expire" not in denied.text
    assert served.site.last is not None
    assert served.site.last.reason == "pass_token expire"


def test_the_switches_are_put_back_after_the_story(served: Served, browser: httpx.Client) -> None:
    for ends_with in (STORY, STORY[:-1]):
        assert all(row.as_expected for row in play(served.site, served.url, ends_with))
        assert browser.get("/demo/state").json() == {"geetest": "up", "policy": "deny"}


def test_a_site_that_does_not_answer_is_a_row_that_differs(served: Served) -> None:
    (row,) = play(served.site, f"http://127.0.0.1:{free_port()}", [STORY[0]])
    assert not row.as_expected
    assert str(row).endswith("0 no answer            ConnectError")


def test_ctrl_c_before_the_end_is_no_success() -> None:
    def ctrl_c(simulator: Simulator, last: Mapping[str, str]) -> Mapping[str, str]:
        raise KeyboardInterrupt

    assert run_demo(once=True, story=[Step("no token", Answer(403, "captcha_missing"), ctrl_c)]) == 130


def test_the_log_is_as_it_was_when_the_demo_has_ended() -> None:
    logger = logging.getLogger("geetest_asgi")
    before = (list(logger.handlers), logger.level, logger.propagate)
    run_demo(once=True, story=[STORY[0]])
    assert (list(logger.handlers), logger.level, logger.propagate) == before
    with command._handler(logging.StreamHandler(), logging.DEBUG):
        assert logger.isEnabledFor(logging.DEBUG)
    assert (list(logger.handlers), logger.level, logger.propagate) == before


# The switches, and what else the page asks for


@pytest.mark.parametrize(
    ("kind", "answer"), [("fresh", (200, "passed")), ("expired", (403, "expire")), ("forged", (403, "error"))]
)
def test_the_page_gets_tokens_of_every_kind(
    served: Served, browser: httpx.Client, kind: str, answer: tuple[int, str]
) -> None:
    fields = browser.get("/demo/token", params={"kind": kind}).json()
    brought = browser.post("/login", data=fields)
    assert served.site.last is not None
    said = served.site.last.reason.removeprefix("pass_token ") or served.site.last.outcome
    assert (brought.status_code, said) == answer


@pytest.mark.parametrize(
    ("policy", "status", "outcome"), [("allow", 200, "unavailable"), ("deny", 503, "captcha_unavailable")]
)
def test_the_switches_of_the_page_work(browser: httpx.Client, policy: str, status: int, outcome: str) -> None:
    wanted = {"geetest": "down", "policy": policy}
    assert browser.post("/demo/state", params=wanted).json() == wanted
    assert browser.get("/demo/state").json() == wanted
    fields = browser.get("/demo/token").json()
    brought = browser.post("/login", data=fields)
    assert brought.status_code == status
    assert outcome in brought.json().values()
    assert browser.post("/demo/state", params={"geetest": "up"}).json() == {"geetest": "up", "policy": policy}
    assert browser.post("/login", data=browser.get("/demo/token").json()).json()["verified"] is True


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("GET", "/demo/token?kind=%3Cb%3E", "fresh, expired, forged"),
        ("POST", "/demo/state?geetest=sideways", "up, down"),
        ("POST", "/demo/state?geetest=down&policy=perhaps", "allow, deny"),
    ],
)
def test_a_wrong_switch_is_answered_and_changes_nothing(
    browser: httpx.Client, method: str, path: str, named: str
) -> None:
    answer = browser.request(method, path)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert browser.get("/demo/state").json() == {"geetest": "up", "policy": "deny"}


def test_both_policies_have_one_memory_of_spent_tokens(served: Served, browser: httpx.Client) -> None:
    fields = served.site.simulator.token()
    assert browser.post("/login", data=fields).status_code == 200
    served.site.policy = "allow"
    assert browser.post("/login", data=fields).json()["code"] == "captcha_replayed"


# Live


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, served: Served) -> Iterator[httpx.Client]:
    """The live site; its GeeTest is named by the environment, and so may be the simulator."""
    name_geetest(monkeypatch, served.geetest)
    with serve(live_site()) as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield client


def test_the_live_page_loads_geetests_script_and_nothing_else_from_outside(live: httpx.Client) -> None:
    page = live.get("/")
    assert GT4 == "https://static.geetest.com/v4/gt4.js"
    assert f'<script id="gt4" src="{GT4}" data-captcha-id="{DEMO_ID}"></script>' in page.text
    assert page.text.count("://") == 1
    assert "content-security-policy" not in page.headers, "GeeTest's script loads more, from hosts of its own"


def test_the_live_site_asks_the_service_and_mints_no_tokens(live: httpx.Client, simulator: Simulator) -> None:
    fields = simulator.token() | {"captcha_id": DEMO_ID}  # getValidate() gives five
    assert live.post("/login", data=fields).json() == {"outcome": "passed", "verified": True}
    assert live.post("/login", data=simulator.token(forged=True)).status_code == 403
    assert live.get("/demo/token").status_code == 404
    assert live.get("/demo/state").status_code == 404
    assert live.get("/geetest/v4/gt4.js").status_code == 404


def test_an_id_from_the_environment_cannot_leave_its_place_in_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "a\"'/*&b"
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", odd)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", DEMO_KEY)
    with serve(live_site()) as url:
        page = httpx.get(url, trust_env=False).text
    assert odd not in page
    assert html.escape(odd) in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Set GEETEST_CAPTCHA_ID and GEETEST_CAPTCHA_KEY in"),
        ({"GEETEST_CAPTCHA_ID": DEMO_ID}, "Set GEETEST_CAPTCHA_KEY in"),
        ({"GEETEST_CAPTCHA_ID": "", "GEETEST_CAPTCHA_KEY": DEMO_KEY}, "Set GEETEST_CAPTCHA_ID in"),
        ({"GEETEST_CAPTCHA_ID": "two words", "GEETEST_CAPTCHA_KEY": DEMO_KEY}, "captcha_id='two words'"),
        (
            {"GEETEST_CAPTCHA_ID": DEMO_ID, "GEETEST_CAPTCHA_KEY": DEMO_KEY, "GEETEST_API_SERVER": "here"},
            "api_server='here'",
        ),
    ],
)
def test_live_says_what_is_missing_or_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: dict[str, str], said: str
) -> None:
    for name in ("GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY", "GEETEST_API_SERVER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert run_live() == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert DEMO_KEY not in captured.err


def test_live_on_the_command_line_serves_tells_no_story_and_logs_decisions(served: Served) -> None:
    env = environment(GEETEST_CAPTCHA_ID=DEMO_ID, GEETEST_CAPTCHA_KEY=DEMO_KEY, GEETEST_API_SERVER=served.geetest)
    with on_a_terminal("--live", env=env) as terminal:
        shown = terminal.read_until("Ctrl-C ends it.")
        assert f"guarded by {served.geetest}" in shown
        url = re.search(r"site\s+(\S+)", shown)
        assert url is not None
        fields = served.simulator.token()
        assert httpx.post(f"{url[1]}login", data=fields, trust_env=False).status_code == 200
        terminal.read_until("passed, allowed")
        assert terminal.press_ctrl_c() == 0
        assert rows(terminal.shown) == []


def test_live_without_settings_is_exit_status_2() -> None:
    done = run("--live")
    assert done.returncode == 2
    assert "GEETEST_CAPTCHA_ID" in done.stderr
    assert "GEETEST_CAPTCHA_KEY" in done.stderr


def test_a_live_site_on_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        env = environment(GEETEST_CAPTCHA_ID=DEMO_ID, GEETEST_CAPTCHA_KEY=DEMO_KEY)
        done = run("--live", "--port", str(port), env=env)
    assert done.returncode == 1
    assert f"cannot start on port {port}" in done.stderr
