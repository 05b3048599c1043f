"""Microdot keeps the ASGI scope as `request.asgi_scope`: `geetest_result` takes its request."""

from typing import Any

import pytest
from starlette.testclient import TestClient

microdot = pytest.importorskip(
    "microdot.asgi", reason="microdot is not installed: pip install 'geetest-asgi[quickstarts]'"
)

from geetest_asgi import GeeTestMiddleware, geetest_result  # noqa: E402 - Microdot may not be there
from geetest_asgi.testing import GeeTest  # noqa: E402


def test_a_microdot_app_behind_the_guard(geetest: GeeTest) -> None:
    app = microdot.Microdot()

    @app.post("/login")  # type: ignore[untyped-decorator, unused-ignore]
    async def login(request: Any) -> dict[str, str]:
        return {"user": request.form["username"], "outcome": geetest_result(request).outcome}

    client = TestClient(GeeTestMiddleware(app, protect=["POST /login"]))
    for target in ("/login", "/login%3Fx"):  # it looks for a query in the decoded path
        assert client.post(target, data={"username": "ada"}).json()["code"] == "captcha_missing"
    answer = client.post("/login", data={"username": "ada"} | geetest.token())
    assert answer.json() == {"user": "ada", "outcome": "passed"}
