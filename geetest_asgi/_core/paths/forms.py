"""Every spelling of a path that some framework would serve as the same handler.

Servers decode percent escapes once and normalise nothing; frameworks then differ. Starlette serves `/login%0A` as
`/login`, Quart and Falcon serve `//login`, BlackSheep `/LOGIN`, Litestar `/zzz/api/login` under root path `/api`,
and a request target in absolute form (`http://h/login`, for Quart `x:login?` too) reaches the scope whole. A guard
that compares one spelling is walked around. So a path is turned into all its forms, each a tuple of segments: a path
is protected when any form matches, and exempt only when all of them do. Over-matching costs a captcha on a 404;
under-matching is a hole.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit

Segments = tuple[str, ...]

MAX_PATH: Final = 2048
"""Characters. A longer path is not looked at, it counts as protected: no route is that long, and the work that a
visitor can cause stays bounded."""
MAX_SEGMENTS: Final = 100
"""Nor is one of more segments: each has many forms, and 2,000 of them would take a third of a second."""

# A path of these characters alone, no segment empty or beginning with a dot, has one form: itself.
_PLAIN: Final = re.compile(r"(?:/(?!\.)[A-Za-z0-9_~@:,+=!$&'()*.-]++)++")
_AUTHORITY: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]+")


def is_too_much(path: str, raw_path: bytes) -> bool:
    """Is a path beyond what is looked at?"""
    return len(path) > MAX_PATH or len(raw_path) > 3 * MAX_PATH or path.count("/") > MAX_SEGMENTS


def is_plain(path: str, raw_path: bytes) -> bool:
    """Has this path one form only? Most have, and the others are not worth being fast for."""
    return b"%" not in raw_path and _PLAIN.fullmatch(path) is not None


def split(path: str) -> Segments:
    """The segments of a path; the slash before the first one is not a segment, and may be absent."""
    segments = tuple(path.split("/"))
    return segments[1:] if segments[0] == "" else segments


def forms(path: str, raw_path: bytes, roots: Sequence[str]) -> set[Segments]:
    """All forms of a path, letters as they are. `roots` are the prefixes that a framework may take off."""
    found = {split(base) for base in _bases(path, roots)}
    found |= set(_raw_bases(raw_path, roots))
    for step in _STEPS:
        found |= {step(segments) for segments in found}
    return found


def _bases(path: str, roots: Sequence[str]) -> set[str]:
    bases = {path} if path.startswith("/") else {path, *(f"/{base}" for base in _unrooted(path))}
    # Litestar cuts at the first occurrence of the root path, wherever it is; that covers a plain prefix too.
    bases |= {base.split(root, 1)[1] for base in bases for root in roots if root in base}
    return bases


def _unrooted(path: str) -> Iterator[str]:
    """Litestar puts the missing slash before it; Quart takes it for a URL, with `urllib.parse` and all its freedoms."""
    yield path
    yield _AUTHORITY.sub("", path, count=1)
    with suppress(ValueError):
        yield urlsplit(path).path


def _raw_bases(raw_path: bytes, roots: Sequence[str]) -> Iterator[Segments]:
    """BlackSheep splits before it decodes: `/users/a%2Fb` has two segments there, three in `scope["path"]`."""
    if b"%" not in raw_path:
        return
    segments = tuple(unquote(part) for part in split(raw_path.decode("latin-1")))
    yield segments
    for root in map(split, roots):
        if segments[: len(root)] == root:
            yield segments[len(root) :]


def _without_controls(segments: Segments) -> Segments:
    return tuple(_CONTROLS.sub("", segment) for segment in segments)


def _without_spaces(segments: Segments) -> Segments:
    return tuple(segment.strip() for segment in segments)


def _without_parameters(segments: Segments) -> Segments:
    return tuple(segment.partition(";")[0] for segment in segments)


def _without_empties(segments: Segments) -> Segments:
    return tuple(filter(None, segments))


def _without_dots(segments: Segments) -> Segments:
    resolved: list[str] = []
    for segment in segments:
        if segment == "..":
            del resolved[-1:]
        elif segment != ".":
            resolved.append(segment)
    return tuple(resolved)


# Each is tried alone and after those before it, so that `//login%0A` and `/a/..;x/login` are seen through as well.
_STEPS: Final[tuple[Callable[[Segments], Segments], ...]] = (
    _without_controls,
    _without_spaces,
    _without_parameters,
    _without_empties,
    _without_dots,
)
