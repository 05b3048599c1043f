"""docs/outages.md: its code is run, in an outage and without one; its tables are held against the code."""

import time

import httpx
import pytest
from pages import Page, codes, site

from geetest_asgi import Limits
from geetest_asgi._core.protocol import SERVICES
from geetest_asgi.testing import GeeTestServer, serve

PAGE = Page("docs/outages.md")


@pytest.fixture
def geetest(geetest_by_env: GeeTestServer) -> GeeTestServer:
    return geetest_by_env


def test_the_handler_steps_up_by_itself(geetest: GeeTestServer) -> None:
    mail: list[tuple[str, str]] = []
    is_right = {"password_is_right": lambda name, password: password == "right"}
    app = PAGE.run("password_is_right", send_mail=lambda *letter: mail.append(letter), **is_right)["app"]
    ada = {"username": "ada", "password": "right"}
    with serve(app) as url:

        def login(form: dict[str, str]) -> httpx.Response:
            return httpx.post(f"{url}/login", data=form | geetest.token())

        assert login(ada).json() == {"next": "welcome"}
        geetest.down()
        assert login(ada | {"password": "wrong"}).status_code == 401
        assert login(ada).json() == {"next": "code"}
        ((name, code),) = mail
        assert name == "ada"
        assert httpx.post(f"{url}/login/code", data={"code": "guessed"}).status_code == 401
        assert httpx.post(f"{url}/login/code", data={"code": code}).json() == {"next": "welcome"}
        assert httpx.post(f"{url}/login/code", data={"code": code}).status_code == 401


def test_the_alarm_has_its_numbers(geetest: GeeTestServer) -> None:
    names = PAGE.run("out_of_order", app=site)
    with serve(names["app"]) as url:

        def login() -> bool:
            return httpx.post(f"{url}/login", data=geetest.token()).is_success

        assert login()
        geetest.down()
        assert all(login() for _ in range(7))
        assert names["decisions"] == {("passed", True): 1, ("unavailable", True): 7}
        assert len(names["out_of_order"]) == 1
        geetest.up()
        ends = time.monotonic() + 20  # a pause of one second, on however busy a machine
        while names["out_of_order"] and time.monotonic() < ends:
            login()
            time.sleep(0.05)
        assert names["decisions"]["passed", True] == 2
        assert names["out_of_order"] == set()


def test_the_tables_have_the_defaults_and_the_services() -> None:
    limits = {codes(row[0])[0]: codes(row[1])[0] for row in PAGE.rows("`Limits(…)`")}
    assert len(limits) == 5
    assert limits == {name: repr(getattr(Limits(), name)) for name in limits}
    assert {codes(row[0])[0]: tuple(codes(row[1])) for row in PAGE.rows("name")} == SERVICES


def test_the_story_has_the_numbers_of_the_defaults() -> None:
    limits = Limits()
    pause, pauses = limits.breaker_pause, list[str]()
    while len(pauses) < 6:
        pauses.append(f"{pause:g}")
        pause = min(2 * pause, limits.breaker_longest_pause)
    assert f"after {', '.join(pauses)} … s" in PAGE.text
    assert f"beyond {limits.max_in_flight} simultaneous calls" in PAGE.text
    assert f"up to {limits.unverified_per_second} a second, up to {limits.unverified_per_client} a minute" in PAGE.text
    assert f"lets in {limits.unverified_per_second * limits.breaker_longest_pause:g} more" in PAGE.text
