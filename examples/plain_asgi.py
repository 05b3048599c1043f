"""Any ASGI app, without a framework.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.plain_asgi:app
"""

import json
from typing import Any

from geetest_asgi import GeeTestMiddleware, geetest_result


async def site(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return  # a server that hears nothing about the lifespan goes on without it
    if scope["method"] == "POST" and scope["path"] == "/login":
        # The guard has let this request in: passed, or unavailable while GeeTest is down.
        result = geetest_result(scope)
        answer = {"outcome": result.outcome, "unverified": result.unverified}
    else:
        answer = {"message": "POST /login wants a captcha"}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


app = GeeTestMiddleware(site, protect=["POST /login"])
