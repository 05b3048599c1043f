"""GeeTestClient: the same call without a middleware, for a handler that asks by itself."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from . import _config
from ._bounds.unverified import Admissions
from ._core.fields.gatherer import fields_from_mapping
from ._core.judge import judge
from ._core.limits import Limits
from ._core.model import CaptchaFields, Evidence, GeeTestResult
from ._core.protocol import build_request
from ._core.rules import OnOutage, OnUnavailable, Rule
from ._line.line import Line
from ._line.stand_in import stand_in
from .observers.logs import log_decision


class GeeTestClient:
    """Asks GeeTest about one token at a time. The settings are those of GeeTestMiddleware, with the same defaults.

        client = GeeTestClient(captcha_id, captcha_key)
        if await client.validate(await request.json()):   # a GeeTestResult, true if a human was verified
            ...

    Make one for the whole app: it serves any number of requests and event loops, and keeps its connections. It
    keeps no account of spent tokens: GeeTest itself refuses a token the second time. Raises ConfigError
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
        client: Any = None,
        trust_env: bool = False,
        allow_http: bool = False,
    ) -> None:
        limits = _config.limits(limits)
        defaults: dict[str, Any] = dict.fromkeys(_config.PER_RULE)
        defaults |= {"sources": ("body",), "on_unavailable": on_unavailable, "timeout": timeout}
        defaults |= {"limits": limits, "mode": "enforce", "after": False}
        self._policy = _config.build_policy(Rule("/**", name="GeeTestClient"), (captcha_id, captcha_key), defaults)
        self._line = Line(
            _config.api_servers(api_server, allow_http=_config.switch("allow_http", allow_http)),
            limits,
            client=_config.client(client),
            trust_env=_config.switch("trust_env", trust_env),
            on_outage=_config.plain_hook("on_outage", on_outage),
        )
        self._admissions = Admissions(limits)

    async def validate(self, fields: CaptchaFields | Mapping[str, Any] | Any) -> GeeTestResult:
        """What GeeTest says about these four fields, given by GeeTest's names; other keys are passed over.

        Never raises over what is in `fields`: what cannot be a token is `malformed` and costs no call. `bool(result)`
        says whether a human was verified, `result.allowed` what `on_unavailable` makes of an outage.
        """
        policy = self._policy
        found = fields if isinstance(fields, CaptchaFields) else fields_from_mapping(fields, policy.limits.max_field)
        evidence = found if isinstance(found, Evidence) else await self._ask(found)
        evidence, room = self._admissions.consider(policy, evidence, None)
        result = judge(policy, evidence, room=room)
        log_decision(result)
        return result

    async def _ask(self, fields: CaptchaFields) -> Evidence:
        policy = self._policy
        keys = (policy.captcha_key, *policy.older_keys)
        requests = [build_request(policy.captcha_id, key, fields) for key in keys]
        line = Line.over(wire) if (wire := stand_in()) else self._line
        return await line.ask(requests, policy.timeout, on_answer=self._admissions.heard)

    async def aclose(self) -> None:
        """Close the connections of the running event loop. It is done anyway when the loop ends."""
        await self._line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
