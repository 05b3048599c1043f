"""The captcha in request headers, one `name:value` a line after the five bytes that `laws` reads.

Held against the oracle: a header is read by its name in any case, one that is sent twice makes all of it malformed.
"""

from geetest_asgi._core.fields.gatherer import from_headers
from geetest_asgi._core.model import CaptchaFields, Outcome

from . import laws, oracle


def check(data: bytes) -> None:
    """Any headers give an answer, it is the oracle's, and what is found can be sent."""
    case = laws.read(data)
    pairs = [line.partition(b":") for line in case.body.split(b"\n")]
    answer = from_headers([(name, value) for name, _, value in pairs], case.gatherer()) or laws.NOTHING
    if isinstance(answer, CaptchaFields):
        laws.sendable(answer, case.max_field)
    oracle.agree(answer, _expected([(name, value) for name, _, value in pairs], case))


def _expected(headers: list[tuple[bytes, bytes]], case: laws.Case) -> CaptchaFields | Outcome:
    containers = {"x-geetest", case.spelling.container_header}
    known = dict(case.spelling.headers) | dict.fromkeys(containers, oracle.CONTAINER)
    texts = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    ours = [(name, value) for name, value in texts if name in known]
    if len(dict(ours)) < len(ours):
        return Outcome.MALFORMED
    return oracle.expected([(known[name], value) for name, value in ours], case)
