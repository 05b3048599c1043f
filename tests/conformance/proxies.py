"""Reverse proxies as their packages bring them, each in front of one server."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from commands import free_port, until

from .servers import listens


def nginx(folder: Path, port: int, upstream: int, location: str = "proxy_pass http://site;") -> list[str]:
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temp = " ".join(f"{each}_temp_path {folder}/{each};" for each in kept)
    (folder / "nginx.conf").write_text(
        f"daemon off; user root; pid {folder}/pid; error_log {folder}/errors; events {{ worker_connections 256; }}"
        f" http {{ access_log off; {temp} client_max_body_size 100m;"
        f" upstream site {{ server 127.0.0.1:{upstream}; server 127.0.0.1:{upstream} backup; }}"
        f" server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }} }}"
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
    port = int(free_port())
    with started(PROXIES[proxy](folder, port, upstream), folder, port):
        yield port


@contextmanager
def started(command: list[str], folder: Path, port: int) -> Iterator[None]:
    """The proxy of this command, which listens at the port. Skips the test where it is not installed."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed: apt-get install {command[0]}")
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: listens(port), lambda: f"{command[0]} does not listen")
            yield
        finally:
            process.terminate()
