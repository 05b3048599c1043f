"""`python -m geetest_asgi check` against a service on a socket: what works, what does not, and what cannot be known."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, SECONDS, command, environment

from geetest_asgi._core.fields.gatherer import fields_from_mapping
from geetest_asgi._core.model import Evidence, Outcome
from geetest_asgi._core.protocol import KEY_CODES
from geetest_asgi.commands import service, verdicts
from geetest_asgi.testing import CODES, DEMO_ID, DEMO_KEY, Simulator, serve

FEW_WORDS = "geetest-asgi: "


@pytest.fixture
def geetest() -> Simulator:
    """With the public pair and no other."""
    return Simulator({DEMO_ID: DEMO_KEY})


@pytest.fixture
def url(geetest: Simulator) -> Iterator[str]:
    with serve(geetest) as url:
        yield url


@pytest.fixture
def closed() -> Iterator[str]:
    """A port that is taken and that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def check(api_server: str, *arguments: str, **pair: str) -> subprocess.CompletedProcess[str]:
    """With time enough for a machine that has much to do."""
    captcha_id, captcha_key = pair.get("captcha_id", DEMO_ID), pair.get("captcha_key", DEMO_KEY)
    waiting = ["check", "--timeout", "10", *arguments]
    return command(*waiting, captcha_id=captcha_id, captcha_key=captcha_key, api_server=api_server)


def line(output: str, mark: str, of: str) -> str:
    """The finding with this mark that speaks of this, in one line."""
    joined = output.replace("\n        ", " ")
    found = [each for each in joined.splitlines() if each.startswith(f"  {mark:4}  ") and of in each]
    assert len(found) == 1, output
    return found[0]


def test_a_good_pair_is_shown_to_be_good(geetest: Simulator, url: str) -> None:
    done = check(url)
    assert (done.returncode, done.stderr) == (0, "")
    assert " ms" in line(done.stdout, "ok", url)
    assert "the id is known, and the key fits" in line(done.stdout, "ok", DEMO_ID[:8])
    assert "Rules" not in done.stdout
    asked = [call.parameters for call in geetest.calls]
    assert len({parameters["lot_number"] for parameters in asked}) == len(asked) == 4, "a token was sent twice"


def test_a_stand_in_is_called_one(url: str) -> None:
    said = check(url).stdout
    line(said, "warn", "a simulator answers")
    line(said, "warn", "this machine, not GeeTest")
    assert said.endswith("\n2 warnings.\n")


def test_a_wrong_key_is_shown_to_be_wrong(url: str) -> None:
    done = check(url, captcha_key="0123456789abcdef0123456789abcdef")
    assert done.returncode == 1
    assert "the key does not belong to this id" in line(done.stdout, "FAIL", DEMO_ID)
    line(done.stdout, "ok", url)


def test_an_unknown_id_is_told_with_the_services_code(url: str) -> None:
    done = check(url, captcha_id="f" * 32)
    assert done.returncode == 1
    assert "-50102 illegal captcha_id: the service does not know this id" in line(done.stdout, "FAIL", "f" * 32)


def test_what_cannot_be_known_is_said() -> None:
    """A simulator without pairs takes any key for an id that it was not told of: so may GeeTest, for all we know."""
    with serve(Simulator()) as url:
        done = check(url, captcha_id="f" * 32)
    assert done.returncode == 0
    assert "the key is not shown to be wrong, nor right" in line(done.stdout, "note", "ffffffff...")


