"""docs/simulator.md: the walk with curl, the addresses, the faults and the blocks do what the page says."""

import json
import re
import shutil
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import free_port, printed
from commands import running as running_line
from pages import ROOT, Page, codes
from test_quickstarts import running, skip_without_its_packages

from geetest_asgi.testing import GeeTestServer, Simulator
from geetest_asgi.testing.cassette import KEPT
from geetest_asgi.testing.tls import HOSTS

PAGE = Page("docs/simulator.md")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def shell(words: str, there: Mapping[str, str], ready: str) -> AbstractContextManager[object]:
    """Run a block that serves, with these texts in place of others, once it listens at `ready`."""
    text = put(PAGE.block(words).text, {".venv/bin/python": f"exec {sys.executable}", **there})
    return running_line(["sh", "-c", text], ready)


def put(text: str, there: Mapping[str, str]) -> str:
    for old, new in there.items():
        assert old in text, f"the page no longer says {old}"
        text = text.replace(old, new)
    return text


@needs_curl
def test_the_walk_with_curl_goes_as_the_page_says() -> None:
    ports = {"8077": free_port(), "8000": free_port()}
    simulator, app = (f"http://127.0.0.1:{port}" for port in ports.values())
    served = shell("simulator --port 8077\n", {"8077": ports["8077"]}, simulator)
    with served, shell("export GEETEST_API_SERVER", ports, app):
        lines = PAGE.block("curl -X POST").text.splitlines()
        said = [curl(put(line, {old: new for old, new in ports.items() if old in line})) for line in lines]
    *walk, calls = said
    told = ["captcha_missing", "passed", "captcha_failed", "down", "unavailable"]
    assert [each.get("code") or each.get("outcome") or each.get("mode") for each in walk] == told
    assert [call["result"] or call["status"] for call in calls] == ["success", "fail", 503]


def curl(line: str) -> Any:
    return json.loads(shown(line))


@contextmanager
def recipe(words: str, framework: str, directory: Path, simulator: str) -> Iterator[str]:
    """The block with these words, for the quick start's project of this framework, which is served meanwhile."""
    skip_without_its_packages(framework)
    with running(framework, directory, simulator) as site:
        places = {"http://127.0.0.1:8077": simulator, "http://127.0.0.1:8000": site}
        yield put(PAGE.block(words).text, places)


@pytest.mark.slow
@needs_curl
def test_a_form_with_a_field_of_its_own_logs_in_at_fastapi(tmp_path: Path, url: str) -> None:
    with recipe('"username=ada&$token"', "fastapi", tmp_path, url) as walk:
        assert curl(walk) == {"user": "ada", "next": "welcome"}


@pytest.mark.slow
@needs_curl
def test_the_walk_with_curl_through_a_form_of_django_logs_in(tmp_path: Path, url: str) -> None:
    with recipe("csrfmiddlewaretoken", "django", tmp_path, url) as walk:
        assert shown(walk, tmp_path) == "welcome"


def shown(script: str, directory: Path = ROOT) -> str:
    return printed(["sh", "-ec", script], cwd=directory)


@pytest.fixture
def url(geetest_server: GeeTestServer) -> str:
    return geetest_server.url


@pytest.mark.parametrize("row", PAGE.rows("fault"), ids=lambda row: row[0])
def test_each_fault_is_started_over_http_and_in_python(url: str, row: list[str]) -> None:
    name, _, over_http, in_python = row
    started = httpx.post(f"{url}/simulator/fault?{''.join(codes(over_http)) or f'mode={name}'}", trust_env=False)
    assert started.status_code == (200 if codes(over_http) else 400)
    simulator = Simulator()
    eval(f"simulator.{codes(in_python)[0]}", {"simulator": simulator})
    assert simulator.mode == name
    if codes(over_http):
        assert started.json() == {"mode": name}


