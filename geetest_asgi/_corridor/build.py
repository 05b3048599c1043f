"""Build the guard of a middleware or of a GeeTestClient from the settings that both have."""

from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp

from .. import _config
from .._bounds.alerts import Alerts
from .._bounds.counters import BodyMemory
from .._bounds.unverified import Unverified
from .._core.limits import Limits
from .._core.rules import OnLockout, OnOutage, Preflight
from .._line.line import Line
from .._line.wires import wire_maker
from ..stores import Store
from ..stores.setting import as_store
from .outgoing import Match
from .walk import Guard


def build_guard(
    *,
    api_server: str | Sequence[str] | None,
    limits: Limits,
    store: Store | str | None,
    client: Any,
    trust_env: bool,
    allow_http: bool,
    on_outage: OnOutage | None,
    on_lockout: OnLockout | None,
    log_clients: bool,
    app: ASGIApp | None = None,
    preflight: Preflight = "allow",
    match: Match | None = None,
) -> Guard:
    """Return the guard that these settings describe. Raises ConfigError."""
    servers = _config.api_servers(api_server, allow_http=_config.switch("allow_http", allow_http))
    make = wire_maker(_config.client(client), servers, trust_env=_config.switch("trust_env", trust_env))
    line = Line(servers, limits, make, on_outage=_config.plain_hook("on_outage", on_outage))
    kept = as_store(store)
    return Guard(
        line=line,
        store=kept,
        unverified=Unverified(limits, kept.count),
        memory=BodyMemory(limits.max_buffered),
        alerts=Alerts(_config.plain_hook("on_lockout", on_lockout)),
        log_clients=_config.switch("log_clients", log_clients),
        app=app,
        preflight=_config.choice("preflight", preflight),
        match=match,
    )
