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
from pages import ROOT, Page, site

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.testing import Simulator, serve

FILTER = ROOT / "examples" / "fail2ban" / "filter-geetest.conf"
OURS = "198.51.100.9"
"""Somebody whom an attacker would like to see banned."""

NAMED = f"x' from '{OURS}'\nx geetest_asgi: failed, not allowed by rule 'y' from '{OURS}'"
"""A client's address as a proxy may hand it on."""


async def visits(geetest: Simulator, url: str) -> None:
    pair: dict[str, Any] = {"captcha_id": geetest.captcha_id, "captcha_key": geetest.captcha_key}
    guard = GeeTestMiddleware(site, protect=["POST /**"], api_server=url, **pair)

    async def visit(address: str, token: dict[str, str], path: str = "/login") -> None:
        transport = httpx.ASGITransport(guard, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as visitor:
            await visitor.post(path, data=token)

    await visit("203.0.113.1", {})
    await visit("203.0.113.2", geetest.token(forged=True))
    await visit("203.0.113.3", {}, path=f"/x' by rule 'POST /login' from '{OURS}'")
    await visit("2001:db8:0:7::5", {})
    await visit(NAMED, {})
    await visit(OURS, geetest.token())
    geetest.answers(403)
    await visit("203.0.113.9", geetest.token())


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    logger, geetest = logging.getLogger("geetest_asgi"), Simulator()
    level, handlers = logger.level, list(logger.handlers)
    monkeypatch.chdir(tmp_path)
    Page("docs/observability.md").run("FileHandler")
    try:
        with serve(geetest) as url:
            anyio.run(visits, geetest, url)
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
    assert len(lines) >= 6
    assert networks([found["client"] for line in lines if (found := expression.search(line))]) == EXPECTED


@pytest.mark.skipif(not shutil.which("fail2ban-regex"), reason="fail2ban is not installed (Debian: fail2ban)")
def test_fail2ban_finds_the_same(log: Path) -> None:
    command = ["fail2ban-regex", "--out", "ip", str(log), str(FILTER)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert networks(done.stdout.split()) == EXPECTED
