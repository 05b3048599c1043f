"""A cold start: importing the package, building the guard, and the first protected request, each as a whole process.

Processes of the programs take turns; posts go over TLS, to this machine. Figures are medians over `python -c pass`, by
processor time, of which the neighbours' work is no part, and by the clock.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import certifi
import trustme

from .fast_geetest import fast_geetest
from .measure import Goal, goals, scaled, table

TURNS: Final = 15

_BUILD: Final = """
from geetest_asgi import GeeTestMiddleware
guard = GeeTestMiddleware(print, protect=["POST /login"], captcha_id="a" * 32, captcha_key="b" * 32)
"""
_FORM: Final = f"lot_number={1:032x}&captcha_output={'c' * 200}&pass_token={1:064x}&gen_time=1790000000"
# Whoever has a middleware has an app, and most have Starlette in it: both programs import it.
_GUARD: Final = f"""
import asyncio, sys, starlette.applications
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
                          api_server=sys.argv[1], on_unavailable="deny", trust_env=True)
asyncio.run(guard(scope, receive, send))
"""
_HTTPX: Final = f"""
import asyncio, sys, starlette.applications, httpx

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


def _run(program: str, geetest: str, environment: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of processor time, and by the clock."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", program, geetest], check=True, env=environment, stderr=subprocess.DEVNULL)
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * cpu, 1000 * took


@contextmanager
def _geetest() -> Iterator[tuple[str, dict[str, str]]]:
    """Its URL, and an environment that trusts it, and besides as many authorities as there usually are."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as directory:
        certificate, trusted = Path(directory, "geetest.pem"), Path(directory, "trusted.pem")
        certificate.write_bytes(authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())
        trusted.write_text(certifi.contents() + authority.cert_pem.bytes().decode())
        with fast_geetest(0, certificate) as url:
            yield url, {**os.environ, "SSL_CERT_FILE": str(trusted), "NO_PROXY": "*"}


def measure() -> dict[str, list[tuple[float, float]]]:
    """By program."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    with _geetest() as (url, environment):
        for _ in range(scaled(TURNS) + 1):
            for name, program in PROGRAMS.items():
                took[name].append(_run(program, url, environment))
    return {name: each[1:] for name, each in took.items()}  # the first may compile


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


if __name__ == "__main__":
    print(main())
