"""A token is asked about once: when it is spent, when it is given back, and how it survives a redirect."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.responses import RedirectResponse

from geetest_asgi import Limits
from geetest_asgi.stores import MemoryStore
from geetest_asgi.testing import Simulator

from .servers import GeeTest
from .site import App, Told
from .visitors import visit

pytestmark = pytest.mark.anyio


async def test_a_replay_is_refused_without_a_call(geetest: GeeTest, app: App) -> None:
    told, token = Told(), geetest.token()
    guard = geetest.guard(app, on_result=told)
    answers = [await visit(token).run(guard) for _ in range(3)]
    assert [each.code for each in answers] == ["in", "captcha_replayed", "captcha_replayed"]
    assert (answers[1].status, answers[1].problem["retry"]) == (403, "solve")
    assert told.reasons[1]
    assert len(geetest.calls) == len(app.seen) == 1


Case = tuple[str, Callable[[Simulator], object], dict[str, Any]]
"""What the first visitor is told; what is wrong with GeeTest; the guard's settings."""

SPENT: dict[str, Case] = {
    "passed": ("in", Simulator.up, {}),
    "failed": ("captcha_failed", lambda s: s.answers(200, {"result": "fail", "reason": "no"}), {}),
    "let in unverified": ("in", Simulator.down, {}),
    "not accepted": ("captcha_failed", Simulator.up, {"accept": lambda result, scope: False}),
    "monitored": ("in", lambda s: s.error("-50005"), {"mode": "monitor"}),
}
GIVEN_BACK: dict[str, Case] = {
    "over the cap": ("captcha_unavailable", Simulator.down, {"limits": Limits(unverified_per_second=0)}),
    "refused": ("captcha_refused", lambda s: s.error("-50005"), {}),
}


@pytest.mark.parametrize("name", [*SPENT, *GIVEN_BACK])
async def test_a_token_stays_spent_once_it_has_served_and_else_is_given_back(
    name: str, geetest: GeeTest, app: App
) -> None:
    """In the other cases the human did nothing wrong, and may send the same token again when the trouble is over."""
    code, fault, settings = {**SPENT, **GIVEN_BACK}[name]
    fault(geetest.simulator)
    store = MemoryStore()
    guard, token = geetest.guard(app, store=store, **settings), geetest.token()
    assert (await visit(token).run(guard)).code == code
    geetest.simulator.up()
    again = (await visit(token).run(geetest.guard(app, store=store))).code
    assert (again, len(geetest.calls)) == (("captcha_replayed", 1) if name in SPENT else ("in", 2))


async def test_a_token_is_given_back_when_the_visitor_leaves_during_the_call(geetest: GeeTest, app: App) -> None:
    geetest.simulator.hanging()
    store, token = MemoryStore(), geetest.token()
    guard = geetest.guard(app, store=store, timeout=5, on_result=lambda *_: pytest.fail("judged"))
    leaving = visit(token)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leaving.run, guard)
        await leaving.leave_during_the_call()
    assert (leaving.status, app.seen) == (400, [])
    geetest.simulator.up()
    assert (await visit(token).run(geetest.guard(app, store=store))).code == "in"


async def boom(*_: object) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize("who", ["accept", "the app"])
async def test_a_token_that_passed_stays_spent_though_somebody_raises(who: str, geetest: GeeTest, app: App) -> None:
    """GeeTest gave its verdict: a second call could only be told `pass_token used`."""
    guard = geetest.guard(app, accept=boom) if who == "accept" else geetest.guard(boom)
    token = geetest.token()
    with pytest.raises(ZeroDivisionError):
        await visit(token).run(guard)
    assert (await visit(token).run(guard)).code == "captcha_replayed"
    assert len(geetest.calls) == 1


async def test_the_offline_token_lets_everybody_in_while_geetest_is_down(geetest: GeeTest, app: App) -> None:
    """It is a constant: every visitor in an outage has the same one."""
    guard = geetest.guard(app, limits=Limits(unverified_per_second=1000, breaker_failures=0))
    geetest.simulator.down()
    for _ in range(30):
        assert (await visit(geetest.token(offline=True)).run(guard)).code == "in"
    assert not any(seen.result for seen in app.seen)
    closed = geetest.guard(app, on_unavailable="deny")
    assert (await visit(geetest.token(offline=True)).run(closed)).code == "captcha_unavailable"
    geetest.simulator.up()
    assert (await visit(geetest.token(offline=True)).run(guard)).code == "captcha_failed"


async def test_a_denials_redirect_gives_nothing_away(geetest: GeeTest, app: App) -> None:
    """A developer's denial may be a 307 to a captcha page; a failed token does not become good by that."""
    guard = geetest.guard(app, on_denied=lambda result, scope: RedirectResponse("/captcha", 307))
    token = geetest.token(forged=True)
    for _ in range(3):
        assert (await visit(token).run(guard)).status == 307
    assert app.seen == []
    assert len(geetest.calls) == 1
