"""examples/fail2ban on the log of a real guard, written by the handler of docs/observability.md.

Where fail2ban is installed (Debian: fail2ban) its own fail2ban-regex reads the filter. Else the filter's expression is
applied by `re`, with fail2ban's `<SUBNET>` written out.
"""

import configparser
import ipaddress
import logging
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from test_observability_page import ROOT, block

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.testing import Simulator, serve

FILTER = ROOT / "examples" / "fail2ban" / "filter-geetest.conf"
JAIL = ROOT / "examples" / "fail2ban" / "jail-geetest.conf"
OURS = "198.51.100.9"
"""Somebody whom an attacker would like to see banned."""

BANNED = {
    "203.0.113.1": "nothing sent",
    "203.0.113.2": "forged token",
    "203.0.113.3": f"/x' by rule 'POST /login' from '{OURS}'",
    "2001:db8:0:7::5": "nothing sent, by IPv6",
}
FREE = {"203.0.113.8": "a verified token", OURS: "a verified token"}


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


async def live(geetest: Simulator, url: str) -> None:
    guard = GeeTestMiddleware(
        app,
        protect=["POST /**"],
        api_server=url,
        captcha_id=geetest.captcha_id,
        captcha_key=geetest.captcha_key,
    )
    for address, what in (BANNED | FREE).items():
        path = what if what.startswith("/") else "/login"
        token = {"forged token": geetest.token(forged=True), "a verified token": geetest.token()}.get(what, {})
        transport = httpx.ASGITransport(guard, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as visitor:
            await visitor.post(path, data=token)
    name = (
        f"x' from '{OURS}'\nx geetest_asgi: failed, not allowed by rule 'y' from '{OURS}'"  # what a proxy may hand on
    )
    transport = httpx.ASGITransport(guard, client=(name, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as visitor:
        await visitor.post("/login")
    geetest.answers(403)
    transport = httpx.ASGITransport(guard, client=("203.0.113.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as visitor:
        await visitor.post("/login", data=geetest.token())


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A log in which visitors of all sorts have been."""
    logger, geetest = logging.getLogger("geetest_asgi"), Simulator()
    level, handlers = logger.level, list(logger.handlers)
    monkeypatch.chdir(tmp_path)
    exec(compile(block("FileHandler"), "docs/observability.md", "exec"), {})
    try:
        with serve(geetest) as url:
            anyio.run(live, geetest, url)
        yield tmp_path / "geetest.log"
    finally:
        logger.setLevel(level)
        for handler in set(logger.handlers) - set(handlers):
            logger.removeHandler(handler)
            handler.close()


def networks(addresses: list[str]) -> set[str]:
    """As fail2ban bans them: of IPv6 the /64."""
    each = [ipaddress.ip_interface(address) for address in addresses]
    return {str(one.network if one.version == 6 else one.ip) for one in each}


EXPECTED = {"203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8:0:7::/64"}


def test_the_filter_finds_bots_and_nobody_else(log: Path) -> None:
    parser = configparser.ConfigParser()
    parser.read(FILTER)
    subnet = r"(?P<client>[0-9A-Fa-f.:]+(?:/\d+)?)"
    expression = re.compile(parser["Definition"]["failregex"].replace("<SUBNET>", subnet))
    stamp = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}")
    lines = [stamp.sub("", line) for line in log.read_text().splitlines() if stamp.match(line)]
    assert len(lines) >= len(BANNED) + 2
    assert networks([found["client"] for line in lines if (found := expression.search(line))]) == EXPECTED


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="fail2ban is not installed (Debian: fail2ban)")
def test_fail2ban_finds_the_same(log: Path) -> None:
    command = ["fail2ban-regex", "--out", "ip", str(log), str(FILTER)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert networks(done.stdout.split()) == EXPECTED


def test_the_jail_names_the_filter() -> None:
    parser = configparser.ConfigParser()
    parser.read(JAIL)
    assert parser["geetest"]["filter"] == "geetest"
    assert f"filter.d/{parser['geetest']['filter']}.conf" in FILTER.read_text()
