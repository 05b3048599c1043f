"""What compose.yaml and geetest-shop.service start: a guarded login, with metrics that all workers add up.

PROMETHEUS_MULTIPROC_DIR names a directory that is empty at the start; STORE what the workers share.
"""

import os

from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry, Counter, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector

from geetest_asgi import GeeTestMiddleware, GeeTestResult, client_address, geetest_result

DECISIONS = Counter("geetest_decisions", "Decisions of the guard.", ["geetest_outcome", "geetest_rule"])


def on_result(result: GeeTestResult, scope: object) -> None:
    DECISIONS.labels(result.outcome, result.rule).inc()


app = FastAPI()
app.add_middleware(GeeTestMiddleware, protect=["POST /login"], store=os.environ.get("STORE"), on_result=on_result)


@app.post("/login")
async def login(request: Request) -> dict[str, object]:
    return {"verified": geetest_result(request).verified, "client": client_address(request.scope)}


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"up": True}


registry = CollectorRegistry()
MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # reads what every worker has written
app.mount("/metrics", make_asgi_app(registry))  # nginx.conf keeps it from the outside
