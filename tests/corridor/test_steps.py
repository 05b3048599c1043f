"""The steps of one request: which pair is chosen, what is said of a search in vain, and what a call is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from policies import policy
from starlette.types import Message, Scope

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._bounds.counters import BodyMemory
from geetest_asgi._core.model import Evidence, ValidateRequest
from geetest_asgi._corridor.body import Body, VisitorLeft
from geetest_asgi._corridor.steps import ask_geetest, choose_credentials, find_fields, waive
from geetest_asgi._corridor.visit import Visit
from geetest_asgi._line.call import CLIENT_LEFT
from geetest_asgi.stores import MemoryStore

pytestmark = pytest.mark.anyio

FIELDS = CaptchaFields("4dc3cfc2cdff448cad8d13107198d473", "aGk_", "3f" * 32, "1700000000")
PASSED = Evidence(Outcome.PASSED)


@dataclass
class Told:
    """A line that writes down what it is told of a call, and has an answer."""

    answer: Evidence = PASSED
    requests: list[ValidateRequest] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    async def ask(self, requests: Sequence[ValidateRequest], seconds: float, **told: Any) -> Evidence:
        self.requests, self.told = list(requests), {"seconds": seconds, **told}
        return self.answer


async def nobody() -> Message:
    raise AssertionError("the server is not asked")


def visit(line: Any = None, **settings: Any) -> Visit:
    """A request of a guard with these settings."""
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"a=1"}
    chosen = policy(**settings)
    body = Body(nobody, chosen.limits, BodyMemory(1000), None)
    return Visit(chosen, scope, body, line, MemoryStore(), "203.0.113.7")


async def test_the_usual_pair_is_chosen_where_there_is_no_other() -> None:
    asked = visit()
    assert await choose_credentials(asked) is None
    assert (asked.captcha_id, asked.keys) == ("id", ("key",))


async def test_the_pair_of_this_request_is_chosen_first() -> None:
    asked = visit(credentials=lambda scope: ("another", "secret"))
    assert await choose_credentials(asked) is None
    assert (asked.captcha_id, asked.keys) == ("another", ("secret",))


async def test_a_pair_that_the_sent_id_chooses_is_not_chosen_before_it_is_read() -> None:
    asked = visit(credentials=lambda scope, sent_id: pytest.fail("asked"))
    assert await choose_credentials(asked) is None
    assert asked.captcha_id == ""


async def test_a_request_without_any_pair_is_of_no_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEETEST_CAPTCHA_ID", raising=False)
    monkeypatch.delenv("GEETEST_CAPTCHA_KEY", raising=False)
    evidence = await choose_credentials(visit(captcha_id=None, captcha_key=None, credentials=lambda scope: None))
    assert evidence is not None
    assert evidence.outcome is Outcome.UNKNOWN_TENANT


@dataclass
class When:
    """It wants a captcha, or none."""

    wants: bool

    async def wanted(self, scope: Scope, store: Any) -> bool:
        return self.wants

    async def answered(self, scope: Scope, store: Any, status: int) -> None: ...


@pytest.mark.parametrize("wants", [True, False])
async def test_when_says_whether_a_captcha_is_needed_and_is_to_be_told_of_the_answer(wants: bool) -> None:
    asked = visit(when=When(wants))
    assert await waive(asked) == (None if wants else Evidence(Outcome.SKIPPED, "not needed yet"))
    assert asked.when_pending


async def test_a_search_in_vain_says_what_each_source_contains() -> None:
    evidence = await find_fields(visit(sources=["header", "query"]))
    reason = "no captcha field with a value: headers with 'geetest': no names; query: a"
    assert evidence == Evidence(Outcome.MISSING, reason)


def to_ask(line: Told) -> Visit:
    """A request of which all is known that a call needs."""
    asked = visit(line, timeout=2.5)
    asked.captcha_id, asked.keys, asked.fields = "id", ("key", "old"), FIELDS
    return asked


@pytest.mark.parametrize("complete", [True, False])
async def test_a_call_is_told_of_its_client_who_is_watched_once_the_body_is_read(complete: bool) -> None:
    """Before that, `receive` would take a piece of the body."""
    line = Told()
    asked = to_ask(line)
    asked.body.complete = complete
    assert await ask_geetest(asked) is PASSED
    assert [request.lot_number for request in line.requests] == [FIELDS.lot_number] * 2
    assert line.told == {
        "seconds": 2.5,
        "client": "203.0.113.7",
        "disconnected": asked.body.wait_for_disconnect if complete else None,
        "on_answer": asked.note_answer,
    }


async def test_a_call_that_ended_because_the_client_left_has_no_evidence() -> None:
    with pytest.raises(VisitorLeft):
        await ask_geetest(to_ask(Told(CLIENT_LEFT)))


async def test_an_answer_is_remembered() -> None:
    asked = visit()
    asked.note_answer(PASSED)
    assert asked.answer is PASSED
