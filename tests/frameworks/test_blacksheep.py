"""BlackSheep: the decision as a parameter, of HTTP and websocket handlers."""

import logging

import httpx
import pytest

pytest.importorskip("blacksheep", reason="blacksheep is not installed: pip install 'geetest-asgi[conformance]'")

from blacksheep import Application, FromForm, WebSocket
from blacksheep.server.openapi.v3 import OpenAPIHandler
from blacksheep.server.routing import Router
from openapidocs.v3 import Info
from starlette.testclient import TestClient

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.blacksheep import CaptchaResult
from geetest_asgi.testing import GeeTest, serve

PROTECT = ["POST /login", "WEBSOCKET /ws"]


class Form:
    def __init__(self, username: str) -> None:
        self.username = username


def site() -> Application:
    app = Application(router=Router())
    OpenAPIHandler(info=Info("site", "1")).bind_app(app)

    @app.router.post("/login")
    async def login(form: FromForm[Form], captcha: CaptchaResult) -> dict[str, object]:
        return {"user": form.value.username, "verified": captcha.verified}

    @app.router.post("/open")
    async def open_(captcha: CaptchaResult) -> str:
        return "in"

    @app.router.ws("/ws")
    async def chat(websocket: WebSocket, captcha: CaptchaResult) -> None:
        await websocket.accept()
        await websocket.send_text(str(captcha.rule))
        await websocket.close()

    return app


def test_a_handler_is_given_the_decision(geetest: GeeTest) -> None:
    with serve(GeeTestMiddleware(site(), protect=PROTECT)) as url:
        body = {"username": "ada"}
        assert httpx.post(f"{url}/login", data=body).status_code == 403
        assert httpx.post(f"{url}/login", data=body | geetest.token()).json() == {"user": "ada", "verified": True}
        geetest.down()
        assert httpx.post(f"{url}/login", data=body | geetest.token()).json() == {"user": "ada", "verified": False}


def test_a_websockets_handler_is_given_it_too(geetest: GeeTest) -> None:
    with TestClient(GeeTestMiddleware(site(), protect=PROTECT)) as client:
        with client.websocket_connect("/ws", headers=geetest.headers()) as socket:
            assert socket.receive_text() == "WEBSOCKET /ws"
        with pytest.raises(Exception), client.websocket_connect("/ws"):  # noqa: B017, PT011
            pass


@pytest.mark.parametrize("guarded", [True, False])
def test_without_a_decision_no_handler_runs(guarded: bool, geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    app = GeeTestMiddleware(site(), protect=PROTECT) if guarded else site()
    with caplog.at_level(logging.CRITICAL, "blacksheep.server"), serve(app) as url:
        assert httpx.post(f"{url}/open").status_code == 500
