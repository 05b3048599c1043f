"""`multipart/form-data` against Starlette's parser of whole forms. The body's first line is the content type.

Compared is what Starlette reads as UTF-8. The scanner is stricter in two things: a body without its closing boundary
is cut off, and the bound is on bytes, where a container's text has fewer characters. What is broken behind the fields
is found all the same, where Starlette, which reads on, refuses it all. A file counts only as a container in JSON.
"""

from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import replace
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from geetest_asgi._core.model import CaptchaFields

from . import laws, oracle


def check(data: bytes) -> None:
    """The laws hold, and the fields are those of Starlette's form."""
    case = laws.read(data)
    content_type, _, body = case.body.partition(b"\n")
    if any(byte < 0x20 for byte in content_type):  # no server lets such a header through
        return
    case = replace(case, body=body)
    answer = laws.hold(case, content_type)
    if answer is None or not comparable(content_type):
        return
    form = starlette_reads(content_type, body)
    if form is not None:
        pairs = [each for name, value in form.multi_items() for each in _texts(name, value, case)]
        unclosed = not isinstance(answer, CaptchaFields) and answer.reason == "the multipart body is cut off"
        wide = len(case.body) > case.max_field and not case.body.isascii()
        oracle.agree(answer, oracle.expected(oracle.flat(pairs, case.spelling), case), stricter=unclosed or wide)


def comparable(content_type: bytes) -> bool:
    """A form, in UTF-8."""
    return content_type.lower().startswith(b"multipart/form-data") and b"charset" not in content_type.lower()


def _texts(name: str, value: str | UploadFile, case: laws.Case) -> Iterator[tuple[str, object]]:
    """The value, if it may count."""
    if isinstance(value, str):
        yield name, value
        return
    types = [each.partition(";")[0].strip().lower() for each in value.headers.getlist("content-type")]
    content = value.file.read()
    value.file.close()
    if "application/json" in types and oracle.is_container(name, case.spelling):
        try:
            yield name, content.decode()
        except UnicodeDecodeError:
            yield name, content


def starlette_reads(content_type: bytes, body: bytes) -> FormData | None:
    """The form; None where Starlette refuses the body."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body.lstrip(b"\r\n")  # as the scanner does it, so that no preamble is passed over

    headers = Headers(raw=[(b"content-type", content_type)])
    try:
        return _run(MultiPartParser(headers, stream()).parse())
    except MultiPartException:
        return None


def _run(parse: Coroutine[Any, Any, FormData]) -> FormData:
    """A coroutine that never waits needs no event loop."""
    try:
        parse.send(None)
    except StopIteration as done:
        form: FormData = done.value
        return form
    raise AssertionError("the parser waits for something")
