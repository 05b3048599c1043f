"""Falcon: the guard in front of the whole application; a responder has the decision from `req`.

GEETEST_CAPTCHA_ID=… GEETEST_CAPTCHA_KEY=… uvicorn examples.falcon_app:app
"""

from typing import Any

import falcon.asgi

from geetest_asgi import GeeTestMiddleware, geetest_result


class Login:
    async def on_post(self, req: Any, resp: Any) -> None:
        form = await req.get_media()
        resp.media = {"user": form["username"], "unverified": geetest_result(req).unverified}


class Home:
    async def on_get(self, req: Any, resp: Any) -> None:
        resp.media = {"message": "POST /login wants a captcha"}


site: Any = falcon.asgi.App()
site.add_route("/login", Login())
site.add_route("/", Home())
app = GeeTestMiddleware(site, protect=["POST /login"])
