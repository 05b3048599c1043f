"""GeeTestMiddleware: its settings, and the choice of the protected requests. `_corridor.walk` handles those."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import _config
from ._application import application
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
    Preflight,
    Receive,
    Rule,
    Send,
    Skip,
    Source,
    When,
)
from ._corridor.build import build_guard
from .observers.logs import log_modes
from .stores import Store


class GeeTestMiddleware:
    """Verify GeeTest CAPTCHA v4 tokens before the protected requests reach an ASGI app.

        app = GeeTestMiddleware(app, protect=["POST /login", "/api/orders/**"], exempt=["/api/orders/webhook"])

    Only the id and the key have no default; the environment may give them as GEETEST_CAPTCHA_ID and
    GEETEST_CAPTCHA_KEY. A wrong value raises ConfigError when the middleware is made.

    protect         patterns (`str`, `re.Pattern` or `Rule`); the first match counts. None: every request, for a guard
                    on one route or router.
    exempt          patterns that need no captcha. A path is exempt only if every spelling of it is.
    root_paths      path prefixes that the app adds by itself, such as "/api" of `FastAPI(root_path="/api")`.
    captcha_id, captcha_key   from GeeTest's dashboard; a Rule may have its own. Give several keys while one is
                    replaced: the next is tried if GeeTest says that the signature is wrong.
    credentials     fn(scope) -> (captcha_id, captcha_key) | None: the pair of this request, for a site with several
                    tenants; None: the usual pair. fn(scope, sent_id) also gets the captcha_id that was sent, or None;
                    it must return the pair of that id, else the request is malformed.
    api_server      a base URL; several, tried in order until a connection is made; or a service's name: "geetest",
                    "geelab-global", "geelab-eu", "geelab-na", "alicaptcha", "engagelab". Default:
                    GEETEST_API_SERVER, else GeeTest's host and its two backups.
    sources         where to look for the fields, in order: "header", "query", "body", and "text": JSON sent as
                    text/plain. The first source that contains any of them is used; sources are never combined.
                    Default: the body only.
    fields          how the fields are named: a mapping {"lot_number": "yours"}, a prefix "geetest_", "camelCase", or a
                    container "captcha" that holds all four. Default: GeeTest's four names.
    on_unavailable  what to do while GeeTest cannot be reached: "allow" (GeeTest's advice; capped by
                    `limits.unverified_per_second` and `unverified_per_client`) or "deny" (503).
    timeout         seconds for the whole call, failover included. Default 3.0.
    limits          all limits in one value, see `Limits`.
    mode            "enforce"; "monitor": verify and record, refuse nobody; "off": verify nothing. None: GEETEST_MODE
                    in the environment, else "enforce".
    forgive         statuses of the app's answer, such as (422,) for a form with a mistake, after which the same token
                    is valid for one more request under the same rule; three times at most. Default: none.
    preflight       "allow": a CORS preflight (OPTIONS without a body) goes to the app with an empty body. "deny": it
                    needs a captcha like any other request, for sites where middleware further out answers it.
    clearance       a `geetest_asgi.clearance.Clearance`: a verified client needs no captcha for some minutes.
    when            an object that says which requests need a captcha. `geetest_asgi.AfterFailures(3)` wants one only
                    after three failures of a client. Default: every request needs one.
    skip            fn(scope) -> str | None: a reason to let a request pass without a captcha.
    accept          fn(result, scope) -> bool: False refuses a token that GeeTest verified.
    on_denied       fn(result, scope) -> ASGI app, such as a Starlette Response: the answer to a refused client.
                    Default: problem+json.
    on_result       fn(result, scope): called with every decision but a preflight's. What it raises is logged.
    on_outage       fn(Outage): called when a server is skipped, after `limits.breaker_failures` consecutive failures,
                    and when it answers again. A plain function on the event loop: it must not block. What it
                    raises is logged.
    on_lockout      fn(Lockout): called when nearly all clients of a rule, counted by address, are refused, and when
                    they no longer are. A function like `on_outage`. The log has a warning for both, too.
    log_clients     log the client's address, which is personal data, with each decision. Default: True.
    store           where spent tokens are remembered: a `geetest_asgi.stores.Store`, or a URL: "sqlite:///spent.db"
                    for the workers of one host, "redis://…" for many. Default: this process's memory.
    client          an `httpx.AsyncClient` or the like, which you close; or a function that makes one: it is called
                    once for each event loop, and that client is closed with the loop. Default: its own connections.
    trust_env       use the proxies and certificates that the environment names. Default: False.
    allow_http      permit a plain http `api_server` on another machine. Anyone who can forge its answers gets in.

    The other functions may be plain or asynchronous. An exception in `skip`, `accept`, `on_denied` or `credentials`
    goes to the server, and the request is not let in. Not protected: scopes other than http and websocket, and CORS
    preflights under `preflight="allow"`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        # Any: mypy infers list[object] for a variable with strings and Rules
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
        preflight: Preflight = "allow",
        clearance: Clearance | None = None,
        when: When | None = None,
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
        self.app: ASGIApp = application(app)
        limits = _config.limits(limits)
        mode, source = _config.mode(mode)
        defaults: dict[str, Any] = {"sources": sources, "fields": fields, "credentials": credentials}
        defaults |= {"on_unavailable": on_unavailable, "timeout": timeout, "limits": limits, "mode": mode}
        defaults |= {"forgive": forgive, "clearance": clearance, "when": when, "skip": skip, "accept": accept}
        defaults |= {"on_denied": on_denied, "on_result": on_result}
        table = _config.build_table(protect, exempt, root_paths, (captcha_id, captcha_key), defaults)
        self.table = table
        self.guard: Any = build_guard(
            api_server=api_server,
            limits=limits,
            store=store,
            client=client,
            trust_env=trust_env,
            allow_http=allow_http,
            on_outage=on_outage,
            on_lockout=on_lockout,
            log_clients=log_clients,
            app=app,
            preflight=preflight,
            match=None if protect is None else table.match,
        )
        self._unprotected_methods, self._decisions = table.unprotected_methods, Decisions(table.match)
        log_modes(((policy.name, policy.mode) for _, policy in table.rules), source)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle one ASGI 3 connection."""
        kind = scope["type"]
        if kind == "http":
            method = scope["method"]
        elif kind == "websocket":
            method = WEBSOCKET
        else:
            return await self.app(scope, receive, self._on_lifespan(send) if kind == "lifespan" else send)
        if method in self._unprotected_methods:
            return await self.app(scope, receive, send)
        policy = self._decisions[method, scope["path"], scope.get("raw_path") or b"", scope.get("root_path") or ""]
        if policy is None:
            return await self.app(scope, receive, send)
        await self.guard.run(policy, scope, receive, send)
        return None

    def _on_lifespan(self, send: Send) -> Send:
        """Return a `send` that imports what the first call needs at startup, and closes connections at the end."""

        async def send_on(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                await self.guard.line.prepare()
            else:
                await self.aclose()
            await send(message)

        return send_on

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next call opens them again.

        The end of a lifespan and the end of an event loop do the same, so you need not call it.
        """
        await self.guard.line.aclose()
