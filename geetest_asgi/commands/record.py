"""`python -m geetest_asgi record CASSETTE`: GeeTest's answers in a file, and the simulator beside them."""

import argparse
import sys
import time
from pathlib import Path

from .errors import UsageError
from .options import port
from .report import Report, shown

DESCRIPTION = """\
Listen on this machine in GeeTest's place, hand each call of /validate on to GeeTest, and keep the answers in a file,
without tokens, keys or visitors' data. `simulator --replay` plays it. Your server has its own id and key, as ever. With
--compare nobody is asked: say where the simulator answers otherwise than GeeTest did. Exit status: 0; 1 where the
simulator lacks something of GeeTest's, or the port is taken; 2, wrong usage."""

_BANNER = """\
Recording {api_server}

Point your server at it: GEETEST_API_SERVER={url}
{file} has what was answered so far. Ctrl-C ends it."""


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `record`."""
    parser.add_argument(
        "file", type=Path, metavar="CASSETTE", help="the file that is written; it must not be there yet"
    )
    parser.add_argument("--compare", action="store_true", help="read the file, and hold the simulator against it")
    parser.add_argument("--port", type=port, default=0, help="the port to listen on (default: one that is free)")
    parser.add_argument("--api-server", metavar="URL", help="who is asked, as the guard is told it (default: GeeTest)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status."""
    return _compare(arguments.file) if arguments.compare else _record(arguments)


def _record(arguments: argparse.Namespace) -> int:
    from .._config import api_servers
    from ..testing.recorder import Recorder
    from ..testing.server import serve

    api_server = api_servers(arguments.api_server or "geetest", allow_http=False)[0]
    try:
        arguments.file.touch(exist_ok=False)
    except OSError as wrong:
        raise UsageError(f"{arguments.file} cannot be made: {wrong.strerror}") from None
    recorder = Recorder(api_server, arguments.file)
    try:
        with serve(recorder, port=arguments.port) as url:
            print(_BANNER.format(api_server=api_server, url=url, file=arguments.file), flush=True)
            while True:
                time.sleep(0.5)
    except KeyboardInterrupt:
        print(f"{len(recorder.calls)} calls recorded.")
        return 0
    except (OSError, ImportError) as wrong:
        if not recorder.calls:  # what was recorded is kept; an empty file would be in the way of the next run
            arguments.file.unlink()
        print(f"Cannot listen on port {arguments.port}: {wrong}", file=sys.stderr)
        return 1


def _compare(file: Path) -> int:
    from ..testing.cassette import load
    from ..testing.twin import differences, kind

    try:
        calls = load(file)
    except (OSError, ValueError) as wrong:
        raise UsageError(str(wrong)) from None
    found: dict[str, dict[str, bool]] = {}
    for call in calls:
        found.setdefault(kind(call), {}).update({text: is_missing for is_missing, text in differences(call)})
    report = Report(sys.stdout)
    for said, texts in found.items():
        report.head(shown(said))
        for text, is_missing in texts.items() or [("as the simulator answers", None)]:
            report.say("ok" if is_missing is None else "FAIL" if is_missing else "note", shown(text))
    return 1 if report.counts["FAIL"] else 0
