"""The steps of one request: what a call to GeeTest is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from policies import policy
from starlette.types import Message

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._bounds.counters import BodyMemory
from geetest_asgi._core.model import Evidence, ValidateRequest
from geetest_asgi._corridor.body import Body, VisitorLeft
from geetest_asgi._corridor.steps import ask_geetest
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


def to_ask(line: Any) -> Visit:
    """A request of which all is known that a call needs."""
    chosen = policy(timeout=2.5)
    body = Body(nobody, chosen.limits, BodyMemory(1000), None)
    asked = Visit(chosen, {"type": "http"}, body, line, MemoryStore(), "203.0.113.7")
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
    asked.note_answer(PASSED)
    assert asked.answer is PASSED


async def test_a_call_that_ended_because_the_client_left_has_no_evidence() -> None:
    with pytest.raises(VisitorLeft):
        await ask_geetest(to_ask(Told(CLIENT_LEFT)))
