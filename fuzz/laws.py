"""What holds for every scanner of bodies, whatever the format: the laws at the top of `_core/fields/scanners.py`.

An input is five bytes and a body. The first byte chooses a spelling and a bound; the other four are the lengths of
the pieces in which the body arrives, over and over.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from geetest_asgi._core.fields.gatherer import Gatherer
from geetest_asgi._core.fields.scanners import Scanner, scanner_for
from geetest_asgi._core.fields.spelling import Spelling, spelling
from geetest_asgi._core.model import CaptchaFields, Evidence, Outcome
from geetest_asgi._core.protocol import build_request

from .targets import require

Answer = CaptchaFields | Evidence

NOTHING: Final = Evidence(Outcome.MISSING)
"""The answer where a source has no captcha field."""

# The small bounds are there to be reached: a pass token has 64 bytes.
SPELLINGS: Final[tuple[tuple[Spelling, int], ...]] = (
    (spelling(None), 8192),
    (spelling(None), 90),
    (spelling("captcha"), 8192),
    (spelling("captcha"), 330),
    (spelling("data.captcha"), 8192),
    (spelling("camelCase"), 8192),
    (spelling("geetest_"), 90),
    (spelling({"lot_number": "lot", "gen_time": "é"}), 8192),
)


@dataclass(frozen=True)
class Case:
    """One input, taken apart."""

    spelling: Spelling
    max_field: int
    lengths: bytes
    body: bytes

    def gatherer(self) -> Gatherer:
        """A new one, with nothing in it."""
        return Gatherer(self.spelling, self.max_field)


def read(data: bytes) -> Case:
    """The input as a case; any bytes are one."""
    chosen, bound = SPELLINGS[(data[0] if data else 0) % len(SPELLINGS)]
    return Case(chosen, bound, data[1:5], data[5:])


def cut(body: bytes, lengths: bytes) -> Iterator[bytes]:
    """The body in pieces of these lengths, in turn. 0 makes an empty piece, as servers may send them."""
    if not any(lengths):
        lengths = b"\xff"
    at = 0
    for length in cycle(lengths):
        if at >= len(body):
            return
        yield body[at : at + length]
        at += length


def answer(case: Case, content_type: bytes, pieces: Iterable[bytes]) -> Answer | None:
    """What the guard makes of a body that arrives like this; None where no scanner is for it."""
    gatherer = case.gatherer()
    scanner = scanner_for([content_type], [], gatherer)
    if scanner is None:
        return None
    if not feed(scanner, pieces):
        scanner.end()
    return gatherer.conclude(scanner.broken) or NOTHING


def feed(scanner: Scanner, pieces: Iterable[bytes]) -> bool:
    """Feed until the scanner knows. Does it?"""
    for piece in pieces:
        scanner.feed(piece)
        if scanner.done:
            return True
    return False


def hold(case: Case, content_type: bytes) -> Answer | None:
    """Check the laws. Nothing raises, cuts change nothing, nor does what comes later; what is found can be sent."""
    whole = answer(case, content_type, [case.body])
    for lengths in (case.lengths, b"\x01", b"\x00\x02"):
        pieces = list(cut(case.body, lengths))
        require(answer(case, content_type, pieces) == whole, "the cuts decide", whole, pieces)
    if whole is not None:
        _stay(case, content_type)
    if isinstance(whole, CaptchaFields):
        sendable(whole, case.max_field)
    return whole


def _stay(case: Case, content_type: bytes) -> None:
    """Once a scanner knows, more bytes change nothing: a visitor cannot take back what was found, nor add to it."""
    gatherer = case.gatherer()
    scanner = scanner_for([content_type], [], gatherer)
    if scanner is None or not feed(scanner, cut(case.body, case.lengths)):
        return
    before = gatherer.conclude(scanner.broken)
    for more in (case.body[::-1], case.body, b'&lot_number=x&"}{]\r\n--'):
        scanner.feed(more)
    scanner.end()
    require(gatherer.conclude(scanner.broken) == before, "what comes later counts", before)


def sendable(found: CaptchaFields, max_field: int) -> None:
    """What is found goes out in plain ASCII, each value bounded, the visitor's text in the form alone."""
    request = build_request("id", "key", found)
    values = (found.lot_number, found.captcha_output, found.pass_token, found.gen_time)
    require(all(value.isascii() and 0 < len(value) <= max_field for value in values), found)
    require(request.query == "captcha_id=id" and request.form.isascii(), request)
    require(request.form.count(b"&") == len(values) and request.form.count(b"=") == len(values) + 1, request)
