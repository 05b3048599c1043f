"""Captchas only when they are needed: who is asked after how many failures, and what nobody gets around."""

import asyncio
import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from clocks import Clock
from guessing import ASKED, FREE, Guesser, guard, login
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from geetest_asgi import AfterFailures, ConfigError
from geetest_asgi.stores import FailSafe, MemoryStore, SQLiteStore
from geetest_asgi.testing import GeeTest

pytestmark = pytest.mark.anyio

SAID = {".": FREE, "?": ASKED, "+": "passed"}
STORIES = {
    "three failures are free and then a captcha is needed": ("wwwww", "...??"),
    "with one, one more guess is free": ("wwwwWw", "...?+?"),
    "a success clears the failures": ("wwrwwww", "......?"),
    "a success with a captcha clears them": ("wwwwRwwww", "...?+...?"),
    "a login without earlier failures does not use up the right to clear": ("rrrrrwwrwwww", "...........?"),
}
"""A wrong password, or the right one; a capital comes with a captcha. And what is said of each."""


@pytest.mark.parametrize(("sent", "said"), STORIES.values(), ids=STORIES)
async def test_who_is_asked_after_what(sent: str, said: str, geetest: GeeTest) -> None:
    async with Guesser(guard()) as visitor:
        for step, expected in zip(sent, said, strict=True):
            goes = visitor.fails if step in "wW" else visitor.succeeds
            token = geetest.token() if step.isupper() else {}
            assert await goes(**token) == SAID[expected]
    assert len(geetest.calls) == said.count("+")


async def test_each_failure_counts_for_its_own_ten_minutes(geetest: GeeTest) -> None:
    clock = Clock()
    async with Guesser(guard(store=MemoryStore(clock=clock))) as visitor:
        for _ in range(3):
            await visitor.fails()
            clock.now += 100
        clock.now += 299  # 599 s after the first
        assert await visitor.fails() == ASKED
        clock.now += 2
        assert [await visitor.fails() for _ in range(2)] == [FREE, ASKED]


@pytest.mark.parametrize("status", ["400", "500", "307"])
async def test_other_answers_count_for_nothing(status: str, geetest: GeeTest) -> None:
    async with Guesser(guard()) as visitor:
        assert [await visitor.fails() for _ in range(2)] == [FREE] * 2
        assert [await visitor.says("/login", {"status": status}) for _ in range(5)] == [FREE] * 5
        assert [await visitor.fails() for _ in range(2)] == [FREE, ASKED], "neither a failure nor a success"
    async with Guesser(guard(AfterFailures(1, statuses=[422]))) as visitor:
        assert [await visitor.fails() for _ in range(3)] == [FREE] * 3, "which statuses count is configurable"
        assert [await visitor.says("/login", {"status": "422"}) for _ in range(2)] == [FREE, ASKED]


async def test_a_token_that_is_not_needed_is_not_looked_at_and_stays_good(geetest: GeeTest) -> None:
    token = geetest.token()
    async with Guesser(guard()) as visitor:
        assert [await visitor.fails(**token) for _ in range(3)] == [FREE] * 3
        assert geetest.calls == []
        assert await visitor.succeeds(**token) == "passed"


async def test_a_hundred_guesses_at_once_get_no_further_than_three(geetest: GeeTest) -> None:
    app = guard()
    said: list[str] = []

    async def guess() -> None:
        said.append(await visitor.fails())

    async with Guesser(app) as visitor, anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(guess)
    assert (said.count(FREE), said.count(ASKED)) == (3, 97)


@given(st.lists(st.sampled_from(["fails", "succeeds", "other"]), max_size=30), st.integers(1, 4))
def test_never_more_than_twice_the_limit_of_free_failures(steps: list[str], limit: int) -> None:
    """Whatever comes in between."""

    async def play() -> int:
        failures = 0
        app = guard(AfterFailures(limit))
        async with Guesser(app) as visitor:
            for step in steps:
                said = await (
                    visitor.says("/login", {"status": "422"}) if step == "other" else getattr(visitor, step)()
                )
                failures += step == "fails" and said == FREE
        return failures

    assert asyncio.run(play()) < 2 * limit


