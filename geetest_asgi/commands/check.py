"""`python -m geetest_asgi check`: does it work, and what does it protect?"""

import argparse
import sys
from typing import Any

from .errors import UsageError
from .options import add_app, checked, need_no_pair, warnings_collected
from .report import JSONReport, Report, shown

DESCRIPTION = """\
Say whether the servers answer, whether the id and the key work, and whether the store does; with --protect or --app
what each rule protects, and with --app which routes are open. GeeTest is sent tokens that nobody has solved, and the
key is never shown. The id, the key and the servers are those of the app, else of GEETEST_CAPTCHA_ID,
GEETEST_CAPTCHA_KEY and GEETEST_API_SERVER. Exit status: 0, all is well, perhaps with warnings; 1, something does not
work, or there is a warning and --strict; 2, the command line or the configuration is wrong."""


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    add_app(parser)
    parser.add_argument(
        "--offline",
        action="store_true",
        help="ask nobody: look at the configuration only; without --start no id and no key are needed",
    )
    parser.add_argument("--start", action="store_true", help="run the startup and the shutdown of --app, as servers do")
    parser.add_argument("--page", metavar="URL", help="a page with the captcha: is its captcha_id one of the rules'?")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="for one call, 10 at most (default: 3)")
    parser.add_argument("--strict", action="store_true", help="a warning is a failure: exit status 1")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status. Raises UsageError and ConfigError before anything is printed."""
    _check(arguments)
    if arguments.offline and not arguments.start:
        need_no_pair()
    from .service import Service

    report = (JSONReport if arguments.json else Report)(sys.stdout)
    with warnings_collected() as said:
        app, site = _site(arguments)
        service = Service()
        for guard in site.guards:
            service.add(guard.middleware)
        if not arguments.offline:
            _write_online(report, site, service, arguments)
        if arguments.start:
            from .startup import write_start

            write_start(report, app)
        _write_configuration(report, site, arguments)
        said += service.doubts()
        if said:
            report.head("Besides")
            for text in said:
                report.say("warn", shown(text))
    status = 1 if report.counts["FAIL"] or (arguments.strict and report.counts["warn"]) else 0
    report.end(status)
    return status


def _check(arguments: argparse.Namespace) -> None:
    checked(arguments)
    if arguments.app and arguments.timeout is not None:
        raise UsageError("--app brings its own timeout; give --timeout without it")
    if arguments.start and not arguments.app:
        raise UsageError("--start runs an app: give --app too")
    if arguments.page and arguments.offline:
        raise UsageError("--page asks for a page, and --offline asks nobody; give one of them")
    if arguments.page:
        from .page import checked_url

        checked_url(arguments.page)


def _site(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The app, if there is one, and what it is made of."""
    if arguments.app:
        return read_app(arguments)
    from .app_routes import plain_guard

    timeout = 3.0 if arguments.timeout is None else arguments.timeout
    return None, plain_guard(protect=arguments.protect, exempt=arguments.exempt or (), timeout=timeout)


def read_app(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The application of `--app`, with at least one guard in it, and what it is made of."""
    from .app import load_app
    from .app_routes import read

    app = load_app(arguments.app, factory=arguments.factory)
    site = read(app)
    if not site.guards:
        way = " > ".join(site.layers)
        raise UsageError(
            f"--app {arguments.app}: no GeeTestMiddleware was found. Looked through: {way}. A guard behind a wrapper "
            "that does not keep its app as .app cannot be seen from outside; name the guard itself"
        )
    return app, site


def _write_online(report: Report, site: Any, service: Any, arguments: argparse.Namespace) -> None:
    from .service_report import write_service

    write_service(report, service, page=bool(arguments.page))
    if arguments.page:
        from .page import write_page

        seconds = max((server.seconds for server in service.servers), default=3.0)
        write_page(report, arguments.page, dict.fromkeys(pair.captcha_id for pair in service.pairs), seconds)
    if arguments.app:
        from .store import write_stores

        write_stores(report, site)


def _write_configuration(report: Report, site: Any, arguments: argparse.Namespace) -> None:
    from .startup import write_workers
    from .tables import write_routes, write_rules

    if arguments.app:
        write_workers(report, site)
    if arguments.app or arguments.protect:
        write_rules(report, site)
    if arguments.app:
        write_routes(report, site)
