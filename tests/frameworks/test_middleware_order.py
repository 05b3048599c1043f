"""The order of the guard and other middleware: each row of the table in docs/deployment.md, run."""

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.testing import GeeTest

PAGE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text()
Add = Callable[[FastAPI], object]


def needs(module: str) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install '.[conformance]'")


def statuses(geetest: GeeTest, add: Add, *, outside: bool) -> list[int]:
    """One request without a token, then three with one each. What is added last stands outermost."""
    app = FastAPI()

    @app.post("/login/{shop}")
    async def login(shop: str) -> dict[str, str]:
        return {"shop": shop}

    def add_guard(to: FastAPI) -> None:
        to.add_middleware(GeeTestMiddleware, protect=["POST /login/*"])

    for step in (add_guard, add) if outside else (add, add_guard):
        step(app)
    visitor = TestClient(app)
    bodies = [{}, *(geetest.token() for _ in range(3))]
    return [visitor.post("/login/one", data=body).status_code for body in bodies]


@pytest.mark.parametrize(("outside", "found"), [(True, [403, 200, 429, 429]), (False, [403, 200, 200, 429])])
def test_slowapi_outside_saves_calls(outside: bool, found: list[int], geetest: GeeTest) -> None:
    needs("slowapi")
    from slowapi import Limiter
    from slowapi.middleware import SlowAPIMiddleware
    from slowapi.util import get_remote_address

    def add(app: FastAPI) -> None:
        app.state.limiter = Limiter(key_func=get_remote_address, default_limits=["2/minute"])
        app.add_middleware(SlowAPIMiddleware)

    assert statuses(geetest, add, outside=outside) == found
    assert len(geetest.calls) == (1 if outside else 3)


@pytest.mark.parametrize("outside", [True, False])
def test_fastapi_instrumentor_sees_refusals_and_routes(outside: bool, geetest: GeeTest) -> None:
    needs("opentelemetry.instrumentation.fastapi")
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    statuses(geetest, lambda app: FastAPIInstrumentor.instrument_app(app, tracer_provider=provider), outside=outside)
    whole: list[Any] = [each for each in spans.get_finished_spans() if each.name == "POST /login/{shop}"]
    assert [each.attributes["http.status_code"] for each in whole] == [403, 200, 200, 200]


@pytest.mark.parametrize(("options", "refused"), [({}, False), ({"filter_unhandled_paths": False}, True)])
def test_starlette_exporter_counts_refusals_if_it_is_told_to(
    options: dict[str, Any], refused: bool, geetest: GeeTest
) -> None:
    needs("starlette_exporter")
    from prometheus_client import generate_latest
    from starlette_exporter import PrometheusMiddleware

    name = f"shop-{refused}"
    statuses(geetest, lambda app: app.add_middleware(PrometheusMiddleware, app_name=name, **options), outside=True)
    counted = [line for line in generate_latest().decode().splitlines() if "requests_total{" in line and name in line]
    assert [any(f'"{status}"' in line for line in counted) for status in (200, 403)] == [True, refused]


@pytest.mark.parametrize("outside", [True, False])
def test_the_instrumentator_counts_refusals_outside(outside: bool, geetest: GeeTest) -> None:
    needs("prometheus_fastapi_instrumentator")
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_fastapi_instrumentator import Instrumentator

    registry = CollectorRegistry()
    statuses(geetest, lambda app: Instrumentator(registry=registry).instrument(app), outside=outside)
    refused = 'http_requests_total{handler="/login/{shop}",method="POST",status="4xx"} 1.0'
    assert (refused in generate_latest(registry).decode()) == outside


SENTRY = """\
import json
import sentry_sdk
from fastapi import FastAPI, Form
from fastapi.testclient import TestClient
from geetest_asgi import GeeTestMiddleware
from geetest_asgi.testing import Simulator, serve

events = []

class Kept(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        events.extend(item.payload.json for item in envelope.items if item.type == "event")

{init}
simulator = Simulator()
with serve(simulator) as url:
    app = FastAPI()
    app.add_middleware(GeeTestMiddleware, protect=["POST /login"], captcha_id=simulator.captcha_id,
                       captcha_key=simulator.captcha_key, api_server=url)

    @app.post("/login")
    async def login(user: str = Form()):
        raise RuntimeError("a bug")

    token = simulator.token()
    TestClient(app, raise_server_exceptions=False).post("/login", data={{**token, "user": "ada"}})
sentry_sdk.flush()
said = json.dumps(events)
print(len(events), token["pass_token"] in said, "ada" in said)
"""


@pytest.mark.parametrize(("kept", "told"), [(True, "1 True True"), (False, "1 False True")])
def test_sentrys_events_hold_the_token_unless_before_send_takes_it_out(kept: bool, told: str) -> None:
    needs("sentry_sdk")
    (block,) = (each for each in PAGE.split("```python\n")[1:] if "def before_send" in each)
    init = "sentry_sdk.init()" if kept else block.partition("```")[0]
    code = SENTRY.format(init=init.replace("init(", 'init("http://key@127.0.0.1:9/1", transport=Kept, '))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == told, done.stderr
