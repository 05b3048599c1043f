"""What the tests of the simulator share: whole calls, a client in process, and the answers that are documented."""

import hmac
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
from starlette.types import Message, Scope

from geetest_asgi.testing import CODES, DEMO_ID, DEMO_KEY, Simulator

OTHER_ID = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
FORM = "application/x-www-form-urlencoded"


def sign(lot_number: str, key: str = DEMO_KEY) -> str:
    return hmac.new(key.encode(), lot_number.encode(), "sha256").hexdigest()


def signed(fields: Mapping[str, str], captcha_id: str = DEMO_ID, key: str = DEMO_KEY) -> dict[str, str]:
    """A whole call to /validate about these fields."""
    return {**fields, "captcha_id": captcha_id, "sign_token": sign(fields.get("lot_number", ""), key)}


def failure(reason: str) -> dict[str, Any]:
    return {"status": "success", "result": "fail", "reason": reason, "captcha_args": {}}


def refusal(code: str) -> dict[str, Any]:
    return {"status": "error", "code": code, "msg": CODES[code], "desc": {"type": "defined error"}}


def client(simulator: Simulator, base_url: str = "http://simulator") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=simulator, client=("198.51.100.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url=base_url)


async def send(simulator: Simulator, method: str, path: str, **more: Any) -> httpx.Response:
    async with client(simulator) as http:
        return await http.request(method, path, **more)


async def ask(simulator: Simulator, call: Mapping[str, str]) -> dict[str, Any]:
    """Post the call as the documentation recommends: the id in the query, the rest in the form."""
    form = dict(call)
    query = {"captcha_id": form.pop("captcha_id")} if "captcha_id" in form else {}
    reply = await send(simulator, "POST", "/validate", params=query, data=form)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    answer: dict[str, Any] = reply.json()
    return answer


async def result(simulator: Simulator, call: Mapping[str, str]) -> str:
    """What is said of a genuine token: its reason, or "success". The answer is about this captcha."""
    answer = await ask(simulator, call)
    assert answer["captcha_args"]["lot_number"] == call["lot_number"]
    return str(answer["reason"] or answer["result"])


def http_scope(method: str, path: str, **more: Any) -> dict[str, Any]:
    headers = [(b"content-type", FORM.encode())]
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, **more}


def request(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def drive(simulator: Simulator, scope: Scope, *messages: Message) -> list[Message]:
    """Run the app on these messages, then an empty end of the body, then http.disconnect; what it sent."""
    waiting: Iterator[Message] = iter([*messages, request(b"", more=False), {"type": "http.disconnect"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(waiting)

    async def send(message: Message) -> None:
        sent.append(message)

    await simulator(scope, receive, send)
    return sent
