"""GeeTestClient: the same check without a middleware, for a handler that asks by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from . import _config
from ._bounds.counters import Pot
from ._bounds.unverified import Unverified
from ._bounds.watch import Watch
from ._core.fields.gatherer import fields_from_mapping
from ._core.limits import Limits
from ._core.model import CaptchaFields, Evidence, GeeTestResult
from ._core.rules import OnLockout, OnOutage, OnUnavailable, Rule
from ._corridor.body import LITTLE
from ._corridor.steps import CLIENT_STEPS, Step
from ._corridor.visit import Visit
from ._corridor.walk import Guard
from ._line.line import Line
from ._scope import scope_of
from .stores import Store
from .stores.setting import as_store


class GeeTestClient:
    """Verifies one token at a time. The settings are those of GeeTestMiddleware, with the same defaults.

        client = GeeTestClient(captcha_id, captcha_key)
        result = await client.validate(await request.json(), request)
        if not result.allowed:
            ...

    Make one for the whole app: it serves any number of requests and event loops, keeps its connections, refuses a
    token that it has seen before, and caps what it lets in while GeeTest is down. Raises ConfigError when a setting is
    wrong.
    """

    def __init__(
        self,
        captcha_id: str | None = None,
        captcha_key: str | Sequence[str] | None = None,
        *,
        api_server: str | Sequence[str] | None = None,
        on_unavailable: OnUnavailable = "allow",
        timeout: float = 3.0,
        limits: Limits | None = None,
        on_outage: OnOutage | None = None,
        on_lockout: OnLockout | None = None,
        log_clients: bool = True,
        store: Store | str | None = None,
        client: Any = None,
        trust_env: bool = False,
        allow_http: bool = False,
    ) -> None:
        limits = _config.limits(limits)
        defaults: dict[str, Any] = dict.fromkeys(_config.PER_RULE)
        defaults |= {"sources": ("body",), "on_unavailable": on_unavailable, "timeout": timeout}
        defaults |= {"limits": limits, "mode": "enforce", "forgive": ()}
        self._policy = _config.build_policy(Rule("/**", name="GeeTestClient"), (captcha_id, captcha_key), defaults)
        line = Line(
            _config.api_servers(api_server, allow_http=_config.switch("allow_http", allow_http)),
            limits,
            client=_config.client(client),
            trust_env=_config.switch("trust_env", trust_env),
            on_outage=_config.plain_hook("on_outage", on_outage),
        )
        store = as_store(store)
        self._guard = Guard(
            line,
            store,
            Unverified(limits, store.count),
            Pot(limits.max_buffered, little=LITTLE),
            watch=Watch(_config.plain_hook("on_lockout", on_lockout)),
            log_clients=_config.switch("log_clients", log_clients),
        )

    async def validate(self, fields: CaptchaFields | Mapping[str, Any] | Any, request: Any = None, /) -> GeeTestResult:
        """What GeeTest says about these four fields, given by GeeTest's names; other keys are ignored.

        `request`: the request or its ASGI scope, so that `limits.unverified_per_client` knows the client. Never raises
        over what is in `fields`: what cannot be a token is `malformed` and costs no call. `result.allowed` says whether
        to go on, `bool(result)` whether GeeTest verified a human.
        """
        scope = {} if request is None else dict(scope_of(request))
        visit = self._guard.visit(self._policy, scope, _nothing_to_receive)
        visit.captcha_id, visit.keys = self._policy.captcha_id, self._policy.keys
        return await self._guard.decide(visit, (_take(fields), *CLIENT_STEPS))

    async def aclose(self) -> None:
        """Close the connections of the running event loop. It is done anyway when the loop ends."""
        await self._guard.line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _take(given: CaptchaFields | Mapping[str, Any] | Any) -> Step:
    """The step that finds the fields in what the handler gave."""

    async def take(visit: Visit) -> Evidence | None:
        values = asdict(given) if isinstance(given, CaptchaFields) else given
        found = fields_from_mapping(values, visit.policy.limits.max_field)
        if isinstance(found, Evidence):
            return found
        visit.fields = found
        return None

    return take


async def _nothing_to_receive() -> Any:
    raise RuntimeError("GeeTestClient reads no request")
