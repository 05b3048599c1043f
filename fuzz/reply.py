"""GeeTest's reply and the decision on it. The first byte of an input chooses the HTTP status, the rest is the body.

A reply is the one thing that says yes, so it is read here a second time, by the documentation alone.
"""

import json
from dataclasses import replace
from itertools import product
from typing import Final

from geetest_asgi._core.fields.spelling import spelling
from geetest_asgi._core.judge import judge
from geetest_asgi._core.limits import Limits
from geetest_asgi._core.model import Evidence, Outcome, Reply
from geetest_asgi._core.policy import Policy
from geetest_asgi._core.protocol import MAX_REPLY, parse_reply
from geetest_asgi._core.rules import OnUnavailable

from .targets import require

LOT: Final = "4dc3cfc2cdff448cad8d13107198d473"
STATUSES: Final = (200, 200, 200, 200, 200, 0, -1, 100, 201, 204, 206, 301, 307, 400, 403, 404, 429, 499)
OUTAGES: Final = (500, 502, 503, 504, 599)
CODES: Final = (*STATUSES, *OUTAGES, 600, 999, 10**30)
POLICY: Final = Policy(
    name="rule",
    captcha_id="id",
    keys=("key",),
    sources=("body",),
    spelling=spelling(None),
    on_unavailable="allow",
    timeout=3.0,
    limits=Limits(),
    mode="enforce",
    skip=None,
    accept=None,
    on_denied=None,
    on_result=None,
)
CHOICES: Final[tuple[OnUnavailable, ...]] = ("allow", "deny")


def check(data: bytes) -> None:
    """Any reply gives a finding; it is a yes, and an outage, in exactly the cases that the documentation names."""
    status = CODES[(data[0] if data else 0) % len(CODES)]
    for body in (data[1:], None):
        evidence = parse_reply(Reply(status, body), LOT)
        answer = _object(body)
        yes = status == 200 and answer is not None and says_yes(answer)
        down = status in OUTAGES or (status == 200 and answer is None and not _is_nearly_json(body))
        require((evidence.outcome is Outcome.PASSED) == yes, "not the documented yes", evidence)
        require((evidence.outcome is Outcome.UNAVAILABLE) == down, "not an outage", evidence)
        _check_texts(evidence)
        _check_judgement(evidence, yes=yes, down=down)


def _object(body: bytes | None) -> dict[str, object] | None:
    try:
        answer = json.loads(body) if body is not None and len(body) <= MAX_REPLY else None
    except (ValueError, RecursionError):
        return None
    return answer if type(answer) is dict and not _is_nearly_json(body) else None


def _is_nearly_json(body: bytes | None) -> bool:
    """In no encoding of JSON's, or with NaN or an infinity: refused, since it may repeat a visitor's words."""
    constants: list[str] = []
    try:
        if body is not None and len(body) <= MAX_REPLY:
            json.loads(body.decode(json.detect_encoding(body)), parse_constant=constants.append)
    except UnicodeDecodeError:
        return True
    except (ValueError, RecursionError):
        pass
    return bool(constants)


def says_yes(answer: dict[str, object]) -> bool:
    """The documented success, about our token: a string for a string, nothing that is merely true."""
    args = answer.get("captcha_args")
    about = args.get("lot_number") if isinstance(args, dict) else args
    ours = about is None or (isinstance(args, dict) and type(about) is str and about == LOT)
    words = (answer.get("result"), answer.get("status", "success"))
    return ours and all(type(word) is str and word == "success" for word in words)


def _check_texts(evidence: Evidence) -> None:
    """What goes into logs is short text, whatever came."""
    texts = (evidence.reason, evidence.code)
    require(all(type(text) is str and len(text) <= 200 for text in texts), evidence)


def _check_judgement(evidence: Evidence, *, yes: bool, down: bool) -> None:
    """Let in are a yes, and while GeeTest is down whom policy and room let in; vouched for is a yes alone."""
    for choice, room in product(CHOICES, (True, False)):
        result = judge(replace(POLICY, on_unavailable=choice), evidence, admit_unverified=room)
        require(result.verified is yes and bool(result) is yes, "verified without a yes", result)
        require(result.allowed is (yes or (down and choice == "allow" and room)), "let in", result)
