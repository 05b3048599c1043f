"""How the application starts, and how many workers it is to have."""

import os
from typing import Any, Final

import anyio

from ..stores import MemoryStore
from .app_routes import Site
from .report import Report, shown

SECONDS: Final = 60.0
"""For the startup, and again for the shutdown."""

_WORKERS: Final = ("WEB_CONCURRENCY", "UVICORN_WORKERS", "GRANIAN_WORKERS")
"""Environment variables by which servers are told their number of workers (uvicorn and gunicorn read the first)."""


def write_workers(report: Report, site: Site) -> None:
    """A warning where several workers would each remember their own tokens."""
    named = [f"{name}={os.environ[name]}" for name in _WORKERS if os.environ.get(name, "") not in ("", "0", "1")]
    if named and any(type(guard.middleware.guard.store) is MemoryStore for guard in site.guards):
        report.head("Workers")
        report.say(
            "warn",
            f"{named[0]}, and each worker remembers its own tokens; give store='sqlite:///spent.db' or 'redis://...'",
        )


def write_start(report: Report, app: Any) -> None:
    """Run the lifespan of the app, as a server does."""
    report.head("Start")
    report.say(*anyio.run(_lifespan, app))


async def _lifespan(app: Any) -> tuple[str, str]:
    to_app, for_app = anyio.create_memory_object_stream[dict[str, Any]](2)
    to_us, said = anyio.create_memory_object_stream[dict[str, Any]](16)
    failure: list[BaseException] = []

    async def run() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        with to_us:
            try:
                await app(scope, for_app.receive, to_us.send)
            except (Exception, SystemExit) as error:
                failure.append(error)

    async with to_app, for_app, said, anyio.create_task_group() as group:
        group.start_soon(run)
        for step in ("startup", "shutdown"):
            await to_app.send({"type": f"lifespan.{step}"})
            if (wrong := await _wrong(said, step)) is not None:
                group.cancel_scope.cancel()
                return _verdict(step, wrong, failure)
        group.cancel_scope.cancel()
    return "ok", "startup and shutdown are complete"


async def _wrong(said: Any, step: str) -> str | None:
    """What is wrong with this step; None if it is complete."""
    try:
        with anyio.fail_after(SECONDS):
            message = await said.receive()
    except TimeoutError:
        return f"not complete after {SECONDS:g} s"
    except anyio.EndOfStream:
        return "the app ended without an answer"
    return None if message["type"] == f"lifespan.{step}.complete" else str(message.get("message") or message["type"])


def _verdict(step: str, wrong: str, failure: list[BaseException]) -> tuple[str, str]:
    if not failure:
        return "FAIL", f"{step}: {shown(wrong)}"
    told = shown(f"{type(failure[0]).__name__}: {failure[0]}")
    return "FAIL", f"{step} raises {told}; uvicorn takes that for an app without a lifespan, unless --lifespan on"
