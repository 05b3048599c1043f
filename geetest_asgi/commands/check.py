"""`python -m geetest_asgi check`: does it work, and what does it protect?"""

import argparse
import sys
from typing import Any

from .errors import UsageError
from .options import add_app, checked, warnings_collected
from .report import Report, columns, shown

DESCRIPTION = """\
Say whether the servers answer and whether the id and the key work; with --protect or --app what each rule protects, and
with --app which routes are open. GeeTest is sent tokens that nobody has solved, and the key is never shown. The id, the
key and the servers are those of the app, else of GEETEST_CAPTCHA_ID, GEETEST_CAPTCHA_KEY and GEETEST_API_SERVER. Exit
status: 0, all is well, perhaps with warnings; 1, something does not work, or there is a warning and --strict; 2, the
command line or the configuration is wrong."""

_NOT_SEEN = (
    "the captcha_id in your page is not looked at. Where nearly all visitors are refused, the running site logs the "
    "warning lockout_begins: see docs/observability.md"
)


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    add_app(parser)
    parser.add_argument("--offline", action="store_true", help="ask nobody: look at the configuration only")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for one call, 10 at most (default: 3)")
    parser.add_argument("--strict", action="store_true", help="a warning is a failure: exit status 1")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises UsageError and ConfigError before anything is printed."""
    checked(arguments)
    if arguments.app and arguments.timeout is not None:
        raise UsageError("--app brings its own timeout; give --timeout without it")
    from .service import Service
    from .tables import write_routes, write_rules

    report = Report(sys.stdout)
    with warnings_collected() as said:
        site = _site(arguments)
        if not arguments.offline:
            service = Service()
            for guard in site.guards:
                service.add(guard.middleware)
            _write_service(report, service)
        if arguments.app or arguments.protect:
            write_rules(report, site)
        if arguments.app:
            write_routes(report, site)
        if said:
            report.head("Besides")
            for text in said:
                report.say("warn", shown(text))
    return _conclude(report, strict=arguments.strict)


def _site(arguments: argparse.Namespace) -> Any:
    from . import app_routes as site

    if not arguments.app:
        timeout = 3.0 if arguments.timeout is None else arguments.timeout
        return site.plain_guard(protect=arguments.protect, exempt=arguments.exempt or (), timeout=timeout)
    return read_site(arguments)


def read_site(arguments: argparse.Namespace) -> Any:
    """The application of `--app`, with at least one guard in it."""
    from . import app_routes as site
    from .app import load_app

    found = site.read(load_app(arguments.app, factory=arguments.factory))
    if not found.guards:
        way = " > ".join(found.layers)
        raise UsageError(
            f"--app {arguments.app}: no GeeTestMiddleware was found. Looked through: {way}. A guard behind a wrapper "
            "that does not keep its app as .app cannot be seen from outside; name the guard itself"
        )
    return found


def _write_service(report: Report, service: Any) -> None:
    from .service import ask

    if not service.servers:
        return
    ask(service)
    report.head("Servers")
    _write_servers(report, service)
    report.head("Ids and keys")
    for pair in service.pairs:
        _write_pair(report, pair, service)
    for name in service.by_request:
        report.say("note", f"{shown(name)}  its id and key come with each request, and are not looked at")
    report.say("note", _NOT_SEEN)


def _write_servers(report: Report, service: Any) -> None:
    from .verdicts import answered, why_not

    working = any(answered(server.first) for server in service.servers)
    rows = iter(columns([_times(server) for server in service.servers if answered(server.first)] or [[]]))
    for server in service.servers:
        if answered(server.first):
            report.say("ok", next(rows))
        else:
            trouble = f"; {shown(server.trouble)}" if server.trouble else ""
            report.say("warn" if working else "FAIL", f"{server.url}  {why_not(server.first)}{trouble}")


def _times(server: Any) -> list[str]:
    def ms(seconds: float) -> str:
        return f"{seconds * 1000:.0f} ms"

    address = server.addresses[0] if server.addresses else "address unknown"
    return [
        server.url,
        address,
        f"look-up {ms(server.lookup)}",
        f"first call {ms(server.first.elapsed)}",
        f"then {ms(server.again.elapsed)}",
    ]


def _write_pair(report: Report, pair: Any, service: Any) -> None:
    from .tables import shortened
    from .verdicts import answered, on_pair

    if not any(answered(server.first) for server in pair.servers):
        report.say("FAIL", f"{shown(pair.captcha_id)}  not looked at: no server answers")
        return
    mark, why = on_pair(pair.right, pair.wrong)
    if mark == "FAIL" and any(on_pair(other.right, other.wrong)[0] != "FAIL" for other in service.beside(pair)):
        mark, why = "warn", f"one of its keys does not work, another does ({shown(pair.right.reason)})"
    if mark != "ok" and len(service.pairs) > 1:
        why += f"; used by {shown(', '.join(pair.rules))}"
    captcha_id = shown(pair.captcha_id) if mark == "FAIL" else shortened(pair.captcha_id)
    report.say(mark, f"{captcha_id}  {why}")


def _conclude(report: Report, *, strict: bool) -> int:
    failed, warned = report.counts["FAIL"], report.counts["warn"]
    failing = failed or (strict and warned)
    parts = [
        f"{count} {word}" for count, word in ((failed, "failed"), (warned, f"warning{'s' * (warned != 1)}")) if count
    ]
    report.head(", ".join(parts) + "." if parts else "All is well.")
    return 1 if failing else 0
