"""GeeTestClient: verify a token in a handler, without a middleware."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from . import _config
from ._core.fields.gatherer import fields_from_mapping
from ._core.limits import Limits
from ._core.model import CaptchaFields, Evidence, GeeTestResult
from ._core.rules import OnLockout, OnOutage, OnUnavailable, Rule
from ._corridor.build import build_guard
from ._corridor.steps import CLIENT_STEPS, Step
from ._corridor.visit import Visit
from ._scope import scope_of
from .stores import Store


class GeeTestClient:
    """Verifies tokens for handlers. Its settings mean the same as on GeeTestMiddleware and have the same defaults.

        client = GeeTestClient(captcha_id, captcha_key)
        result = await client.validate(await request.json(), request)
        if not result.allowed:
            ...

    Make one for the whole app. It serves any number of requests and event loops, keeps its connections open, refuses
    a token that it has seen before, and caps the requests that it allows while GeeTest is down. Raises ConfigError
    when a setting is wrong.
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
        self._guard = build_guard(
            api_server=api_server,
            limits=limits,
            store=store,
            client=client,
            trust_env=trust_env,
            allow_http=allow_http,
            on_outage=on_outage,
            on_lockout=on_lockout,
            log_clients=log_clients,
        )

    async def validate(self, fields: CaptchaFields | Mapping[str, Any] | Any, request: Any = None, /) -> GeeTestResult:
        """Verify the four fields, given by GeeTest's names, and return the decision. Other keys are ignored.

        `request`: the request or its ASGI scope; `limits.unverified_per_client` counts by its client. No value of
        `fields` raises: values that cannot be a token give `malformed` without a call. `result.allowed` says whether
        to go on, `bool(result)` whether GeeTest verified the token.
        """
        scope = {} if request is None else dict(scope_of(request))
        visit = self._guard.visit(self._policy, scope, _no_receive)
        visit.captcha_id, visit.keys = self._policy.captcha_id, self._policy.keys
        return await self._guard.decide(visit, (_take(fields), *CLIENT_STEPS))

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The end of the loop closes them, too."""
        await self._guard.line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _take(given: CaptchaFields | Mapping[str, Any] | Any) -> Step:
    """Return the step that reads the fields from the handler's mapping."""

    async def take(visit: Visit) -> Evidence | None:
        values = asdict(given) if isinstance(given, CaptchaFields) else given
        found = fields_from_mapping(values, visit.policy.limits.max_field)
        if isinstance(found, Evidence):
            return found
        visit.fields = found
        return None

    return take


async def _no_receive() -> Any:
    raise RuntimeError("GeeTestClient reads no request")