def test_whoever_lets_everybody_in_is_found_out() -> None:
    with serve(Simulator()) as url:
        done = check(url, captcha_id="sim-pass")
    assert done.returncode == 1
    assert "lets everybody in" in line(done.stdout, "FAIL", "sim-pass")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Simulator.down, "HTTP 503"),
        (Simulator.hanging, "no answer in time|this machine's doing"),  # the latter where this machine is busy
        (Simulator.garbled, "the answer is not a JSON object"),
        (lambda geetest: geetest.answers(404), "not GeeTest's /validate"),
        (lambda geetest: geetest.answers(302), "a redirect, which is never followed"),
        (lambda geetest: geetest.answers(body={"hello": "world"}), "not GeeTest's /validate"),
    ],
)
def test_a_service_that_does_not_work_is_told_as_what_it_is(
    geetest: Simulator, url: str, fault: Callable[[Simulator], None], told: str
) -> None:
    fault(geetest)
    done = command("check", api_server=url)
    assert done.returncode == 1
    assert re.search(told, line(done.stdout, "FAIL", url))
    assert "no server answers" in line(done.stdout, "FAIL", DEMO_ID)
    assert len(geetest.calls) == 1


def test_ctrl_c_ends_it_without_a_traceback(geetest: Simulator, url: str, tmp_path: Path) -> None:
    geetest.hanging()
    (tmp_path / "patient.py").write_text("""\
from geetest_asgi import GeeTestMiddleware
async def site(scope, receive, send): ...
app = GeeTestMiddleware(site, timeout=60)
""")
    settings = environment(captcha_id=DEMO_ID, captcha_key=DEMO_KEY, api_server=url) | {"PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-m", "geetest_asgi", "check", "--app", "patient:app"]
    with subprocess.Popen(arguments, cwd=tmp_path, env=settings, stderr=subprocess.PIPE, text=True) as process:
        while not geetest.calls and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SECONDS)
    assert (process.returncode, said) == (130, "")


def test_an_error_that_shows_nothing_is_no_success(geetest: Simulator, url: str) -> None:
    geetest.error("-50000")
    done = check(url)
    assert "shows nothing" in line(done.stdout, "warn", DEMO_ID[:8])
    assert check(url, "--strict").returncode == 1


def test_a_closed_port_is_told_in_the_systems_words(closed: str) -> None:
    done = check(closed)
    assert done.returncode == 1
    assert "Connection refused" in line(done.stdout, "FAIL", closed + " ")


def test_a_name_that_is_not_known_is_told() -> None:
    done = check("https://geetest.invalid")
    assert done.returncode == 1
    assert "the name geetest.invalid is not known" in line(done.stdout, "FAIL", "https://geetest.invalid")


def test_a_backup_that_does_not_answer_is_a_warning_and_the_pair_is_asked_about_elsewhere(
    closed: str, url: str
) -> None:
    both = f"{closed},{url}"
    done = check(both)
    assert done.returncode == 0
    line(done.stdout, "warn", f"{closed}  no connection")
    line(done.stdout, "ok", url)
    assert "the key fits" in line(done.stdout, "ok", DEMO_ID[:8])
    assert check(both, "--strict").returncode == 1


