"""examples/deploy: the parts of compose.yaml, run by hand on this machine, and the systemd unit as systemd reads it.

The names of the services and their ports are replaced by addresses of this machine; all else is as the files have it.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import ROOT, SECONDS, ended, environment, free_port, until

from geetest_asgi.testing import DEMO_ID, DEMO_KEY, GeeTestServer

yaml = pytest.importorskip("yaml")

DEPLOY = ROOT / "examples" / "deploy"
PAIR = {"GEETEST_CAPTCHA_ID": DEMO_ID, "GEETEST_CAPTCHA_KEY": DEMO_KEY}
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=SECONDS).status_code == 200
    except httpx.TransportError:
        return False


def env(**more: str) -> dict[str, str]:
    """With `geetest-asgi` and `uvicorn` of this interpreter first on the path."""
    ours = environment()
    return ours | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), ours.get("PATH", "")])} | more


class Parts:
    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self._stack, self._directory = stack, directory
        self.site, self.redis, self.front = (free_port() for _ in range(3))

    def run(self, name: str, command: list[str], **more: str) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self._directory / f"{name}.log").open("wb"))
        process = subprocess.Popen(command, cwd=DEPLOY, env=env(**more), stdout=log, stderr=log)
        self._stack.callback(process.wait, 30)
        self._stack.callback(process.terminate)
        return process

    def wait_until(self, met: Callable[[], object], name: str) -> None:
        until(met, lambda: (self._directory / f"{name}.log").read_text(errors="replace")[-3000:])

    def run_redis(self) -> None:
        self.run("redis", [*COMPOSE["services"]["redis"]["command"], "--port", self.redis, "--bind", "127.0.0.1"])

    def run_site(self, geetest: str) -> None:
        given = COMPOSE["services"]["site"]["environment"]
        metrics = self._directory / "metrics"
        metrics.mkdir()
        settings = {"HOST": "127.0.0.1", "PORT": self.site, "PROXIES": "127.0.0.1", "GEETEST_API_SERVER": geetest}
        settings |= {"STORE": given["STORE"].replace("redis:6379", f"127.0.0.1:{self.redis}")}
        self.run("site", ["sh", "start"], **PAIR, **settings, PROMETHEUS_MULTIPROC_DIR=str(metrics))
        self.wait_until(lambda: answers(f"http://127.0.0.1:{self.site}/health"), "site")

    def run_nginx(self) -> None:
        server = (DEPLOY / "nginx.conf").read_text().replace("listen 80", f"listen 127.0.0.1:{self.front}")
        server = server.replace("site:8000", f"127.0.0.1:{self.site}")
        place = self._directory
        (place / "nginx.conf").write_text(
            f"daemon off; pid {place}/nginx.pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p; {server} }}\n"
        )
        self.run("nginx", ["nginx", "-p", str(place), "-c", str(place / "nginx.conf")])
        self.wait_until(lambda: answers(f"http://127.0.0.1:{self.front}/health"), "nginx")

    def scraped(self) -> str:
        """What Prometheus is given by the address in its configuration."""
        (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
        (target,) = job["static_configs"][0]["targets"]
        place = target.replace("site:8000", f"127.0.0.1:{self.site}")
        return httpx.get(f"http://{place}{job['metrics_path']}", trust_env=False).text


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    missing = [name for name in ("redis-server", "nginx") if shutil.which(name) is None]
    missing += [name for name in ("redis", "prometheus_client", "fastapi") if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    with ExitStack() as stack:
        yield Parts(stack, tmp_path)


def test_the_parts_of_the_compose_file_work_together(parts: Parts, geetest_server: GeeTestServer) -> None:
    parts.run_redis()
    parts.run_site(geetest_server.url)
    parts.run_nginx()
    front, made_up = f"http://127.0.0.1:{parts.front}", {"X-Forwarded-For": "198.51.100.7"}
    for _ in range(12):
        token = geetest_server.token()
        answer = httpx.post(f"{front}/login", data=token, headers=made_up, trust_env=False)
        assert answer.json() == {"verified": True, "client": "127.0.0.1"}
        again = httpx.post(f"{front}/login", data=token, trust_env=False)
        assert (again.status_code, again.json()["code"]) == (403, "captcha_replayed"), "whichever worker it reached"
    assert httpx.get(f"{front}/metrics/", trust_env=False).status_code == 404
    (scraped,) = {parts.scraped() for _ in range(10)}
    decisions = dict(re.findall(r'^geetest_decisions_total\{.*outcome="(\w+)".*\} ([1-9].*)$', scraped, re.MULTILINE))
    assert decisions == {"passed": "12.0", "replayed": "12.0"}, "each worker gives the numbers of all"


def test_compose_file_and_dockerfile_name_files_that_there_are() -> None:
    volumes = [each for service in COMPOSE["services"].values() for each in service.get("volumes", ())]
    copied = (DEPLOY / "Dockerfile").read_text().partition("COPY ")[2].partition(" ./")[0].split()
    files = [*(volume.split(":")[0] for volume in volumes), *copied]
    assert [each for each in files if not (DEPLOY / each).is_file()] == []


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "geetest-shop.service"
    unit.write_text((DEPLOY / unit.name).read_text())
    done = ended(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)])
    assert not [line for line in done.stderr.splitlines() if unit.name in line], done.stderr


@pytest.mark.parametrize(("key", "status"), [(DEMO_KEY, 0), ("", 2)])
def test_before_a_reload_the_unit_checks_the_new_release(key: str, status: int, tmp_path: Path) -> None:
    """Without a key it does not start, either."""
    pytest.importorskip("prometheus_client")
    lines = (DEPLOY / "geetest-shop.service").read_text().splitlines()
    check, signal = (line.removeprefix("ExecReload=") for line in lines if line.startswith("ExecReload="))
    more = env(GEETEST_CAPTCHA_ID=DEMO_ID, GEETEST_CAPTCHA_KEY=key, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    for line in [check] if key else [check, "sh start"]:
        done = ended(shlex.split(line), cwd=DEPLOY, env=more)
        assert (done.returncode, "captcha_key is missing" in done.stderr) == (status, not key), done
    assert signal == "/bin/kill -HUP $MAINPID"
