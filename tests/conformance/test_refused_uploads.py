"""A refused upload gets the guard's own answer, whoever stands between, and costs the site nothing.

A server that closes a connection while the client still sends resets it. Then curl and browsers may lose the answer,
and a proxy takes the server for dead and answers 502 to everybody for a while.
"""

import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from . import wire
from .servers import COMMANDS, free_port
from .stage import Pair, Stage
from .test_bodies import multipart

MIB: Final = 1024 * 1024
FILE: Final = bytes(6 * MIB)
AT_ONCE: Final = 8
SECONDS: Final = 30

Body = tuple[str, bytes]


def uploads(stage: Stage) -> dict[str, tuple[int, Body]]:
    """Six megabytes each, and what the guard says to them."""
    return {
        "JSON": (413, ("application/json", b'"' + FILE)),
        "no token": (413, multipart({}, FILE)),
        "an expired token": (403, multipart(stage.simulator.token(expired=True), FILE)),
    }


# --- clients ----------------------------------------------------------------------------------------------------------


def patient(port: int, app: str, body: Body) -> int:
    """A client that sends all before it reads: a connection that breaks meanwhile is an error to it."""
    content_type, content = body
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(wire.request(app, "/login", content, headers=[("content-type", content_type)]))
        return int(connection.recv(65536).split()[1])


def curl(port: int, app: str, body: Body) -> int:
    content_type, content = body
    command = [
        *("curl", "-s", "-m", str(SECONDS), "-o", os.devnull, "-w", "%{http_code}", "--data-binary", "@-"),
        *("-H", "Expect:", "-H", f"x-app: {app}", "-H", f"content-type: {content_type}"),
        f"http://127.0.0.1:{port}/login",
    ]
    return int(subprocess.run(command, input=content, capture_output=True, check=True, timeout=2 * SECONDS).stdout)


CLIENTS: Final[dict[str, Callable[[int, str, Body], int]]] = {"patient": patient, "curl": curl}


# --- proxies ----------------------------------------------------------------------------------------------------------


def nginx(folder: Path, port: int, upstream: int) -> list[str]:
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temp = " ".join(f"{each}_temp_path {folder}/{each};" for each in kept)
    (folder / "nginx.conf").write_text(
        f"daemon off; user root; pid {folder}/pid; error_log {folder}/errors; events {{ worker_connections 256; }}"
        f" http {{ access_log off; {temp} client_max_body_size 100m;"
        f" upstream site {{ server 127.0.0.1:{upstream}; server 127.0.0.1:{upstream} backup; }}"
        f" server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://site; }} }} }}"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def haproxy(folder: Path, port: int, upstream: int) -> list[str]:
    times = "timeout connect 5s\n timeout client 30s\n timeout server 30s"
    (folder / "haproxy.cfg").write_text(
        f"defaults\n mode http\n {times}\nlisten site\n bind 127.0.0.1:{port}\n server one 127.0.0.1:{upstream}\n"
    )
    return ["haproxy", "-f", str(folder / "haproxy.cfg")]


def caddy(folder: Path, port: int, upstream: int) -> list[str]:
    site = f"http://:{port} {{\n bind 127.0.0.1\n reverse_proxy 127.0.0.1:{upstream}\n}}\n"
    (folder / "Caddyfile").write_text("{\n admin off\n auto_https off\n}\n" + site)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


PROXIES: Final = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}


@contextmanager
def behind(proxy: str, folder: Path, upstream: int) -> Iterator[int]:
    """The port at which the site is to be reached."""
    if not shutil.which(proxy):
        pytest.skip(f"{proxy} is not installed: apt-get install {proxy}")
    port = free_port()
    command = PROXIES[proxy](folder, port, upstream)
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert comes_to(lambda: listens(port)), f"{command[0]} does not listen"
            yield port
        finally:
            process.terminate()


# --- what is promised -------------------------------------------------------------------------------------------------


def all_are_answered(stage: Stage, pair: Pair, port: int, client: str) -> None:
    send = CLIENTS[client]
    for name, (status, body) in uploads(stage).items():
        with ThreadPoolExecutor(AT_ONCE) as threads:
            told = Counter(threads.map(lambda _, body=body: send(port, pair.guarded, body), range(AT_ONCE)))
        assert told == {status: AT_ONCE}, name
        assert wire.ask(port, wire.request(pair.bare, "/open", b"", method="POST")).status == 200, "another visitor"


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("server", COMMANDS)
def test_directly(server: str, client: str, stage: Stage) -> None:
    if client == "curl" and not shutil.which("curl"):
        pytest.skip("curl is not installed: apt-get install curl")
    pair = stage.put("starlette", server)
    all_are_answered(stage, pair, pair.port, client)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("server", COMMANDS)
def test_behind_a_proxy(server: str, proxy: str, stage: Stage, tmp_path: Path) -> None:
    pair = stage.put("starlette", server)
    tmp_path.chmod(0o755)
    with behind(proxy, tmp_path, pair.port) as port:
        all_are_answered(stage, pair, port, "patient")


@pytest.mark.parametrize("server", COMMANDS)
def test_no_connection_is_left_behind(server: str, stage: Stage) -> None:
    pair = stage.put("starlette", server)
    _, body = uploads(stage)["no token"]
    patient(pair.port, pair.guarded, body)
    descriptors, memory = held(pair.pid), resident(pair.pid)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        assert set(threads.map(lambda _: patient(pair.port, pair.guarded, body), range(2 * AT_ONCE))) == {413}
    assert comes_to(lambda: held(pair.pid) <= descriptors + 2), held(pair.pid) - descriptors
    assert resident(pair.pid) - memory < 250 * MIB  # daphne keeps whole bodies, and Python what it once had


def comes_to(what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SECONDS
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    return what()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def held(pid: int) -> int:
    """Descriptors of a process and of its workers."""
    return sum(len(os.listdir(f"/proc/{each}/fd")) for each in family(pid))


def resident(pid: int) -> int:
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]
