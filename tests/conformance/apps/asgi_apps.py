"""No framework: what the server itself does, before and behind the guard."""

import asyncio
from typing import Final

from starlette.types import Receive, Scope, Send

from . import Build, enter, entered, in_front, outcome, report

PATIENCE: Final = 5.0
"""Seconds; a client that leaves is noticed in far less."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await chat(scope, receive, send)
    elif scope["path"] == "/wait":
        await wait(scope, receive, send)
    else:
        await login(scope, receive, send)


async def login(scope: Scope, receive: Receive, send: Send) -> None:
    enter("login", scope)
    body = await read(receive)
    seen = report("login", scope, body, path=scope["path"], root_path=scope["root_path"])
    await answer(send, seen, more=False)


async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    """What comes of `receive` after the body: nothing while the client is there, then its disconnect, once."""
    enter("wait", scope)
    body = await read(receive)
    next_one = asyncio.ensure_future(receive())
    done, _ = await asyncio.wait([next_one], timeout=0.2)
    await answer(send, report("wait", scope, body, early=[task.result()["type"] for task in done]), more=True)
    message = await asyncio.wait_for(next_one, PATIENCE)
    entered[f"{scope['conformance.app']} {message['type']}"] += 1


async def chat(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    enter("ws", scope)
    await send({"type": "websocket.accept"})
    message = await receive()
    await send({"type": "websocket.send", "text": f"{message['text']} {outcome(scope)}"})
    await send({"type": "websocket.close", "code": 1000})


async def read(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise RuntimeError("the client left before the end of its body")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def answer(send: Send, headers: dict[str, str], *, more: bool) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": pairs})
    await send({"type": "http.response.body", "body": b"ok\n", "more_body": more})


APPS: dict[str, Build] = {"asgi": in_front(lambda: app)}