def test_the_faults_are_all_there() -> None:
    told = {re.sub(r"\(.*", "", codes(row[3])[0]) for row in PAGE.rows("fault")}
    there = {name for name in dir(Simulator) if not name.startswith("_") and callable(getattr(Simulator, name))}
    assert told == there - {"up", "token", "calls", "reset", "expect"}


def test_the_simulator_on_a_socket_makes_a_test_as_the_page_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEETEST_API_SERVER", "GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY"):
        monkeypatch.setenv(name, "taken back at the end of this test")
    monkeypatch.syspath_prepend(ROOT)  # where a reader of the page stands
    PAGE.run("with serve(geetest) as url")


def test_the_simulator_serves_what_the_pages_load(url: str) -> None:
    (source,) = re.findall(r'src="http://127\.0\.0\.1:8077([^"]+)"', PAGE.block("/v4/gt4.js").text)
    assert "initGeetest4" in httpx.get(url + source, trust_env=False).text
    assert 'apiServers: ["127.0.0.1:8077"], staticServers: ["127.0.0.1:8077"]' in PAGE.block("apiServers").text


@needs_curl
def test_a_fault_may_be_ordered_as_json(url: str) -> None:
    said = curl(put(PAGE.block('"mode": "answers"').text.strip(), {"http://127.0.0.1:8077": url}))
    assert said["mode"] == "answers"
    answer = httpx.post(f"{url}/validate", trust_env=False)
    assert (answer.status_code, answer.json(), answer.headers["retry-after"]) == (429, {"error": "later"}, "7")


def test_the_simulator_speaks_tls(tmp_path: Path) -> None:
    port, authority = free_port(), tmp_path / "authority.pem"
    with shell("--port 8443 --tls", {"8443": port, "authority.pem": str(authority)}, f"https://127.0.0.1:{port}"):
        context = ssl.create_default_context(cafile=str(authority))
        assert httpx.get(f"https://127.0.0.1:{port}/simulator/calls", verify=context, trust_env=False).json() == []


@needs_curl
def test_programs_with_geetests_address_built_in_are_answered(tmp_path: Path) -> None:
    """The page's second line on ports that are free; curl takes the hosts file's part."""
    http, https, authority = free_port(), free_port(), tmp_path / "authority.pem"
    first, _ = PAGE.block("--tls-port 443").text.splitlines()
    there = {f"{first}\n": "", "sudo exec": "exec", "80": http, "443": https, "authority.pem": str(authority)}
    with shell("--tls-port 443", there, f"https://127.0.0.1:{https}"):
        for scheme, port, standard in (("http", http, 80), ("https", https, 443)):
            here = f"--connect-to ::127.0.0.1:{port} --cacert {authority}"
            url = f"{scheme}://gcaptcha4.geetest.com/validate"
            assert curl(f"curl -s {here} {url}")["code"] == "-50101", standard
        calls = httpx.get(f"http://127.0.0.1:{http}/simulator/calls", trust_env=False).json()
        assert len(calls) == 2, "one simulator, at two ports"
    hosts = set(first.split('"')[1].split()[1:])
    assert hosts <= set(HOSTS)


def test_the_real_service_is_recorded_and_compared(url: str, tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "cassette.json"
    there = {"cassette.json": str(file), "8078": f"{port} --api-server {url}"}
    with shell("record cassette.json --port", there, f"http://127.0.0.1:{port}"):
        assert httpx.post(f"http://127.0.0.1:{port}/validate", trust_env=False).json()["code"] == "-50101"
    compare = put(PAGE.block("record --compare").text, {".venv/bin/python": sys.executable, "cassette.json": str(file)})
    assert shown(compare).split() == ["-50101", "ok", "as", "the", "simulator", "answers"]


def test_the_names_that_stay_on_a_cassette_are_all_told() -> None:
    (row,) = [row for row in PAGE.rows("in the file") if row[0].startswith("in a body")]
    assert set(codes(row[0])) == KEPT
