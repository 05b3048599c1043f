"""Where the tests meet the servers: an app with its guard on a server, and GeeTest's stand-in."""

import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geetest_asgi.testing import Call, Simulator

from . import wire
from .servers import NEEDS, running, skip_without
from .wire import Answer


@dataclass
class Stage:
    simulator: Simulator
    url: str
    logs: Path
    stack: ExitStack
    ports: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    @property
    def calls(self) -> list[Call]:
        """What GeeTest was asked in this test."""
        return list(self.simulator.calls)

    def token(self) -> dict[str, str]:
        return self.simulator.token()

    def put(self, app: str, server: str, root_path: str = "") -> "Pair":
        """An app, bare and guarded, on a server. Skips the test where either is not installed."""
        framework = app.partition("-")[0]
        skip_without(*(() if framework == "asgi" else (framework,)), *NEEDS[server])
        port, pid = self._port(server, root_path)
        return Pair(self, port, app, server, pid)

    def _port(self, server: str, root_path: str) -> tuple[int, int]:
        if (server, root_path) not in self.ports:
            environment = {
                "GEETEST_CAPTCHA_ID": self.simulator.captcha_id,
                "GEETEST_CAPTCHA_KEY": self.simulator.captcha_key,
                "GEETEST_API_SERVER": self.url,
            }
            log = self.logs / f"{server}{root_path.replace('/', '-')}.log"
            start = running(server, root_path, environment, log)
            self.ports[server, root_path] = self.stack.enter_context(start)
        return self.ports[server, root_path]


@dataclass(frozen=True)
class Pair:
    """The same app without and with the guard, on one server."""

    stage: Stage
    port: int
    bare: str
    server: str
    pid: int
    """Of the server's process."""

    @property
    def guarded(self) -> str:
        return f"{self.bare}+guard"

    def ask(
        self, guarded: bool, target: str = "/login", body: bytes = b"user=x", *pieces: bytes, **more: Any
    ) -> Answer:
        """One request on a connection of its own; `pieces` come after it."""
        name = self.guarded if guarded else self.bare
        return wire.ask(self.port, wire.request(name, target, body, **more), *pieces)

    def with_token(self, target: str = "/login", **more: Any) -> Answer:
        """The guarded app, asked with a fresh token in a form."""
        return self.ask(True, target, wire.form({"user": "x", **self.stage.token()}), **more)

    def entered(self, *, guarded: bool = True) -> Counter[str]:
        """Which handlers of this app were reached since the server's start, and how often."""
        name = self.guarded if guarded else self.bare
        counted = json.loads(wire.ask(self.port, wire.request("entered", "/", method="GET")).body)
        split = ((key.rpartition(" "), count) for key, count in counted.items())
        return Counter({handler: count for (app, _, handler), count in split if app == name})

    def wait_for(self, handler: str, before: int, *, guarded: bool, seconds: float = 2.0) -> bool:
        """Whether a counter goes up within some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.entered(guarded=guarded)[handler] > before:
                return True
            time.sleep(0.02)
        return False