def test_offline_asks_nobody(geetest: Simulator, url: str) -> None:
    done = command("check", "--offline", api_server=url)
    assert done.returncode == 0
    assert not geetest.calls
    assert "Servers" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        ([], {"captcha_key": "a key"}, "captcha_key=…"),
        ([], {"api_server": "http://geetest.invalid"}, "use https"),
        (["--protect", "login"], {}, "must begin with '/'"),
        (["--exempt", "/x"], {}, "--protect"),
        (["--factory"], {}, "--app"),
        (["--timeout", "0"], {}, "timeout=0.0: give a positive number"),
        (["--timeout", "1", "--app", "x:y"], {}, "brings its own timeout"),
        (["--app", "x:y", "--protect", "/x"], {}, "brings its own patterns"),
        (["--app", "nonsense"], {}, "package.module:attribute"),
        (["--app", "no_such_module:app"], {}, "there is no module 'no_such_module'"),
        (["--app", "examples.plain_asgi:nothing"], {}, "has no 'nothing'"),
        (["--app", "examples.plain_asgi:site"], {}, "no GeeTestMiddleware was found. Looked through: function"),
        (["--app", "examples.plain_asgi:json"], {}, "no ASGI application"),
        (["--start"], {}, "--start runs an app: give --app too"),
        (["--page", "http://x/"], {}, "--offline asks nobody"),
        ([], {"captcha_key": "'quoted'"}, "has quotes around it"),
    ],
)
def test_what_cannot_be_meant_is_status_2_and_told_on_standard_error(
    arguments: list[str], settings: dict[str, str], told: str
) -> None:
    captcha_id, captcha_key = settings.get("captcha_id", DEMO_ID), settings.get("captcha_key", DEMO_KEY)
    server = settings.get("api_server", "")
    done = command("check", "--offline", *arguments, captcha_id=captcha_id, captcha_key=captcha_key, api_server=server)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.startswith(FEW_WORDS)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        ([], {"captcha_id": ""}, "GEETEST_CAPTCHA_ID"),
        ([], {"captcha_key": ""}, "GEETEST_CAPTCHA_KEY"),
        (["--app", "examples.starlette_app:app"], {"captcha_id": ""}, "GEETEST_CAPTCHA_ID"),
        (["--page", "shop.example/login"], {}, "give a whole address"),
        (["--page", "file:///etc/passwd"], {}, "give a whole address"),
    ],
)
def test_what_must_be_there_to_ask_is_told(arguments: list[str], settings: dict[str, Any], told: str) -> None:
    """Looking at a configuration alone needs no pair."""
    done = command("check", *arguments, **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    if "captcha" in "".join(settings):
        assert command("check", "--offline", *arguments, **settings).returncode == 0


def test_an_app_that_cannot_be_imported_shows_its_own_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    done = command("check", "--offline", "--app", "broken:app", cwd=tmp_path)
    assert done.returncode == 2
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert f"{FEW_WORDS}importing broken failed: ZeroDivisionError" in done.stderr


def test_a_missing_import_inside_the_app_is_not_taken_for_a_missing_app(tmp_path: Path) -> None:
    (tmp_path / "needy.py").write_text("import no_such_thing\n")
    done = command("check", "--offline", "--app", "needy:app", cwd=tmp_path)
    assert done.returncode == 2
    assert "No module named 'no_such_thing'" in done.stderr
    assert "importing needy failed: ModuleNotFoundError" in done.stderr


def test_the_app_of_the_current_directory_is_read_and_each_of_its_pairs_is_asked_about(
    tmp_path: Path, geetest: Simulator, url: str
) -> None:
    (tmp_path / "shop.py").write_text(f"""\
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from geetest_asgi import GeeTestMiddleware, Rule

def make():
    app = Starlette(routes=[Route("/a", Response, methods=["POST"]), Route("/b", Response, methods=["POST"])])
    wrong = Rule("/b", captcha_id="{DEMO_ID}", captcha_key="not-its-key")
    return GeeTestMiddleware(app, protect=["/a", wrong, "/a/b/c"], api_server="{url}", timeout=10)
""")
    done = command("check", "--app", "shop:make", "--factory", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "the key fits" in line(done.stdout, "ok", DEMO_ID[:8])
    assert "the key does not belong" in (wrong := line(done.stdout, "FAIL", DEMO_ID))
    assert wrong.endswith("used by /b")
    assert "not-its-key" not in done.stdout
    assert "rule 3 protects no route" in line(done.stdout, "warn", "rule 3")
    assert len(geetest.calls) == 6
    assert "add --factory" in command("check", "--app", "shop:make", cwd=tmp_path).stderr


def test_while_a_key_is_replaced_one_that_works_is_enough(url: str) -> None:
    done = check(url, captcha_key=f"new-and-not-known-yet,{DEMO_KEY}")
    assert done.returncode == 0
    assert "one of its keys does not work, another does (sign_token error)" in line(done.stdout, "warn", DEMO_ID[:8])
    assert "the key fits" in line(done.stdout, "ok", DEMO_ID[:8])
    assert check(url, captcha_key="neither,works").returncode == 1


def test_what_comes_with_each_request_is_said_not_to_be_looked_at(tmp_path: Path, url: str) -> None:
    (tmp_path / "tenants.py").write_text("""\
from geetest_asgi import GeeTestMiddleware

async def site(scope, receive, send): ...
app = GeeTestMiddleware(site, protect=["/a"], credentials=lambda scope: None)
""")
    done = command("check", "--app", "tenants:app", cwd=tmp_path, captcha_id="", captcha_key="", api_server=url)
    assert done.returncode == 0
    line(done.stdout, "note", "/a  its id and key come with each request")
    assert "by request" in done.stdout


def test_a_rule_that_is_off_asks_nobody(tmp_path: Path) -> None:
    (tmp_path / "off.py").write_text("""\
from geetest_asgi import GeeTestMiddleware

async def site(scope, receive, send): ...
app = GeeTestMiddleware(site, protect=["/a"], mode="off")
""")
    done = command("check", "--app", "off:app", cwd=tmp_path, captcha_id="", captcha_key="")
    assert done.returncode == 0
    assert "Servers" not in done.stdout
    assert "denies nobody" in line(done.stdout, "warn", "rule 1")


def test_a_rule_that_asks_only_when_needed_says_when(tmp_path: Path) -> None:
    (tmp_path / "later.py").write_text("""\
from geetest_asgi import AfterFailures, GeeTestMiddleware, Rule

async def site(scope, receive, send): ...
app = GeeTestMiddleware(site, protect=["/a", Rule("/b", when=AfterFailures(5, seconds=60))])
""")
    done = command("check", "--offline", "--app", "later:app", cwd=tmp_path)
    assert "rule 1 matches /a\n" in done.stdout
    assert "rule 2 needs a captcha when AfterFailures(5, seconds=60) says so\n" in done.stdout


# The pure part


def test_the_token_that_nobody_solved_has_the_right_shape() -> None:
    token = service.impossible_token()
    found = fields_from_mapping({name: getattr(token, name) for name in token.__slots__}, 8192)
    assert found == token
    assert service.impossible_token().lot_number != token.lot_number


FAILS = ["pass_token error", "pass_token expire", "pass_token used", "something new"]
WRONG_KEY = Evidence(Outcome.MISCONFIGURED, "sign_token error")


@pytest.mark.parametrize("reason", FAILS)
def test_a_key_fits_only_where_another_is_answered_otherwise(reason: str) -> None:
    failed = Evidence(Outcome.FAILED, reason)
    assert verdicts.on_pair(failed, WRONG_KEY)[0] == "ok"
    assert verdicts.on_pair(failed, failed)[0] == "note"
    assert verdicts.on_pair(failed, Evidence(Outcome.UNAVAILABLE, "no answer in time"))[0] == "note"


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_verdict(code: str) -> None:
    ours = code in KEY_CODES
    evidence = Evidence(Outcome.MISCONFIGURED if ours else Outcome.REFUSED, CODES[code], code)
    assert verdicts.answered(evidence)
    assert verdicts.on_pair(evidence, evidence)[0] == (
        "FAIL" if ours else "note" if code.startswith("-503") else "warn"
    )


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.BUSY, Outcome.MISCONFIGURED, Outcome.REFUSED])
def test_what_is_no_answer_is_never_taken_for_one(outcome: Outcome) -> None:
    evidence = Evidence(outcome, "HTTP 404")
    assert not verdicts.answered(evidence)
    assert verdicts.on_pair(evidence, WRONG_KEY)[0] == "FAIL"


def test_what_a_server_says_is_fit_for_a_terminal() -> None:
    odd = Evidence(Outcome.REFUSED, "\x1b[2J\u202eé\n", "-1")
    mark, said = verdicts.on_pair(odd, odd)
    assert (mark, said.isprintable(), said.isascii()) == ("warn", True, True)
    assert verdicts.why_not(Evidence(Outcome.UNAVAILABLE, "\x1b[2J\n")).isprintable()
