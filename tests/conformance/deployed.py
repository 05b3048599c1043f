"""A site that says whose request it serves: what `test_deployment` starts on each server.

DEPLOYED_PROXY names whose middleware reads the proxy's headers, for servers that do not do so themselves;
DEPLOYED_RELEASE a file with the number of this release.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from geetest_asgi import GeeTestMiddleware, client_address

RELEASE = int(Path(os.environ["DEPLOYED_RELEASE"]).read_text()) if "DEPLOYED_RELEASE" in os.environ else 0

site = FastAPI()
site.add_middleware(GeeTestMiddleware, protect=["POST /login"], timeout=30)


@site.post("/login")
async def login(request: Request) -> dict[str, Any]:
    await asyncio.sleep(float(request.query_params.get("seconds", 0)))
    return {"client": client_address(request.scope), "process": os.getpid()}


@site.get("/")
async def home() -> dict[str, int]:
    return {"process": os.getpid(), "release": RELEASE}


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
