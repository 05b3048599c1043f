"""`Recorder`: forward calls of `/validate` to GeeTest, and keep its answers on a cassette."""

from pathlib import Path
from typing import Final

import httpx
from httpx import AsyncClient, HTTPError
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from .._line.exchange import MARK
from . import _wire
from ._wire import Asked
from .cassette import MAX_CALLS, Recording, recording, save

TIMEOUT: Final = 10.0
"""Seconds that GeeTest has for an answer."""


class Recorder:
    """An ASGI app that forwards calls to GeeTest. Apps call it in GeeTest's place, by `GEETEST_API_SERVER`.

    The cassette is written again after each call, up to `capacity` calls. A call that GeeTest does not answer gets a
    502, and is not recorded. The recorder sees the signature, but never the key.
    """

    def __init__(self, api_server: str, cassette: Path, *, capacity: int = MAX_CALLS) -> None:
        self._url = f"{api_server}/validate"
        self._cassette = cassette
        self._capacity = capacity
        self.calls: list[Recording] = []
        save(self._cassette, self.calls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI app: http and lifespan."""
        if scope["type"] == "lifespan":
            return await _wire.lifespan(scope, receive, send)
        body = await _wire.read_body(receive)
        if body is not None:
            answer = await self._answer(_wire.asked(scope, body), scope["query_string"])
            await answer(scope, receive, send)
        return None

    async def _answer(self, asked: Asked, query: bytes) -> Response:
        if asked.path != "/validate" or asked.method not in ("GET", "POST") or len(asked.body) > _wire.MAX_BODY:
            return PlainTextResponse("Not Found: calls of /validate are recorded here\n", 404)
        try:
            reply = await self._call(asked, query)
        except HTTPError as error:
            return PlainTextResponse(f"Bad Gateway: {self._url} does not answer ({type(error).__name__})\n", 502)
        content_type = reply.headers.get("content-type", "")
        self._keep(recording(asked.method, asked.parameters, reply.status_code, content_type, reply.content))
        # An answer of a simulator keeps the header that says so.
        headers = {name: reply.headers[name] for name in ("content-type", MARK) if name in reply.headers}
        return Response(reply.content, reply.status_code, headers)

    async def _call(self, asked: Asked, query: bytes) -> httpx.Response:
        url = f"{self._url}?{query.decode('ascii', 'replace')}"
        headers = {"content-type": asked.content_type, "accept-encoding": "identity"}
        async with AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            return await client.request(asked.method, url, content=asked.body, headers=headers)

    def _keep(self, call: Recording) -> None:
        if len(self.calls) < self._capacity:
            self.calls.append(call)
            save(self._cassette, self.calls)
