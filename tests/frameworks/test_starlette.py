"""Starlette: the middleware itself, in each of the places that Starlette has for one."""

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, Router
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from geetest_asgi import GeeTestMiddleware, geetest_result
from geetest_asgi.testing import GeeTest

GUARD = Middleware(GeeTestMiddleware)


async def told(request: Request) -> JSONResponse:
    assert request.state.geetest is geetest_result(request)
    return JSONResponse({"verified": request.state.geetest.verified, "body": await request.json()})


ROUTE = Route("/login", told, methods=["POST"])
IN_FRONT = Middleware(GeeTestMiddleware, protect=["POST /login"])

# Made in a test, since all but the first build their middleware at once, which wants the id and the key.
PLACES: dict[str, Callable[[], ASGIApp]] = {
    "the app": lambda: Starlette(routes=[ROUTE], middleware=[IN_FRONT]),
    "a router": lambda: Router([ROUTE], middleware=[GUARD]),
    "a mount": lambda: Starlette(routes=[Mount("/", routes=[ROUTE], middleware=[GUARD])]),
    "a route": lambda: Starlette(routes=[Route("/login", told, methods=["POST"], middleware=[GUARD])]),
}


@pytest.mark.parametrize("place", PLACES)
def test_in_each_place_it_guards_and_the_handler_has_the_decision_and_the_body(place: str, geetest: GeeTest) -> None:
    client = TestClient(PLACES[place]())
    assert client.post("/login", json={}).json()["code"] == "captcha_missing"
    token = geetest.token()
    assert client.post("/login", json=token).json() == {"verified": True, "body": token}
    assert client.post("/login", json=token).json()["code"] == "captcha_replayed"
    assert len(geetest.calls) == 1


def test_the_guard_of_a_mount_is_one_for_all_its_routes(geetest: GeeTest) -> None:
    routes = [Route("/one", told, methods=["POST"]), Route("/two", told, methods=["POST"])]
    client, token = TestClient(Starlette(routes=[Mount("/shop", routes=routes, middleware=[GUARD])])), geetest.token()
    assert client.post("/shop/one", json=token).status_code == 200
    assert client.post("/shop/two", json=token).json()["code"] == "captcha_replayed"
    assert len(geetest.calls) == 1


@pytest.mark.parametrize(("target", "root_path"), [("/api/login%0A", ""), ("/api/login", "/x")])
def test_a_mount_that_gives_its_routes_the_whole_path_opens_nothing(
    target: str, root_path: str, geetest: GeeTest
) -> None:
    """Starlette 1.10 does so after a line feed, and where the path is not under the root path."""
    route = Route("/{version}/login", lambda request: JSONResponse("ran"), methods=["POST"])
    app = Starlette(routes=[Mount("/api", routes=[route])])
    guarded = GeeTestMiddleware(app, protect=["POST /api/{version}/login"])
    assert TestClient(app, root_path=root_path).post(target).json() == "ran", "it is no longer so: see `in_mounts`"
    assert TestClient(guarded, root_path=root_path).post(target).status_code == 403
    assert not geetest.calls
