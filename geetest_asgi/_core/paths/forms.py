"""All spellings of a path that some framework serves with the same handler.

Servers decode percent escapes once and normalise nothing; frameworks then differ. Starlette serves `/login%0A` as
`/login`, Quart and Falcon serve `//login`, BlackSheep `/LOGIN`, Litestar `/zzz/api/login` under root path `/api`,
and a request target in absolute form (`http://h/login`, for Quart `x:login?` too) reaches the scope whole. A guard
that compared one spelling could be bypassed. So each path has several forms, each a tuple of segments. A path is
protected if any form matches, exempt only if all forms are, and refused if two forms fall under different rules. A
form too many costs a captcha on a 404; a missing form is a bypass.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import dropwhile
from typing import Final
from urllib.parse import unquote, urlsplit

Segments = tuple[str, ...]

MAX_PATH: Final = 2048
"""Characters of a path or a root path. A longer one is refused, since no route is that long: this bounds the work that
a client can cause."""
MAX_SEGMENTS: Final = 100
"""Slashes in a path or a root path. Matching the many forms of a path of 2,000 segments takes a third of a second."""

_DEEPEST_MOUNT: Final = 3
"""Segments of a mount's path. Deeper mounts have no forms in `in_mounts`, which bounds their number."""

# A path of these characters alone, no segment empty or beginning with a dot, has one form: itself.
_PLAIN: Final = re.compile(r"(?:/(?!\.)[A-Za-z0-9_~@:,+=!$&'()*.-]++)++")
_AUTHORITY: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
_END: Final = re.compile("[?#].*", re.DOTALL)
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]+")


def is_too_much(path: str, raw_path: bytes, root_path: str) -> bool:
    """Is the path or the root path too long? The root path counts, since daphne takes it from a request header."""
    too_long = max(len(path), len(root_path)) > MAX_PATH or len(raw_path) > 3 * MAX_PATH
    return too_long or max(path.count("/"), root_path.count("/")) > MAX_SEGMENTS


def is_plain(path: str, raw_path: bytes) -> bool:
    """Return whether this path has only one form. Most paths do."""
    return b"%" not in raw_path and _PLAIN.fullmatch(path) is not None


def fold_case(text: str) -> str:
    """Return `text` in one case, such that all letters are equal that any framework takes for equal.

    `re.IGNORECASE`, used by Django for `(?i)` routes, takes the dotted capital I and the dotless small i for an `i`;
    `str.casefold` does not.
    """
    return text.lower() if text.isascii() else text.casefold().replace("i\u0307", "i").replace("\u0131", "i")


def split(path: str) -> Segments:
    """Return the segments of a path. The slash before the first one may be absent."""
    segments = tuple(path.split("/"))
    return segments[1:] if segments[0] == "" else segments


def root_spellings(root_path: str) -> set[str]:
    """Return the prefixes that a framework may remove under this root path: as it is, stripped, decoded.

    Litestar cuts at the exact text, even at a slash alone; others strip the slashes at its end. The operator writes the
    root path or, with daphne, the client: it may be percent-encoded once more than the path.
    """
    given = {root_path, unquote(root_path)}
    return {root for each in given for root in (each, each.rstrip("/")) if root}


def forms(path: str, raw_path: bytes, roots: Sequence[str]) -> set[Segments]:
    """Return all forms of a path, in the case that was sent. `roots`: the prefixes that a framework may remove."""
    found = {split(base) for base in _bases(path, roots)}
    found |= set(_raw_bases(raw_path, roots))
    for step in _STEPS:
        found |= {step(segments) for segments in found}
    return found


def in_mounts(path: str, found: set[Segments], roots: Sequence[str]) -> set[Segments]:
    """Return forms of a path whose root path Starlette's `Mount` gets wrong, as the routes within the mount read it.

    Those routes are then given the whole path: `/api/login` is served by the route `/{version}/login` of the mount
    `/api`, whose full path is `/api/{version}/login`. It happens if the path is not under the root path, and if it ends
    with a line feed, which makes the root path one character too long.
    """
    if not path.endswith("\n") and all(path == root or path.startswith(f"{root}/") for root in roots):
        return set()
    mounts = ((form[:depth], form) for form in found for depth in range(1, min(len(form), _DEEPEST_MOUNT + 1)))
    return {mount + form for mount, form in mounts if "" not in mount}


def _bases(path: str, roots: Sequence[str]) -> set[str]:
    bases = {path} if path.startswith("/") else {path, *(f"/{base}" for base in _unrooted(path))}
    bases |= {base.replace("\\", "/") for base in bases}  # a slash to Starlette's StaticFiles on Windows
    bases |= {_END.sub("", base) for base in bases}  # Sanic cuts a fragment, Microdot a query that was encoded
    # Litestar cuts at the first occurrence of the root path, wherever it is; that includes a prefix.
    bases |= {base.split(root, 1)[1] for base in bases for root in roots if root in base}
    return bases


def _unrooted(path: str) -> Iterator[str]:
    """Litestar prepends the missing slash; Quart reads the path as a URL, with `urllib.parse`."""
    yield path
    yield _AUTHORITY.sub("", path, count=1)
    with suppress(ValueError):
        yield urlsplit(path).path


def _raw_bases(raw_path: bytes, roots: Sequence[str]) -> Iterator[Segments]:
    """BlackSheep cuts and splits before it decodes: `/users/a%2Fb` has two segments there, three in `scope["path"]`."""
    if b"%" not in raw_path:
        return
    for raw in {raw_path, *(raw_path.removeprefix(root.encode(errors="replace")) for root in roots)}:
        base = raw.decode("latin-1")
        yield from map(_decoded, {base, _END.sub("", base)})


def _decoded(raw_path: str) -> Segments:
    return tuple(unquote(part) for part in split(raw_path))


def _without_dots(segments: Segments) -> Segments:
    resolved: list[str] = []
    for segment in segments:
        if segment == "..":
            del resolved[-1:]
        elif segment != ".":
            resolved.append(segment)
    return tuple(resolved)


# Each step is applied to all forms of the steps before it: `//login%0A` and `/a/..;x/login` need several steps.
_STEPS: Final[tuple[Callable[[Segments], Segments], ...]] = (
    lambda segments: tuple(_CONTROLS.sub("", segment) for segment in segments),
    lambda segments: tuple(segment.strip() for segment in segments),
    lambda segments: tuple(segment.partition(";")[0] for segment in segments),
    lambda segments: tuple(dropwhile(lambda segment: not segment, segments)),  # Falcon: `//users//reset`, an empty name
    lambda segments: segments[:-1] if segments[-1:] == ("",) else segments,  # Falcon may strip one: `/users//reset/`
    lambda segments: tuple(filter(None, segments)),
    _without_dots,
)
