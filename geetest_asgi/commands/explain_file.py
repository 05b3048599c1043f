"""`python -m geetest_asgi explain FILE`: what the guard makes of a raw request, its captcha fields among it."""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .match import Request, read_guards, write_decision
from .options import add_app, checked
from .report import Report

if TYPE_CHECKING:
    from .._core.model import Evidence
    from .._core.policy import Policy
    from .._corridor.walk import Guard

DESCRIPTION = """\
Say which rule a request falls under, and whether its captcha fields are found. FILE holds the request as it stands on
the wire: request line, headers, empty line, body. GeeTest is not asked, no function of yours is called, and no value is
printed. Exit status: 0, protected, and the fields are found; 1, not so; 2, the command line, the file or the
configuration is wrong."""

_MAX_FILE = 16 * 1024 * 1024


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `explain`."""
    parser.add_argument("file", metavar="FILE", help="the request; - is standard input")
    add_app(parser)
    parser.add_argument("--root-path", metavar="PREFIX", default="", help="the server's root path, as in match")
    parser.add_argument("--fields", metavar="NAMES", help="with --protect: how the fields are named, such as captcha")
    parser.add_argument(
        "--sources", metavar="NAMES", help="with --protect: where to look, such as header,body (default: body)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status."""
    checked(arguments)
    if arguments.app and (arguments.fields or arguments.sources):
        raise UsageError(
            "--app brings its own fields and sources; give --app, or --protect with --fields and --sources"
        )
    settings: dict[str, Any] = {"fields": arguments.fields} if arguments.fields else {}
    if arguments.sources:
        settings["sources"] = arguments.sources.split(",")
    site = read_guards(arguments, **settings)
    raw = _parse(_read(arguments.file))
    request = Request(raw.method, raw.target, arguments.root_path)
    report = Report(sys.stdout)
    report.head(request.title)
    # A list: every guard is told, also after one that finds nothing.
    found = [_write_guard(report, site, guard, request, raw) for guard in site.guards]
    return 0 if any(found) else 1


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it stands in a file. `method` is WEBSOCKET for a handshake."""

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_MAX_FILE)
        with Path(name).open("rb") as file:
            return file.read(_MAX_FILE)
    except OSError as error:
        raise UsageError(
            f"{name}: {error.strerror}; give a file that holds a request, or - for standard input"
        ) from None


def _parse(text: bytes) -> RawRequest:
    """Editors write LF for CRLF, and may change the length of a body: without a Content-Length all the rest counts."""
    import h11

    head, body = _halves(text)
    if not any(line.lower().startswith((b"content-length:", b"transfer-encoding:")) for line in head.splitlines()):
        body = body.removesuffix(b"\n").removesuffix(b"\r")
        head += b"\r\nContent-Length: %d" % len(body)
    try:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(head + b"\r\n\r\n" + body)
        connection.receive_data(b"")
        request = connection.next_event()
        assert isinstance(request, h11.Request)  # noqa: S101 - the head is complete
        whole = b""
        while isinstance(data := connection.next_event(), h11.Data):
            whole += data.data
    except h11.RemoteProtocolError as wrong:
        why = str(wrong).partition(": bytearray(")[0]  # h11 quotes the line, which may be the body with its values
        raise UsageError(f"this is no HTTP/1.1 request: {why}; it begins like POST /login HTTP/1.1") from None
    headers = [(bytes(name), bytes(value)) for name, value in request.headers]
    handshake = (b"upgrade", b"websocket") in [(name, value.lower()) for name, value in headers]
    method = "WEBSOCKET" if handshake else request.method.decode()
    return RawRequest(method, request.target.decode("latin-1"), headers, whole)


def _halves(text: bytes) -> tuple[bytes, bytes]:
    ends = [(at, end) for end in (b"\r\n\r\n", b"\n\n") if (at := text.find(end)) >= 0]
    at, end = min(ends, default=(len(text.rstrip()), b""))
    return text[:at], text[at + len(end) :]


def _write_guard(report: Report, site: Any, guard: Any, request: Request, raw: RawRequest) -> bool:
    policy = write_decision(report, site, guard, request)
    if policy is None:
        return False
    report.lines(["", "The captcha fields"])
    if policy.refuses:
        report.say("FAIL", f"not looked for: {policy.refuses}")
        return False
    from anyio import run

    if (evidence := run(_search, guard.middleware.guard, policy, raw)) is None:
        report.say("ok", "found; GeeTest would be asked")
        return True
    report.say("FAIL", f"{evidence.outcome}: {evidence.reason}")
    return False


async def _search(guard: "Guard", policy: "Policy", raw: RawRequest) -> "Evidence | None":
    from .._corridor.steps import find_fields

    async def receive() -> Any:
        return {"type": "http.request", "body": raw.body, "more_body": False}

    scope = {
        "type": "websocket" if raw.method == "WEBSOCKET" else "http",
        "headers": raw.headers,
        "query_string": raw.target.partition("?")[2].encode("latin-1"),
    }
    no_function_of_yours = replace(policy, credentials_by_id=False)
    return await find_fields(guard.visit(no_function_of_yours, scope, receive))
