"""`geetest-asgi check` against a service on a socket: what works, what does not, and what cannot be known."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Done, command, free_port

from geetest_asgi._core.model import Evidence, Outcome
from geetest_asgi.commands import verdicts
from geetest_asgi.testing import DEMO_ID, DEMO_KEY, Simulator, serve

STRICT, ANY_ID = {DEMO_ID: DEMO_KEY}, None


@pytest.fixture
def geetest() -> Simulator:
    return Simulator(STRICT)


@pytest.fixture
def url(geetest: Simulator) -> Iterator[str]:
    with serve(geetest) as url:
        yield url


def check(api_server: str, *arguments: str, **more: Any) -> Done:
    """With time enough for a machine that has much to do."""
    return command("check", "--timeout", "10", *arguments, api_server=api_server, **more)


def line(done: Done, mark: str, of: str) -> str:
    """The finding with this mark that speaks of this, in one line."""
    joined = done.stdout.replace("\n        ", " ")
    found = [each for each in joined.splitlines() if each.startswith(f"  {mark:4}  ") and of in each]
    assert len(found) == 1, done.stdout + done.stderr
    return found[0]


def test_no_token_is_sent_twice(geetest: Simulator, url: str) -> None:
    """What is printed of a good pair, test_docs_command_line.py compares."""
    assert check(url).returncode == 0
    assert len({call.parameters["lot_number"] for call in geetest.calls}) == len(geetest.calls) == 4


PAIRS: dict[str, tuple[dict[str, str] | None, str, str, str, str]] = {
    "a wrong key": (STRICT, DEMO_ID, "0123456789abcdef" * 2, "FAIL", "the key does not belong to this id"),
    "an unknown id": (STRICT, "f" * 32, DEMO_KEY, "FAIL", "-50102 illegal captcha_id: the service does not know"),
    # For all we know GeeTest takes any key for such an id too.
    "what cannot be known": (ANY_ID, "f" * 32, DEMO_KEY, "note", "the key is not shown to be wrong, nor right"),
    "whoever lets everybody in": (ANY_ID, "sim-pass", DEMO_KEY, "FAIL", "lets everybody in"),
}


@pytest.mark.parametrize(("known", "captcha_id", "captcha_key", "mark", "told"), PAIRS.values(), ids=PAIRS)
def test_what_is_shown_of_a_pair_is_told(
    known: dict[str, str] | None, captcha_id: str, captcha_key: str, mark: str, told: str
) -> None:
    with serve(Simulator(known)) as url:
        done = check(url, captcha_id=captcha_id, captcha_key=captcha_key)
    assert done.returncode == (mark == "FAIL")
    assert told in line(done, mark, captcha_id if mark == "FAIL" else captcha_id[:8])
    line(done, "ok", url)


def test_while_a_key_is_replaced_one_that_works_is_enough(url: str) -> None:
    done = check(url, captcha_key=f"new-and-not-known-yet,{DEMO_KEY}")
    assert done.returncode == 0
    assert "one of its keys does not work, another does (sign_token error)" in line(done, "warn", DEMO_ID[:8])
    assert "the key fits" in line(done, "ok", DEMO_ID[:8])
    assert check(url, captcha_key="neither,works").returncode == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Simulator.down, "HTTP 503"),
        (Simulator.hanging, "no answer in time|this machine's doing"),  # the latter where this machine is busy
        (lambda geetest: geetest.answers(404), "not GeeTest's /validate"),
    ],
)
def test_a_broken_service_is_told(geetest: Simulator, url: str, fault: Callable[[Simulator], None], told: str) -> None:
    fault(geetest)
    done = command("check", "--timeout", "1", api_server=url)
    assert done.returncode == 1
    assert re.search(told, line(done, "FAIL", url))
    assert "no server answers" in line(done, "FAIL", DEMO_ID)
    assert len(geetest.calls) == 1


def test_what_keeps_a_server_from_being_reached_is_told_and_a_backup_is_asked_in_its_place(url: str) -> None:
    closed, unknown = f"http://127.0.0.1:{free_port()}", "https://geetest.invalid"
    for server, told in ((closed, "Connection refused"), (unknown, "the name geetest.invalid is not known")):
        assert told in line(check(server), "FAIL", f"{server} ")
    done = check(both := f"{closed},{url}")
    assert (done.returncode, check(both, "--strict").returncode) == (0, 1)
    line(done, "warn", f"{closed}  no connection")
    line(done, "ok", url)
    assert "the key fits" in line(done, "ok", DEMO_ID[:8])


OFFLINE = "--offline"
WRONG: list[tuple[list[str], dict[str, str], str]] = [
    ([OFFLINE], {"captcha_key": "a key"}, "captcha_key=…"),
    ([OFFLINE, "--protect", "login"], {}, "must begin with '/'"),
    ([OFFLINE, "--factory"], {}, "--app"),
    ([OFFLINE, "--timeout", "0"], {}, "timeout=0.0: give a positive number"),
    ([OFFLINE, "--app", "x:y", "--protect", "/x"], {}, "brings its own patterns"),
    ([OFFLINE, "--app", "../shop:app"], {}, "package.module:attribute"),
    ([OFFLINE, "--app", "no_such_module:app"], {}, "there is no module 'no_such_module'"),
    ([OFFLINE, "--app", "examples.plain_asgi:nothing"], {}, "has no 'nothing'"),
    ([OFFLINE, "--app", "examples.plain_asgi:site"], {}, "no GeeTestMiddleware was found. Looked through: function"),
    ([OFFLINE, "--app", "examples.plain_asgi:json"], {}, "no ASGI application"),
    ([OFFLINE, "--page", "http://x/"], {}, "--offline asks nobody"),
    (["--page", "file://localhost/etc/passwd"], {}, "give a whole address"),
]
NO_PAIR: list[tuple[list[str], dict[str, str], str]] = [
    ([], {"captcha_key": ""}, "GEETEST_CAPTCHA_KEY"),
    (["--app", "examples.starlette_app:app"], {"captcha_id": ""}, "GEETEST_CAPTCHA_ID"),
]


@pytest.mark.parametrize(("arguments", "settings", "told"), WRONG + NO_PAIR)
def test_what_cannot_be_meant_is_status_2(arguments: list[str], settings: dict[str, Any], told: str) -> None:
    done = command("check", *arguments, **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.startswith("geetest-asgi: ")
    assert "Traceback" not in done.stderr


def test_looking_at_a_configuration_alone_asks_nobody_and_needs_no_pair(geetest: Simulator, url: str) -> None:
    for arguments, settings, _ in NO_PAIR:
        assert command("check", OFFLINE, *arguments, api_server=url, **settings).returncode == 0  # type: ignore[arg-type]
    assert geetest.calls == []


HEAD = """\
from geetest_asgi import AfterFailures, GeeTestMiddleware, Rule
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def site(scope, receive, send): ...
"""


def check_app(place: Path, text: str, *arguments: str, **settings: Any) -> Done:
    (place / "shop.py").write_text(text)
    return command("check", *arguments, cwd=place, **settings)


def test_an_app_that_cannot_be_imported_shows_its_own_traceback(tmp_path: Path) -> None:
    """A module that it misses is not taken for a missing app."""
    done = check_app(tmp_path, "import nothing", OFFLINE, "--app", "shop:app")
    assert done.returncode == 2
    assert "\nModuleNotFoundError: " in done.stderr
    assert "importing shop failed: ModuleNotFoundError" in done.stderr


def test_each_pair_of_an_app_is_asked_about(tmp_path: Path, geetest: Simulator, url: str) -> None:
    made = f"""\
