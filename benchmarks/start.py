"""A cold start: importing the package, building the guard, and the first protected request, each as a whole process.

Processes of the programs take turns; posts go over TLS, to this machine. Figures are medians over `python -c pass`, by
processor time, of which the neighbours' work is no part, and by the clock.
"""

import functools
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from .checkouts import ROOT, environment
from .fast_geetest import authority, fast_geetest
from .measure import Goal, goals, table, take_turns

TURNS: Final = 15

_BUILD: Final = """
from geetest_asgi import GeeTestMiddleware
guard = GeeTestMiddleware(print, protect=["POST /login"], captcha_id="a" * 32, captcha_key="b" * 32)
"""
# As on a machine that trusts this GeeTest's certificate too.
_TRUST: Final = "import sys, certifi\ncertifi.where = lambda: sys.argv[2]\n"
_FORM: Final = f"lot_number={1:032x}&captcha_output={'c' * 200}&pass_token={1:064x}&gen_time=1790000000"
# Whoever has a middleware has an app, and most have Starlette in it: both programs import it.
_GUARD: Final = f"""{_TRUST}
import asyncio, starlette.applications
from geetest_asgi import GeeTestMiddleware

async def app(scope, receive, send):
    assert (await receive())["body"]
    await send({{"type": "http.response.start", "status": 204, "headers": []}})

async def receive():
    return messages.pop() if messages else await asyncio.Event().wait()

async def send(message):
    assert message["status"] == 204

messages = [{{"type": "http.request", "body": b"{_FORM}", "more_body": False}}]
headers = [(b"content-type", b"application/x-www-form-urlencoded")]
scope = {{"type": "http", "method": "POST", "path": "/login", "query_string": b"", "headers": headers}}
guard = GeeTestMiddleware(app, protect=["POST /login"], captcha_id="a" * 32, captcha_key="b" * 32,
                          api_server=sys.argv[1], on_unavailable="deny")
asyncio.run(guard(scope, receive, send))
"""
_HTTPX: Final = f"""{_TRUST}
import asyncio, starlette.applications, httpx

async def main():
    async with httpx.AsyncClient() as client:
        reply = await client.post(sys.argv[1] + "/validate?captcha_id=" + "a" * 32, content=b"{_FORM}")
        assert reply.json()["result"] == "success"

asyncio.run(main())
"""
_STARLETTE: Final = "import starlette.applications"
PASS, IMPORT, STARLETTE = "`pass`", "`import geetest_asgi`", f"`{_STARLETTE}`"
BUILT, GUARD = "the same, and a guard built", "the same, and a first protected request"
HTTPX = "Starlette, and a first `httpx.AsyncClient()` post"
PROGRAMS: Final = {
    PASS: "pass",
    IMPORT: "import geetest_asgi",
    "`import httpx`": "import httpx",
    STARLETTE: _STARLETTE,
    BUILT: _STARLETTE + _BUILD,
    GUARD: _GUARD,
    HTTPX: _HTTPX,
}


def _run(program: str, url: str, trusted: Path) -> tuple[float, float]:
    """Milliseconds of processor time, and by the clock."""
    command, env = [sys.executable, "-c", program, url, str(trusted)], environment(trusted=trusted)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * cpu, 1000 * took


def measure() -> dict[str, list[tuple[float, float]]]:
    """By program."""
    with authority() as (certificate, trusted), fast_geetest(certificate) as geetest:
        turns = {name: functools.partial(_run, program, geetest.url, trusted) for name, program in PROGRAMS.items()}
        for turn in turns.values():
            turn()  # the first may compile
        return take_turns(turns, TURNS)


def main() -> str:
    """The table and the goals."""
    took = measure()
    median = {name: [statistics.median(column) for column in zip(*each, strict=True)] for name, each in took.items()}
    beside = {name: [each - none for each, none in zip(median[name], median[PASS], strict=True)] for name in took}
    cells = [[name, *(f"{each:.0f}" for each in beside[name])] for name in PROGRAMS if name != PASS]
    first, of_httpx = beside[GUARD][0] - beside[BUILT][0], beside[HTTPX][0] - beside[STARLETTE][0]
    met = goals(
        Goal("`import geetest_asgi`", beside[IMPORT][0], 25, "ms"),
        Goal("the first protected request after that beside a first httpx post", first / of_httpx, 1, "×"),
    )
    return f"{table(['over `python -c pass`', 'processor, ms', 'clock, ms'], cells)}\n\n{met}"
