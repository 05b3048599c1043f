"""The story: one request to the site for each row, what it should bring, and what it brought."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx

from .._core.model import GeeTestResult, Outcome
from .._core.rules import OnUnavailable
from ..testing import Simulator
from .playground import Site

Fields = Mapping[str, str]

TIMEOUT: Final = 10.0
"""Seconds for one row. The slowest part of one is the guard's own wait for GeeTest, 2 seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request brought: HTTP status, the code in the body, and what else is worth a remark."""

    status: int
    code: str = ""
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.code:<20} {self.remark}".rstrip()


@dataclass(frozen=True, slots=True)
class Step:
    """One row: a request, and the answer that is right."""

    title: str
    expected: Answer
    fields: Callable[[Simulator, Fields], Fields] = lambda simulator, last: {}
    """What to post: from the simulator's tokens, or what the row before has posted."""
    outage: OnUnavailable | None = None
    """GeeTest is down, and this is the site's policy; None: it is up."""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Row:
    """A step and what came of it."""

    step: Step
    answer: Answer

    @property
    def as_expected(self) -> bool:
        """The site did what it should."""
        return self.answer == self.step.expected

    def __str__(self) -> str:
        return f"{self.step.method:<4} /login  {self.step.title:<30}{self.answer}"


STORY: Final = (
    Step("no token", Answer(403, "captcha_missing")),
    Step("fresh token", Answer(200, "passed"), lambda simulator, last: simulator.token()),
    Step("same token again", Answer(403, "captcha_replayed"), lambda simulator, last: last),
    Step(
        "expired token",
        Answer(403, "captcha_failed", "pass_token expire"),
        lambda simulator, last: simulator.token(expired=True),
    ),
    Step(
        "forged token",
        Answer(403, "captcha_failed", "pass_token error"),
        lambda simulator, last: simulator.token(forged=True),
    ),
    Step(
        "gen_time=abc",
        Answer(403, "captcha_malformed"),
        lambda simulator, last: simulator.token() | {"gen_time": "abc"},
    ),
    Step(
        "GeeTest down, policy deny",
        Answer(503, "captcha_unavailable", "Retry-After"),
        lambda simulator, last: simulator.token(),
        outage="deny",
    ),
    Step(
        "GeeTest down, policy allow",
        Answer(200, "unavailable (unverified)"),
        lambda simulator, last: simulator.token(),
        outage="allow",
    ),
    Step("not protected", Answer(200), method="GET"),
)


def play(site: Site, url: str, story: Sequence[Step] = STORY) -> Iterator[Row]:
    """Send each request when its row is asked for. At the end the switches stand as at the beginning."""
    fields: Fields = {}
    # trust_env: a proxy that the environment names has no business between this machine and itself.
    with httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False) as client:
        try:
            for step in story:
                fields = step.fields(site.simulator, fields)
                site.set(geetest="down" if step.outage else "up", policy=step.outage or "deny")
                site.last = None
                yield Row(step, _ask(client, step.method, fields, site))
        finally:
            site.set(geetest="up", policy="deny")


def _ask(client: httpx.Client, method: str, fields: Fields, site: Site) -> Answer:
    try:
        response = client.request(method, "/login", data=dict(fields))
    except httpx.TransportError as error:
        return Answer(0, "no answer", type(error).__name__)
    return Answer(response.status_code, _code(response), _remark(response, site.last))


def _code(response: httpx.Response) -> str:
    """A denial's `code`, or the outcome that the login read from the guard."""
    if not response.headers.get("content-type", "").partition(";")[0].endswith("json"):
        return ""
    body = response.json()
    unverified = " (unverified)" if body.get("verified") is False else ""
    return str(body.get("code") or body.get("outcome") or "") + unverified


def _remark(response: httpx.Response, decision: GeeTestResult | None) -> str:
    """GeeTest's own word for a fail, which the visitor is not told; or a header that says when to come again."""
    if decision is not None and decision.outcome is Outcome.FAILED:
        return decision.reason
    return "Retry-After" if "retry-after" in response.headers else ""