@pytest.mark.parametrize(("key", "said"), [(None, ASKED), ("ada", FREE)])
async def test_the_key_may_be_asynchronous_and_none_is_asked(key: str | None, said: str, geetest: GeeTest) -> None:
    async def of(scope: Scope) -> str | None:
        return key

    async with Guesser(guard(AfterFailures(key=of))) as visitor:
        assert await visitor.fails() == said
    app = guard()

    async def behind_a_unix_socket(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": None}, receive, send)

    async with Guesser(behind_a_unix_socket) as visitor:
        assert await visitor.succeeds() == ASKED


async def test_failures_are_counted_by_address_or_by_account_where_the_url_names_it(geetest: GeeTest) -> None:
    by_account = AfterFailures(1, key=lambda scope: f"account:{scope['path']}")
    for when, others in ((AfterFailures(1), FREE), (by_account, ASKED)):
        app = guard(when, protect="POST /login/{name}")
        async with Guesser(app) as one, Guesser(app, "192.0.2.2") as other:
            assert await one.fails(path="/login/ada") == FREE
            assert await other.fails(path="/login/ada") == others
            assert await other.fails(path="/login/bob") == (ASKED if others == FREE else FREE)


async def test_neither_addresses_nor_names_are_stored(geetest: GeeTest) -> None:
    seen: list[tuple[str, str]] = []

    class Seen(MemoryStore):
        async def add(self, key: str, value: str, seconds: float) -> bool:
            seen.append((key, value))
            return await super().add(key, value, seconds)

    async with Guesser(guard(store=Seen())) as visitor:
        await visitor.fails()
    ((key, value),) = seen
    assert value == "", "as docs/stores.md says"
    assert "192.0.2.1" not in key
    assert key.isascii()
    assert len(key) <= 150


class Broken(MemoryStore):
    down = False

    def __getattribute__(self, name: str) -> Any:
        if name in ("add", "delete", "count") and self.down:
            raise OSError("no route to the store")
        return super().__getattribute__(name)


async def test_while_the_store_is_down_a_captcha_is_needed(geetest: GeeTest) -> None:
    clock, store = Clock(), Broken()
    app = guard(store=FailSafe(store, clock=clock))
    async with Guesser(app) as visitor:
        assert await visitor.fails() == FREE
        store.down = True
        assert [await visitor.fails() for _ in range(3)] == [ASKED] * 3
        assert await visitor.succeeds(**geetest.token()) == "passed", "nobody is locked out"
        store.down = False
        clock.now += 2
        assert [await visitor.fails() for _ in range(3)] == [FREE, FREE, ASKED], "what was counted is still there"


async def test_a_store_that_fails_between_request_and_answer_changes_no_answer(geetest: GeeTest) -> None:
    store = Broken()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        store.down = True
        await login(scope, receive, send)

    async with Guesser(guard(app=app, store=store)) as visitor:
        assert await visitor.succeeds() == FREE


async def test_what_one_process_clears_is_free_in_the_other(tmp_path: Path, geetest: GeeTest) -> None:
    """Two guards with a FailSafe each, as in two processes, over one file."""
    one, other = (guard(store=SQLiteStore(tmp_path / "store.db")) for _ in range(2))
    async with Guesser(one) as here, Guesser(other) as there:
        assert [await here.fails(), await there.fails(), await here.fails()] == [FREE] * 3
        assert [await here.fails(), await there.fails()] == [ASKED] * 2
        assert await there.succeeds(**geetest.token()) == "passed"
        assert [await here.fails() for _ in range(4)] == [FREE] * 3 + [ASKED]


WRONG: dict[str, list[Any]] = {
    "limit": [0, 21, True, "3"],
    "seconds": [0, float("nan"), 10**6, "600"],
    "statuses": [200, ["401"]],
    "key": ["ada", None, lambda: "ada", lambda one, two: ""],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_meant_stops_the_app(name: str) -> None:
    for value in WRONG[name]:
        quoted, right = re.escape(f"{name}={value!r}"), r"give fn\(scope\)" if name == "key" else ""
        with pytest.raises(ConfigError, match=f"{quoted}.*{right}"):
            AfterFailures(**{name: value})
    with pytest.raises(ConfigError, match="store="):
        AfterFailures(store="memory")
    assert repr(AfterFailures(20, seconds=86400)) == "AfterFailures(20, seconds=86400)", "the most that can be meant"


@pytest.mark.parametrize("given_when", [True, AfterFailures, 3])
def test_the_setting_wants_an_object(given_when: Any) -> None:
    with pytest.raises(ConfigError, match=r"when=.*give a geetest_asgi.AfterFailures\(\)"):
        guard(given_when)


async def test_logins_to_an_account_of_their_own_do_not_let_anybody_guess_on(geetest: GeeTest) -> None:
    """Two guesses and a login of one's own, again and again: five guesses in all, and not two for each login."""
    clock = Clock()
    async with Guesser(guard(store=MemoryStore(clock=clock))) as visitor:
        said = []
        for _ in range(20):
            said += [await visitor.fails(), await visitor.fails()]
            await visitor.succeeds()
        assert said.count(FREE) == 5
        clock.now += 601
        assert await visitor.fails() == FREE


async def test_a_guard_further_in_does_not_settle_what_another_counts(geetest: GeeTest) -> None:
    store = MemoryStore()
    inner = guard(AfterFailures(1, statuses=[422], key=lambda scope: "inner"), store=store)
    async with Guesser(guard(AfterFailures(1), app=inner, store=store)) as visitor:
        assert [await visitor.fails() for _ in range(2)] == [FREE, ASKED]


async def test_rules_with_one_store_count_together_and_guards_with_another_do_not(geetest: GeeTest) -> None:
    store = MemoryStore()
    one, other, apart = (guard(store=each) for each in (store, store, MemoryStore()))
    async with Guesser(one) as here, Guesser(other) as there, Guesser(apart) as elsewhere:
        assert [await here.fails() for _ in range(2)] == [FREE] * 2
        assert [await there.fails() for _ in range(2)] == [FREE, ASKED]
        assert await elsewhere.fails() == FREE


async def test_a_key_that_is_no_text_is_an_error_of_the_app(geetest: GeeTest) -> None:
    async with Guesser(guard(AfterFailures(key=lambda scope: 7))) as visitor:  # type: ignore[arg-type, return-value]
        with pytest.raises(TypeError, match="must be a str or None, not int"):
            await visitor.fails()


@pytest.mark.parametrize("kind", [MemoryStore, SQLiteStore])
async def test_made_up_tokens_do_not_push_failures_out(kind: Any, tmp_path: Path) -> None:
    """The failures end before the tokens do."""
    store = MemoryStore(10) if kind is MemoryStore else SQLiteStore(tmp_path / "s.db", size=10)
    counter = AfterFailures(3, seconds=600)
    for number in range(30):
        await store.add(f"token {number}", "", 1200)
    for needed in (False, False, False, True, True):
        assert await counter.wanted({"type": "http", "client": ("192.0.2.1", 1)}, store) is needed
