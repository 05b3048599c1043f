"""The fixtures that users get: this file uses them as a user would, on apps that were built before any of them ran."""

import time
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from threads import in_threads

from geetest_asgi import GeeTestClient, GeeTestMiddleware, Limits, geetest_result
from geetest_asgi._line.stand_in import stand_in
from geetest_asgi.testing import GeeTest, GeeTestServer, Simulator, serve

pytestmark = pytest.mark.anyio

PAIR: dict[str, Any] = {"captcha_id": "an-id-of-the-shop", "captcha_key": "its-key"}


async def welcome(request: Request) -> JSONResponse:
    result = geetest_result(request)
    return JSONResponse({"code": result.outcome, "args": dict(result.captcha_args)})


site = Starlette(routes=[Route("/login", welcome, methods=["POST"])])


def guard(**settings: Any) -> GeeTestMiddleware:
    """With time enough for a busy machine to answer in."""
    settings = {"protect": ["POST /login"], "on_unavailable": "deny", "timeout": 20.0, **PAIR, **settings}
    return GeeTestMiddleware(site, **settings)


class NoClient:
    def stream(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("the network was asked")


shop = guard()
by_header = guard(sources=["header"])
with_client = guard(client=NoClient())
with_servers = guard(api_server=["https://one.example/geetest/v4", "https://two.example"])


def code(answer: Any) -> str:
    return str(answer.json()["code"]).removeprefix("captcha_")


async def post(app: GeeTestMiddleware, fields: dict[str, str], headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
        return await client.post("/login", data=fields, headers=headers)


async def login(app: GeeTestMiddleware, fields: dict[str, str], headers: dict[str, str] | None = None) -> str:
    return code(await post(app, fields, headers))


TOKENS: list[tuple[dict[str, Any], str]] = [
    ({}, "passed"),
    *(({kind: True}, "failed") for kind in ("expired", "used", "forged", "offline")),
    ({"captcha_id": "another-id"}, "failed"),
]


@pytest.mark.parametrize(("options", "outcome"), TOKENS)
async def test_a_token_ends_as_it_was_ordered_to(geetest: GeeTest, options: Any, outcome: str) -> None:
    assert await login(shop, geetest.token(**options)) == outcome
    assert await login(by_header, {}, geetest.headers(**options)) == outcome


FAULTS: dict[str, tuple[Callable[[Simulator], None], str]] = {
    "down": (lambda it: it.down(), "unavailable"),
    "slow": (lambda it: it.slow(0.01), "passed"),
    "garbled": (lambda it: it.garbled(), "unavailable"),
    "error of the id": (lambda it: it.error(-50102), "misconfigured"),
    "not found": (lambda it: it.answers(404), "refused"),
    "encoded": (lambda it: it.answers(200, {"result": "success"}, headers={"Content-Encoding": "br"}), "refused"),
}


@pytest.mark.parametrize(("order", "outcome"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_is_what_it_is_over_the_wire(order: Callable[[Simulator], None], outcome: str) -> None:
    token, far, near = GeeTest().token(), Simulator(), GeeTest()
    order(far)
    order(near)
    with serve(far) as url:
        over_the_wire = (await post(guard(api_server=url), token)).json(), far.calls[-1]
    with near:
        in_process = await post(shop, token)
    assert (in_process.json(), near.calls[-1]) == over_the_wire
    assert code(in_process) == outcome


async def hog() -> None:
    """A loop that is late all the time, as on a machine with too much to do."""
    while True:
        time.sleep(0.1)
        await anyio.sleep(0)


@pytest.mark.parametrize("fault", ["slow", "hanging on a busy machine"])
async def test_silence_ends_with_the_time_that_the_guard_gives_it(geetest: GeeTest, fault: str) -> None:
    geetest.slow(60) if fault == "slow" else geetest.hanging()
    async with anyio.create_task_group() as group:
        if "busy" in fault:
            group.start_soon(hog)
        assert await login(guard(timeout=0.5), geetest.token()) == "unavailable"
        group.cancel_scope.cancel()
    assert len(geetest.calls) == 1


async def test_an_outage_ends_when_the_test_says_so_and_at_its_end() -> None:
    with GeeTest() as one:
        for _ in range(2):
            one.up()
            assert await login(shop, one.token()) == "passed"
            one.down()
            assert {await login(shop, one.token()) for _ in range(8)} == {"unavailable"}
        assert len(one.calls) == 18
    with GeeTest() as other:
        assert await login(shop, other.token()) == "passed"


def test_an_app_in_other_threads_and_other_loops(geetest: GeeTest) -> None:
    def visit(client: TestClient) -> list[str]:
        return [code(client.post("/login", data=geetest.token())) for _ in range(3)]

    assert visit(TestClient(shop)) == ["passed"] * 3
    with TestClient(shop) as one_loop_for_all:
        assert visit(one_loop_for_all) == ["passed"] * 3
    assert in_threads(*[lambda: visit(TestClient(shop))] * 8) == [["passed"] * 3] * 8
    geetest.expect(*["success"] * 30)


async def test_it_is_asked_instead_of_whatever_the_app_or_a_client_was_built_with(geetest: GeeTest) -> None:
    for app in (with_client, with_servers):
        assert await login(app, geetest.token()) == "passed"
    assert await GeeTestClient(**PAIR, client=NoClient()).validate(geetest.token())
    assert [call.parameters["captcha_id"] for call in geetest.calls] == [PAIR["captcha_id"]] * 3


async def test_afterwards_the_app_asks_whom_it_did_before() -> None:
    far = Simulator()
    with serve(far) as url:
        app = guard(api_server=url)
        with GeeTest() as near:
            assert await login(app, near.token()) == "passed"
        assert await login(app, near.token()) == "passed"
    assert (len(near.calls), len(far.calls)) == (1, 1)


def test_there_is_one_at_a_time_and_none_afterwards_though_the_test_failed() -> None:
    def fails() -> None:
        with GeeTest():
            placed = stand_in()
            with pytest.raises(RuntimeError, match="one at a time"), GeeTest():
                pass
            assert placed is stand_in() is not None
            raise KeyError("a test that fails")

    with pytest.raises(KeyError):
        fails()
    assert stand_in() is None


@pytest.mark.parametrize("test", ["the first", "the next"])
def test_the_server_is_as_new_for_each_test(test: str, geetest_server: GeeTestServer) -> None:
    assert (geetest_server.mode, geetest_server.calls, stand_in()) == ("up", [], None)
    token = httpx.get(f"{geetest_server.url}/simulator/token", trust_env=False).json()
    assert token.keys() == geetest_server.token().keys()
    geetest_server.down()
    assert httpx.post(f"{geetest_server.url}/validate", trust_env=False).status_code == 503
    assert len(geetest_server.calls) == 1


def test_both_fixtures_are_one(geetest: GeeTest, geetest_server: GeeTestServer) -> None:
    assert geetest is geetest_server
    assert stand_in() is not None
    assert code(TestClient(shop).post("/login", data=geetest.token())) == "passed"
    geetest_server.expect("success")


async def test_the_one_address_that_all_tests_come_from_is_not_capped(geetest: GeeTest) -> None:
    """Else one test would use up the minute of the next."""
    app = guard(on_unavailable="allow", limits=Limits(unverified_per_second=10**6, unverified_per_client=3))
    geetest.down()
    assert [(await post(app, geetest.token())).status_code for _ in range(20)] == [200] * 20
