"""The steps of one request: what a call to GeeTest is told of it."""

from typing import Any

import pytest
from policies import policy
from starlette.types import Message

from geetest_asgi import CaptchaFields, Outcome
from geetest_asgi._bounds.counters import BodyMemory
from geetest_asgi._core.model import Evidence
from geetest_asgi._corridor.body import Body
from geetest_asgi._corridor.steps import ask_geetest
from geetest_asgi._corridor.visit import Visit
from geetest_asgi.stores import MemoryStore

PASSED = Evidence(Outcome.PASSED)


class Line:
    """It has an answer, and knows what it was told with the requests."""

    told: dict[str, Any]

    async def ask(self, requests: object, seconds: float, **told: Any) -> Evidence:
        self.told = {"seconds": seconds, **told}
        return PASSED


async def nobody() -> Message:
    raise AssertionError("the server is not asked")


@pytest.mark.anyio
@pytest.mark.parametrize("complete", [True, False])
async def test_a_call_is_told_of_its_client_who_is_watched_once_the_body_is_read(complete: bool) -> None:
    """Before that, `receive` would take a piece of the body."""
    line: Any = Line()
    chosen = policy(timeout=2.5)
    body = Body(nobody, chosen.limits, BodyMemory(1000), None)
    body.complete = complete
    asked = Visit(chosen, {"type": "http"}, body, line, MemoryStore(), "203.0.113.7")
    asked.captcha_id, asked.keys = "id", ("key",)
    asked.fields = CaptchaFields("4dc3cfc2cdff448cad8d13107198d473", "aGk_", "3f" * 32, "1700000000")
    assert await ask_geetest(asked) is PASSED
    assert line.told == {
        "seconds": 2.5,
        "client": "203.0.113.7",
        "disconnected": body.wait_for_disconnect if complete else None,
        "on_answer": asked.note_answer,
    }
