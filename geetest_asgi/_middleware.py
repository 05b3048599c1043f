"""GeeTestMiddleware: the settings, and which requests they are about. `_corridor.walk` does the rest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _config
from ._bounds.counters import Pot
from ._bounds.unverified import Unverified
from ._bounds.watch import Watch
from ._core.limits import Limits
from ._core.paths.decisions import Decisions
from ._core.paths.patterns import WEBSOCKET
from ._core.rules import (
    Accept,
    ASGIApp,
    Clearance,
    Credentials,
    Mode,
    OnDenied,
    OnLockout,
    OnOutage,
    OnResult,
    OnUnavailable,
    Receive,
    Rule,
    Send,
    Skip,
    Source,
)
from ._corridor.body import LITTLE
from ._corridor.walk import Guard
from ._line.line import Line
from .observers.logs import log_modes
from .stores import Store


class GeeTestMiddleware:
    """Wraps any ASGI app: what a protected path gets through has a verified GeeTest CAPTCHA v4.

        app = GeeTestMiddleware(app, protect=["POST /login", "/api/orders/**"], exempt=["/api/orders/webhook"])

    Every setting has a default but the id and the key, which also come from GEETEST_CAPTCHA_ID and
    GEETEST_CAPTCHA_KEY in the environment. A wrong value raises ConfigError here, while the app is built.

    protect         patterns (`str`, `re.Pattern` or `Rule`; the first match wins). None: every request that arrives
                    here, for a guard on one route or router.
    exempt          patterns left out. A path is exempt only if every form that a framework might read it in is.
    root_paths      prefixes that only the app knows of, such as "/api" for `FastAPI(root_path="/api")`.
    captcha_id, captcha_key   from GeeTest's dashboard; a Rule may carry its own. Several keys while one is replaced:
                    the next is tried where GeeTest says that the signature is wrong.
    credentials     fn(scope) -> (captcha_id, captcha_key) | None: those of this request, as where each tenant has its
                    own; None: the usual ones. fn(scope, sent_id): with the captcha_id that the page sent, or None; it
                    must give that id's pair, else the request is malformed.
    api_server      base URL, or several, tried in order while no connection is made; or a service's name: "geetest",
                    "geelab-global", "geelab-eu", "geelab-na", "alicaptcha", "engagelab". Default:
                    GEETEST_API_SERVER, else GeeTest's host and its two backups.
    sources         where to look for the fields, in order: "header", "query", "body". The first place that has any
                    of them decides. Default: the body only.
    fields          how they are spelt: a mapping {"lot_number": "yours"}, a prefix "geetest_", "camelCase", or a
                    container "captcha" that holds all four. Default: GeeTest's four names.
    on_unavailable  what happens while GeeTest cannot be reached: "allow" (GeeTest's advice; capped by
                    `limits.unverified_per_second` and `unverified_per_client`) or "deny" (503).
    timeout         seconds for the whole call, failover included. Default 3.0.
    limits          every bound in one value, see `Limits`.
    mode            "enforce"; "monitor": judge and record, always forward; "off": record as skipped. None: what
                    GEETEST_MODE in the environment says, else "enforce".
    forgive         statuses of the app's answer, such as (422,) for a form with a mistake, after which the same token
                    is good for one more request under the same rule; three times at most. Default: none.
    clearance       a `geetest_asgi.clearance.Clearance`: who has passed has a cookie and is not asked for some minutes.
    skip            fn(scope) -> str | None: a reason to let a request pass unasked.
    accept          fn(result, scope) -> bool: a last word on a token that passed.
    on_denied       fn(result, scope) -> ASGI app, such as a Starlette Response. Default: problem+json.
    on_result       fn(result, scope): every decision, for metrics and alarms. What it raises is logged.
    on_outage       fn(Outage): one of GeeTest's servers is not asked any more, since it did not answer
                    `limits.breaker_failures` calls in a row; or it answers again. A plain function, called on the
                    event loop: it must not wait for anything. What it raises is logged.
    on_lockout      fn(Lockout): nearly all clients of a rule are refused, counted by distinct addresses; or no longer.
                    Like `on_outage`. The logger "geetest_asgi" has a warning for both in any case.
    log_clients     log the client's address with each decision: personal data. Default: yes.
    store           who remembers spent tokens: a `geetest_asgi.stores.Store`, or a URL ("sqlite:///spent.db" for the
                    workers of one host, "redis://…" for many). Default: this process's memory.
    client          an object with httpx's asynchronous `request`, never closed here; or a function that makes one,
                    called once for each event loop, closed with it. Default: httpx, one pool for each event loop.
    trust_env       use the proxies and certificates that the environment names. Default: no.
    allow_http      permit a plain http `api_server` beyond loopback. Whoever can forge an answer gets in.

    The functions may be plain or asynchronous. What `skip`, `accept` or `on_denied` raise is the app's error: the
    request is not let in. Not protected: other scope types (a lifespan passes through), and a CORS preflight.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        # Any: to mypy a list of strings and Rules in a variable of the app's is a list[object]
        protect: Iterable[str | Any | Rule] | str | re.Pattern[str] | Rule | None = None,
        exempt: Iterable[str | Any] | str | re.Pattern[str] = (),
        root_paths: Iterable[str] | str = (),
        captcha_id: str | None = None,
        captcha_key: str | Sequence[str] | None = None,
        credentials: Credentials | None = None,
        api_server: str | Sequence[str] | None = None,
        sources: Sequence[Source] = ("body",),
        fields: str | Mapping[str, str] | None = None,
        on_unavailable: OnUnavailable = "allow",
        timeout: float = 3.0,
        limits: Limits | None = None,
        mode: Mode | None = None,
        forgive: Iterable[int] = (),
        clearance: Clearance | None = None,
        skip: Skip | None = None,
        accept: Accept | None = None,
        on_denied: OnDenied | None = None,
        on_result: OnResult | None = None,
        on_outage: OnOutage | None = None,
        on_lockout: OnLockout | None = None,
        log_clients: bool = True,
        store: Store | str | None = None,
        client: Any = None,
        trust_env: bool = False,
        allow_http: bool = False,
    ) -> None:
        self.app = app
        limits = _config.limits(limits)
        chosen, source = _config.mode(mode)
        defaults: dict[str, Any] = {
            "sources": sources,
            "fields": fields,
            "on_unavailable": on_unavailable,
            "timeout": timeout,
            "limits": limits,
            "mode": chosen,
            "forgive": forgive,
            "clearance": clearance,
            "skip": skip,
            "accept": accept,
            "on_denied": on_denied,
            "on_result": on_result,
            "credentials": credentials,
        }
        table = _config.build_table(protect, exempt, root_paths, (captcha_id, captcha_key), defaults)
        self.table = table
        self.guard = Guard(
            Line(
                _config.api_servers(api_server, allow_http=_config.switch("allow_http", allow_http)),
                limits,
                client=_config.client(client),
                trust_env=_config.switch("trust_env", trust_env),
                on_outage=_config.plain_hook("on_outage", on_outage),
            ),
            _config.store(store),
            Unverified(limits),
            Pot(limits.max_buffered, little=LITTLE),
            app,
            Watch(_config.plain_hook("on_lockout", on_lockout)),
            _config.switch("log_clients", log_clients),
            None if protect is None else table.match,
        )
        self._idle, self._decisions = table.idle, Decisions(table.match)
        log_modes(((policy.name, policy.mode) for _, policy in table.rules), source)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        kind = scope["type"]
        if kind == "http":
            method = scope["method"]
        elif kind == "websocket":
            method = WEBSOCKET
        else:
            return await self._pass_on(scope, receive, send)
        if method in self._idle:
            return await self.app(scope, receive, send)
        policy = self._decisions[method, scope["path"], scope.get("raw_path") or b"", scope.get("root_path") or ""]
        if policy is None or is_preflight(scope):
            return await self.app(scope, receive, send)
        return await self.guard.run(policy, scope, receive, send)

    async def _pass_on(self, scope: Any, receive: Receive, send: Send) -> None:
        """A lifespan, or what ASGI may bring one day."""
        if scope["type"] == "lifespan":
            send = self._on_lifespan(send)
        await self.app(scope, receive, send)

    def _on_lifespan(self, send: Send) -> Send:
        """Load what the first call needs before the start is complete; close the connections before the end is."""

        async def send_on(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self.guard.line.prepare()
            elif message["type"].startswith("lifespan.shutdown."):
                await self.aclose()
            await send(message)

        return send_on

    async def aclose(self) -> None:
        """Close the connections of the running event loop; they are opened again when needed.

        Called by itself at the end of a lifespan and of an event loop: there is no need to.
        """
        await self.guard.line.aclose()


def is_preflight(scope: Any) -> bool:
    """A CORS preflight (Fetch standard, CORS-preflight fetch): it never carries a body, and no app acts on it."""
    if scope.get("method") != "OPTIONS":
        return False
    names = {name.lower() for name, _ in scope.get("headers", ())}
    return b"origin" in names and b"access-control-request-method" in names
