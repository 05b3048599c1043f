"""`geetest-form.js`, for pages in front of the guard: on a form or a `fetch`, without a dependency. docs/front-ends.md

form_script   an ASGI app that serves it, at whatever path it is put:
              `app.mount("/geetest", form_script)` in FastAPI, `Route("/geetest-form.js", form_script)` in Starlette
SCRIPT        the file, for those who serve it otherwise: `python -m geetest_asgi.frontend > static/geetest-form.js`
"""

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SCRIPT: "Final[Traversable]" = files(__package__) / "geetest-form.js"
"""The script's file. `SCRIPT.read_bytes()` works from a zip file too; most installations have it as a path."""

_CONTENT: Final = SCRIPT.read_bytes()
_ETAG: Final = f'"{hashlib.sha256(_CONTENT).hexdigest()[:16]}"'  # of the bytes: the same in every worker, on every host
_HEADERS: Final = {
    "etag": _ETAG,
    "cache-control": "public, max-age=3600",  # seconds until an upgrade has reached every browser
    "access-control-allow-origin": "*",  # there is nothing secret in it; a module of another origin needs it
    "x-content-type-options": "nosniff",
}


async def _serve(request: Request) -> Response:
    if _ETAG in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=_HEADERS)
    return Response(_CONTENT, media_type="text/javascript", headers=_HEADERS)


form_script: Final = Starlette(routes=[Route("/{path:path}", _serve)])
"""Answers GET and HEAD, 405 to the rest; a browser that has the script already is answered 304."""
