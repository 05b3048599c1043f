"""Clients that send large bodies: one that reads nothing before it has sent all, curl, Node's fetch, a browser."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from visitor import HAS_BROWSER, browser_page

from . import wire

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECONDS: Final = 30
FILE: Final = bytes(6 * 1024 * 1024)


@dataclass(frozen=True)
class Upload:
    """A body with FILE in it."""

    content_type: str
    before: str
    after: str = ""

    @property
    def body(self) -> bytes:
        return self.before.encode() + FILE + self.after.encode()


Send = Callable[[int, str, list[Upload]], list[Any]]
"""Sends all at once to /login of an app at a port; the value is the status of each, or what the client says instead."""


def patient(port: int, app: str, uploads: list[Upload]) -> list[Any]:
    """A client that sends all before it reads: a connection that breaks meanwhile is an error to it."""

    def send(upload: Upload) -> int:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            headers = [("content-type", upload.content_type)]
            connection.sendall(wire.request(app, "/login", upload.body, headers=headers))
            return int(connection.recv(65536).split()[1])

    with ThreadPoolExecutor(len(uploads)) as threads:
        return list(threads.map(send, uploads))


def curl(port: int, app: str, uploads: list[Upload]) -> list[Any]:
    def send(upload: Upload) -> int:
        command = [
            *("curl", "-s", "-m", str(SECONDS), "-o", os.devnull, "-w", "%{http_code}", "--data-binary", "@-"),
            *("-H", "Expect:", "-H", f"x-app: {app}", "-H", f"content-type: {upload.content_type}"),
            f"http://127.0.0.1:{port}/login",
        ]
        done = subprocess.run(command, input=upload.body, capture_output=True, check=True, timeout=2 * SECONDS)
        return int(done.stdout)

    with ThreadPoolExecutor(len(uploads)) as threads:
        return list(threads.map(send, uploads))


FETCH: Final = """
([url, app, size, uploads]) => Promise.all(uploads.map(([type, before, after]) => fetch(url, {
    method: "POST",
    headers: {"x-app": app, "content-type": type},
    body: new Blob([before, new Uint8Array(size), after]),
}).then(async (answer) => { await answer.text(); return answer.status; }, (error) => `${error} ${error.cause}`)))
"""


def _arguments(url: str, app: str, uploads: list[Upload]) -> list[Any]:
    return [url, app, len(FILE), [[each.content_type, each.before, each.after] for each in uploads]]


def node(port: int, app: str, uploads: list[Upload]) -> list[Any]:
    arguments = json.dumps(_arguments(f"http://127.0.0.1:{port}/login", app, uploads))
    script = f"({FETCH.strip()})({arguments}).then((told) => console.log(JSON.stringify(told)))"
    done = subprocess.run(["node", "-e", script], capture_output=True, check=True, timeout=2 * SECONDS)
    told: list[Any] = json.loads(done.stdout)
    return told


def in_chromium(page: "Page") -> Send:
    """From a page of the site's own."""

    def send(port: int, app: str, uploads: list[Upload]) -> list[Any]:
        page.set_extra_http_headers({"x-app": app})
        page.goto(f"http://127.0.0.1:{port}/")
        told: list[Any] = page.evaluate(FETCH, _arguments("/login", app, uploads))
        return told

    return send


CLIENTS: Final[dict[str, Send]] = {"patient": patient, "curl": curl, "node": node}


@contextmanager
def client(name: str) -> Iterator[Send]:
    """A client by its name. Skips the test where it is not installed."""
    if name == "chromium" and HAS_BROWSER:
        with browser_page("") as page:
            yield in_chromium(page)
    elif name in ("patient", *filter(shutil.which, CLIENTS)):
        yield CLIENTS[name]
    else:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