def make():
    app = Starlette(routes=[Route("/a", Response, methods=["POST"]), Route("/b", Response, methods=["POST"])])
    wrong = Rule("/b", captcha_id="{DEMO_ID}", captcha_key="not-its-key")
    return GeeTestMiddleware(app, protect=["/a", wrong, "/a/b/c"], api_server="{url}", timeout=10)
"""
    done = check_app(tmp_path, HEAD + made, "--app", "shop:make", "--factory")
    assert done.returncode == 1, done.stderr
    assert "the key fits" in line(done, "ok", DEMO_ID[:8])
    assert line(done, "FAIL", "the key does not belong").endswith("used by /b")
    assert "not-its-key" not in done.stdout
    line(done, "warn", "rule 3 protects no route")
    assert len(geetest.calls) == 6
    assert "add --factory" in command("check", "--app", "shop:make", cwd=tmp_path).stderr


def test_of_an_app_whose_pairs_come_with_each_request_nobody_is_asked(tmp_path: Path, url: str) -> None:
    """And nothing is logged."""
    settings = 'protect=["/a"], credentials=lambda scope: None'
    text = f"import logging\nlogging.basicConfig()\n{HEAD}app = GeeTestMiddleware(site, {settings})\n"
    done = check_app(tmp_path, text, "--app", "shop:app", captcha_id="", captcha_key="", api_server=url, process=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  note  /a  its id and key come with each request" in done.stdout
    assert "Servers" in done.stdout


def test_what_a_server_says_is_fit_for_a_terminal() -> None:
    odd = Evidence(Outcome.REFUSED, "\x1b[2J\u202eé\n", "-1")
    mark, said = verdicts.on_pair(odd, odd)
    assert (mark, said.isprintable(), said.isascii()) == ("warn", True, True)
    assert verdicts.why_not(Evidence(Outcome.UNAVAILABLE, "\x1b[2J\n")).isprintable()


def test_what_is_no_answer_is_never_taken_for_one() -> None:
    wrong_key = Evidence(Outcome.MISCONFIGURED, "sign_token error")
    for outcome in (Outcome.UNAVAILABLE, Outcome.BUSY, Outcome.MISCONFIGURED, Outcome.REFUSED):
        evidence = Evidence(outcome, "HTTP 404")
        assert not verdicts.answered(evidence)
        assert verdicts.on_pair(evidence, wrong_key)[0] == "FAIL", outcome
