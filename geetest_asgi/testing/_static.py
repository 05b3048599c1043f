"""The scripts that the simulator serves, read when they are first asked for and then kept.

address                              what it is                                   how long a browser may keep it
/v4/gt4.js, /v4/ct4.js               our stand-in for the browser script of       it asks each time (ETag)
                                     GeeTest and of Alibaba Cloud
/v4/bypass.js, /v4/geebypass.js      what a genuine script of GeeTest or of       it asks each time (ETag)
                                     Geelab loads in an outage
/v4/static/DIGEST/js/gcaptcha4.js    what a genuine gt4.js loads after `/load`    for ever: the digest is its name
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from ._answers import Answer, as_json

_WIDGET: Final = ("gcaptcha4.js",)
_SCRIPT: Final = ("gcaptcha4.js", "gt4.js")
"""One file, so that the page has the widget even when no host can be reached any more."""
_PLACE_FOR_CSS: Final = b'"{gcaptcha4.css}"'
_PLACE_FOR_ORIGIN: Final = b'"{origin}"'
_ASK: Final = "no-cache"
_KEEP: Final = "public, max-age=31536000, immutable"

_ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "/v4/gt4.js": _SCRIPT,
        "/v4/ct4.js": _SCRIPT,
        "/v4/bypass.js": _WIDGET,
        "/v4/geebypass.js": _WIDGET,  # gl4.js 4.2.0
    }
)
_JS: Final = "/js/gcaptcha4.js"
_CSS: Final = "/css/gcaptcha4.css"
_GCT: Final = "/js/gct4.js"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is served."""

    content: bytes
    content_type: str = "text/javascript; charset=utf-8"

    @property
    def digest(self) -> str:
        """Its name among all that it ever was."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def addresses(place: str) -> dict[str, Any]:
    """What `/load` says about where the scripts are. `place` is the simulator's own address, without a scheme."""
    static_path = _static_path()
    return {
        "js": _JS,
        "css": _CSS,
        "static_path": static_path,
        "gct_path": static_path + _GCT,  # some genuine loaders do without it only for the first captcha of a page
        "static_servers": [place + "/"],
    }


def exists(path: str) -> bool:
    """Whether there is such a file."""
    return find(path, "", "") is not None


def find(path: str, if_none_match: str, origin: str) -> Answer | None:
    """The answer to a GET for this path; None: there is no such file.

    `origin`: the simulator's own, which the script carries, so that it works where a page has it inline.
    """
    if path in _ADDRESSES:
        script = _read(_ADDRESSES[path]).content.replace(_PLACE_FOR_ORIGIN, as_json(origin))
        return _serve(File(script), _ASK, if_none_match)
    beneath = path.removeprefix("/v4/static/")
    digest, slash, name = beneath.partition("/")
    if beneath == path or slash + name not in _BENEATH:
        return None
    # Another version's digest, from a page that was loaded before an upgrade: served, but not for ever.
    kept = _KEEP if f"/v4/static/{digest}" == _static_path() else _ASK
    return _serve(_BENEATH[slash + name](), kept, if_none_match)


def _serve(file: File, kept: str, if_none_match: str) -> Answer:
    etag = f'"{file.digest}"'
    headers = {"etag": etag, "cache-control": kept}
    if etag in if_none_match:
        return Answer(304, content_type=file.content_type, headers=headers)
    return Answer(200, file.content, file.content_type, headers)


def _static_path() -> str:
    return f"/v4/static/{_read(_WIDGET).digest}"


@cache
def _read(names: tuple[str, ...]) -> File:
    script = b"".join(_content(name) for name in names)
    return File(script.replace(_PLACE_FOR_CSS, as_json(_content("gcaptcha4.css").decode())))


def _content(name: str) -> bytes:
    return (files(__package__) / "browser" / name).read_bytes()


_BENEATH: Final[Mapping[str, Callable[[], File]]] = MappingProxyType(
    {
        _JS: lambda: _read(_WIDGET),
        _CSS: lambda: File(_content("gcaptcha4.css"), "text/css; charset=utf-8"),
        _GCT: lambda: File(b"/* GeeTest's takes fingerprints; the stand-in takes none. */\n"),
    }
)
