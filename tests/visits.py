"""A client of an app in this process: its address, its cookies, and forms with or without a captcha."""

import httpx
from starlette.types import ASGIApp


class Visitor(httpx.AsyncClient):
    """A browser at one address: it keeps cookies, and sends what it is told."""

    def __init__(self, app: ASGIApp, address: str = "192.0.2.1") -> None:
        super().__init__(transport=httpx.ASGITransport(app, client=(address, 1)), base_url="https://site")

    async def says(self, path: str, fields: dict[str, str] | None = None, **more: object) -> str:
        """What comes of a form: the code of a denial, or what the app tells of the decision."""
        answer = await self.post(path, data=fields, **more)  # type: ignore[arg-type]
        told = answer.json()
        return str(told.get("code") or told["reason"] or told["outcome"])
