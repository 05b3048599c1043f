"""The files of the page: no build step, nothing from another host, and a policy under which nothing else would run."""

import html
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..frontend import form_script

GT4: Final = "https://static.geetest.com/v4/gt4.js"
"""GeeTest's browser script (2026-11). Only the live page loads it: it loads more from GeeTest's own hosts."""

MOUNT: Final = "/geetest"
"""Where the site has the simulator's browser side: of the page's own origin, so that `'self'` is all it needs."""

_SELF_CONTAINED: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types geetest-simulator"
)
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "json": "application/json"}
_FRESH: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PLACE_FOR_GT4: Final = "<!-- gt4.js -->"


def page_routes(captcha_id: str, *, live: bool) -> list[Route]:
    """The page at `/`, and what it loads from `/demo/page/`."""
    return [
        Route("/", _page(captcha_id, live=live), methods=["GET"]),
        Route("/demo/page/{name}", _file, methods=["GET"]),
        Route("/demo/geetest-form.js", form_script),
    ]


def _page(captcha_id: str, *, live: bool) -> HTMLResponse:
    source = GT4 if live else f"{MOUNT}/v4/gt4.js"
    script = f'<script id="gt4" src="{source}" data-captcha-id="{html.escape(captcha_id)}"></script>'
    page = (files(__package__) / "page" / "page.html").read_text("utf-8")
    policy = {} if live else {"Content-Security-Policy": _SELF_CONTAINED}
    return HTMLResponse(page.replace(_PLACE_FOR_GT4, script), headers=_FRESH | policy)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    folder = {each.name: each for each in (files(__package__) / "page").iterdir()}
    kind = _TYPES.get(name.rpartition(".")[2])
    if kind is None or name not in folder:
        return PlainTextResponse("Not Found", 404)
    return Response(folder[name].read_bytes(), media_type=kind, headers=_FRESH)
