"""A protected path, misspelt: the input's bytes choose what is done to it, from the inside out.

Dot segments, empty segments, `;parameters`, blanks, control characters, the case of letters, percent escapes, the
absolute form and a root path, in any mixture, and the rule is the same or the request is refused.
See `_core/paths/forms.py`.
"""

from typing import Any, Final
from urllib.parse import unquote

from geetest_asgi._core.paths.patterns import parse
from geetest_asgi._core.paths.rule_table import UNCLEAR, RuleTable

from .targets import require

PATTERNS: Final = ("/login", "/users/{id}/reset", "/files/*.zip", "/api/**", "/{rest:path}/end", "/a/**/b/**/c")
PLAIN: Final = ("/login", "/users/7/reset", "/files/a.zip", "/api", "/api/x/y", "/x/y/end", "/a/1/b/2/3/c", "/a/b/c")
TABLE: Final = RuleTable([(parse(pattern), place) for place, pattern in enumerate(PATTERNS)])
CONTROLS: Final = ("\n", "\r", "\x00", "\t", "\x7f", "\x85", "\u2028", "\u2029", "\ufffd", "\x1b")
BLANKS: Final = (" ", "\u00a0", "\u3000", "  ", "\x1c")
AUTHORITIES: Final = ("http://h", "HTTPS://u:p@h:80", "ftp://", "x+1.-://[::1]", "ws://h?")


class Dice:
    """The input as a row of choices. When it is used up, each choice is "leave it as it is"."""

    def __init__(self, data: bytes) -> None:
        self._rest = iter(data)

    def roll(self, sides: int) -> int:
        """A number below `sides`; 0 half of the time."""
        number = next(self._rest, 0) % (2 * sides)
        return number if number < sides else 0

    def pick(self, choices: tuple[str, ...]) -> str:
        """One of the choices, or nothing."""
        return ("", *choices)[self.roll(len(choices) + 1)]


def check(data: bytes) -> None:
    """A misspelt path is protected wherever the plain one is, with `raw_path` and without, in either method's case."""
    dice = Dice(data)
    plain = PLAIN[dice.roll(len(PLAIN))]
    segments = _padded(dice, [_case(dice, each) for each in plain[1:].split("/")])
    path = "/" + "/".join(_noisy(dice, segment) for segment in segments)
    root = dice.pick(("/root", "/a", "/v1/x/", "/"))
    path = _placed(dice, path, root)
    target = _escaped(dice, path)
    method = ("POST", "post", "FOO")[dice.roll(3)]
    for raw in (target.encode(), b""):
        _protected(plain, method, unquote(target), raw, root)
    _check_nested(dice)


def _protected(plain: str, *request: Any) -> None:
    """The rule of the plain path, or none that could be a laxer one: the request is refused."""
    wanted, got = TABLE.decide("POST", plain), TABLE.decide(*request)
    require(wanted is not None and got in (wanted, UNCLEAR), "a spelling escapes", plain, *request)


def _check_nested(dice: Dice) -> None:
    """BlackSheep cuts before it decodes, so that a placeholder takes encoded slashes; only `raw_path` tells."""
    name = "".join(("/", "a", ".", "..", "%", "?", ";", "\n", "é")[dice.roll(9)] for _ in range(dice.roll(4) + 1))
    raw = f"/users/{_percent(name)}/reset"
    _protected("/users/7/reset", "POST", unquote(raw), raw.encode(), "")


def _case(dice: Dice, segment: str) -> str:
    return "".join(letter.swapcase() if dice.roll(2) else letter for letter in segment)


def _padded(dice: Dice, segments: list[str]) -> list[str]:
    """Segments that come to nothing, before each and at the end."""
    nothing: tuple[list[str], ...] = ([], [""], ["."], ["x", ".."], ["", "", "."], ["x", "y", "..", "", ".."])
    above: list[str] = [".."] * dice.roll(3)
    padded = [each for segment in segments for each in (*nothing[dice.roll(len(nothing))], segment)]
    return above + padded + nothing[dice.roll(len(nothing))]


def _noisy(dice: Dice, segment: str) -> str:
    """What a step each takes away, in the reverse of their order: parameters, blanks, control characters."""
    segment += dice.pick((";", ";x", ";a=b;c", ";..", ";%"))
    segment = dice.pick(BLANKS) + segment + dice.pick(BLANKS)
    return "".join(letter + dice.pick(CONTROLS) for letter in ("", *segment))


def _placed(dice: Dice, path: str, root: str) -> str:
    """Under the root path or not, as servers differ; then whole, without its slash, or as an absolute target."""
    if root and dice.roll(2):
        path = root.rstrip("/") + path
    form = dice.roll(3)
    if form == 0:
        return path
    return path[1:] if form == 1 else (AUTHORITIES[dice.roll(len(AUTHORITIES))] + path)


def _escaped(dice: Dice, path: str) -> str:
    """In ASCII, and more percent escapes than need be."""
    return "".join(_percent(letter) if dice.roll(2) or _odd(letter) else letter for letter in path)


def _odd(letter: str) -> bool:
    return not (letter.isascii() and letter.isprintable()) or letter in "%? "


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02x}" for byte in letter.encode())
