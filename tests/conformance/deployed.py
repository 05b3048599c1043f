"""A site that says whose request it serves: what `test_deployment` starts on each server.

DEPLOYED_PROXY names whose middleware reads the proxy's headers, for servers that do not do so themselves.
"""

import asyncio
import os
from typing import Any

from fastapi import FastAPI, Request

from geetest_asgi import GeeTestMiddleware, client_address

site = FastAPI()
site.add_middleware(GeeTestMiddleware, protect=["POST /login"])


@site.post("/login")
async def login(request: Request) -> dict[str, Any]:
    await asyncio.sleep(float(request.query_params.get("seconds", 0)))
    return {"client": client_address(request.scope), "process": os.getpid()}


@site.get("/")
async def home() -> dict[str, int]:
    return {"process": os.getpid()}


def _behind_a_proxy(app: Any) -> Any:
    reader = os.environ.get("DEPLOYED_PROXY")
    if reader == "hypercorn":
        from hypercorn.middleware import ProxyFixMiddleware

        return ProxyFixMiddleware(app, mode="legacy", trusted_hops=1)
    if reader == "granian":
        from granian.utils.proxies import wrap_asgi_with_proxy_headers

        return wrap_asgi_with_proxy_headers(app, trusted_hosts="127.0.0.1")
    if reader == "uvicorn":
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        return ProxyHeadersMiddleware(app, trusted_hosts="127.0.0.1")
    return app


app = _behind_a_proxy(site)
