"""`multipart/form-data` against Starlette's parser of whole forms. The body's first line is the content type.

Compared is what Starlette reads as UTF-8. The scanner is stricter in two things: a body without its closing boundary
is cut off, and the bound is on bytes, where a container's text has fewer characters. What is broken behind the fields
is found all the same, where Starlette, which reads on, refuses it all.
"""

from collections.abc import AsyncGenerator, Coroutine
from dataclasses import replace
from typing import Any

from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from geetest_asgi._core.model import CaptchaFields

from . import laws, oracle


def check(data: bytes) -> None:
    """The laws hold, and the fields are those of Starlette's form; a part with a file name is no field."""
    case = laws.read(data)
    content_type, _, body = case.body.partition(b"\n")
    if any(byte < 0x20 for byte in content_type):  # no server lets such a header through
        return
    case = replace(case, body=body)
    answer = laws.hold(case, content_type)
    if answer is None or not comparable(content_type):
        return
    pairs = starlette_reads(content_type, body)
    if pairs is not None:
        unclosed = not isinstance(answer, CaptchaFields) and answer.reason == "the multipart body is cut off"
        wide = len(case.body) > case.max_field and not case.body.isascii()
        oracle.agree(answer, oracle.expected(oracle.flat(pairs, case.spelling), case), stricter=unclosed or wide)


def comparable(content_type: bytes) -> bool:
    """A form, in UTF-8."""
    return content_type.lower().startswith(b"multipart/form-data") and b"charset" not in content_type.lower()


def starlette_reads(content_type: bytes, body: bytes) -> list[tuple[str, object]] | None:
    """The form's texts, in order; None where Starlette refuses the body."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body.lstrip(b"\r\n")  # as the scanner does it, so that no preamble is passed over

    headers = Headers(raw=[(b"content-type", content_type)])
    try:
        form = _run(MultiPartParser(headers, stream()).parse())
    except MultiPartException:
        return None
    for _, value in form.multi_items():
        if not isinstance(value, str):
            value.file.close()
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _run(parse: Coroutine[Any, Any, FormData]) -> FormData:
    """A coroutine that never waits needs no event loop."""
    try:
        parse.send(None)
    except StopIteration as done:
        form: FormData = done.value
        return form
    raise AssertionError("the parser waits for something")
