"""docs/outages.md: its code is run, in an outage and without one; its tables are held against the code."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import name_geetest
from starlette.types import ASGIApp, Receive, Scope, Send

from geetest_asgi import Limits
from geetest_asgi._core.protocol import SERVICES
from geetest_asgi.testing import Simulator, serve

PAGE = (Path(__file__).parent.parent / "docs" / "outages.md").read_text()
STEP_UP, ALARM = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [
    [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
]


def table(head: str) -> list[list[str]]:
    return next(rows[2:] for rows in TABLES if rows[0][0] == head)


@pytest.fixture
def geetest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    simulator = Simulator()
    with serve(simulator) as url:
        name_geetest(monkeypatch, url)
        yield simulator


def test_the_handler_steps_up_by_itself(geetest: Simulator) -> None:
    mail: list[tuple[str, str]] = []
    names: dict[str, Any] = {
        "password_is_right": lambda name, password: password == "right",
        "send_mail": lambda *letter: mail.append(letter),
    }
    exec(compile(STEP_UP, "docs/outages.md", "exec", dont_inherit=True), names)
    ada = {"username": "ada", "password": "right"}
    with serve(names["app"]) as site:

        def login(form: dict[str, str]) -> httpx.Response:
            return httpx.post(f"{site}/login", data=form | geetest.token())

        assert login(ada).json() == {"next": "welcome"}
        geetest.down()
        assert login(ada | {"password": "wrong"}).status_code == 401
        assert mail == []
        assert login(ada).json() == {"next": "code"}
        ((name, code),) = mail
        assert name == "ada"
        assert httpx.post(f"{site}/login/code", data={"code": "guessed"}).status_code == 401
        assert httpx.post(f"{site}/login/code", data={"code": code}).json() == {"next": "welcome"}
        assert httpx.post(f"{site}/login/code", data={"code": code}).status_code == 401


def test_the_alarm_has_its_numbers(geetest: Simulator) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"in"})

    names: dict[str, Any] = {"app": app}
    exec(compile(ALARM, "docs/outages.md", "exec", dont_inherit=True), names)
    guard: ASGIApp = names["app"]
    with serve(guard) as site:
        assert httpx.post(f"{site}/login", data=geetest.token()).text == "in"
        geetest.down()
        for _ in range(7):
            assert httpx.post(f"{site}/login", data=geetest.token()).text == "in"
        assert names["decisions"] == {("passed", True): 1, ("unavailable", True): 7}
        assert len(names["out_of_order"]) == 1
        geetest.up()
        ends = time.monotonic() + 20  # a pause of one second, on however busy a machine
        while names["out_of_order"] and time.monotonic() < ends:
            httpx.post(f"{site}/login", data=geetest.token())
            time.sleep(0.05)
        assert names["decisions"]["passed", True] == 2
        assert names["out_of_order"] == set()


def test_the_numbers_are_the_defaults() -> None:
    rows = {row[0].strip("`"): row[1].strip("`") for row in table("`Limits(…)`")}
    assert len(rows) == 5
    assert rows == {name: repr(getattr(Limits(), name)) for name in rows}


def test_the_services_are_those_that_there_are() -> None:
    rows = {row[0].strip("`"): tuple(re.findall(r"`([^`]+)`", row[1])) for row in table("name")}
    assert rows == SERVICES


def test_the_story_has_the_numbers_of_the_defaults() -> None:
    limits = Limits()
    pause, pauses = limits.breaker_pause, list[str]()
    while len(pauses) < 6:
        pauses.append(f"{pause:g}")
        pause = min(2 * pause, limits.breaker_longest_pause)
    assert f"after {', '.join(pauses)} … s" in PAGE
    assert f"calls past {limits.max_in_flight} at one time" in PAGE
    assert f"up to {limits.unverified_per_second} a second, up to {limits.unverified_per_client} a minute" in PAGE
    assert f"lets in {limits.unverified_per_second * limits.breaker_longest_pause:g} more" in PAGE
