"""`geetest-form.js`: GeeTest's captcha on the forms and requests of a page. docs/front-ends.md

form_script   an ASGI app that serves it, at whatever path it is put:
              `app.mount("/geetest", form_script)` in FastAPI, `Route("/geetest-form.js", form_script)` in Starlette.
              A path that ends in ".mjs" is answered with the ES module, ".d.mts" with its types for TypeScript
SCRIPT        the file for `<script src>`; MODULE the file for `import`; TYPES the declarations
VERSION       changes if and only if the script does: with `?v=` and it, browsers keep the script for a year
REQUEST_HEADERS, RESPONSE_HEADERS   for CORS: what a page of another origin sends, and what it reads
integrity     the value of `integrity=` (Subresource Integrity) for one of the files

`python -m geetest_asgi.frontend --help` writes the files into a folder and prints the tags.
"""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_FILES: Final = files(__package__)
SCRIPT: "Final[Traversable]" = _FILES / "geetest-form.js"
"""The classic script. `SCRIPT.read_bytes()` works from a zip file too; most installations have it as a path."""
MODULE: "Final[Traversable]" = _FILES / "geetest-form.mjs"
"""The same source as an ES module."""
TYPES: "Final[Traversable]" = _FILES / "geetest-form.d.mts"
"""Its declarations for TypeScript."""

REQUEST_HEADERS: Final = (
    "X-GeeTest-Lot-Number",
    "X-GeeTest-Captcha-Output",
    "X-GeeTest-Pass-Token",
    "X-GeeTest-Gen-Time",
    "X-GeeTest-Clearance",
)
"""For `allow_headers` of CORSMiddleware: what a page of another origin sends with `sources=["header"]`."""
RESPONSE_HEADERS: Final = ("X-GeeTest-Denial", "X-GeeTest-Token", "X-GeeTest-Clearance", "Retry-After")
"""For `expose_headers`: what such a page reads of an answer."""

_CONTENT: Final = {file.name: file.read_bytes() for file in (SCRIPT, MODULE, TYPES)}
VERSION: Final = hashlib.sha256(b"".join(_CONTENT.values())).hexdigest()[:12]
"""Of the bytes: the same in every worker, on every host."""
_HOUR: Final = "public, max-age=3600"  # seconds until an upgrade has reached every browser
_YEAR: Final = "public, max-age=31536000, immutable"
_HEADERS: Final = {
    "access-control-allow-origin": "*",  # there is nothing secret in it; a module of another origin needs it
    "x-content-type-options": "nosniff",
}


def integrity(file: "Traversable") -> str:
    """`sha384-…` of SCRIPT, MODULE or TYPES: https://www.w3.org/TR/SRI/."""
    return "sha384-" + base64.b64encode(hashlib.sha384(file.read_bytes()).digest()).decode()


async def _serve(request: Request) -> Response:
    path = request.url.path  # whatever it is mounted at
    name = next((name for name in (TYPES.name, MODULE.name) if path.endswith(Path(name).suffixes[-1])), SCRIPT.name)
    etag = f'"{VERSION}-{name}"'
    # A page that still names another version gets this one, and not for long.
    kept = _YEAR if request.query_params.get("v") == VERSION else _HOUR
    headers = {**_HEADERS, "etag": etag, "cache-control": kept}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(_CONTENT[name], media_type="text/javascript", headers=headers)


form_script: Final = Starlette(routes=[Route("/{path:path}", _serve)])
"""Answers GET and HEAD, 405 to the rest; a browser that has the script already is answered 304."""
