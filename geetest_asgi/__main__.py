"""The command line: `python -m geetest_asgi`, installed as `geetest-asgi`."""

import argparse
import os
import sys
from collections.abc import Sequence

from . import __version__

_DEMO = """\
Play a login through GeeTestMiddleware: a guarded site and a GeeTest stand-in, both on this machine, and one request
for each way in which a token can be good, bad, or not to be checked. Then the site is yours to try in a browser."""

_SIMULATOR = """\
Run GeeTest's /validate on this machine, to test a server against: it mints tokens, judges them as GeeTest does, and
has outages on demand. Give the server under test GEETEST_API_SERVER and the id and key that are printed."""

_SIGN = """\
Print the sign_token of a lot number: lower-case hex HMAC-SHA256, to compare with what another program signs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the value is an exit status for the shell. Wrong usage is argparse's SystemExit(2)."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:  # whoever read our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geetest-asgi", description="GeeTest CAPTCHA v4 in front of any ASGI app: a demo, a stand-in, a check."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands.add_parser("demo", help="see the guard at work, without an account", description=_DEMO))
    _add_simulator(commands.add_parser("simulator", help="a GeeTest of your own to test with", description=_SIMULATOR))
    _add_sign(commands.add_parser("sign", help="the sign_token of a lot number", description=_SIGN))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=0, help="the site's port (default: one that is free)")
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument(
        "--once",
        action="store_true",
        help="end after the story, with status 1 if a row is not as expected; so it is anyway without a terminal",
    )
    ending.add_argument(
        "--live",
        action="store_true",
        help="no story: the site with the real GeeTest, for GEETEST_CAPTCHA_ID and GEETEST_CAPTCHA_KEY",
    )
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import run_demo, run_live

    return run_live(arguments.port) if arguments.live else run_demo(arguments.port, once=arguments.once)


def _add_simulator(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="the port (default: one that is free)")
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="permit a host beyond this machine: whoever reaches it can mint tokens",
    )
    parser.add_argument(
        "--pair",
        nargs=2,
        action="append",
        metavar=("ID", "KEY"),
        help="an id to know, and its key; may be repeated (default: GeeTest's public demonstration pair, and any id)",
    )
    parser.set_defaults(run=_simulator)


def _simulator(arguments: argparse.Namespace) -> int:
    from .testing import run_simulator

    pairs = dict(arguments.pair) if arguments.pair else None
    return run_simulator(arguments.host, arguments.port, allow_remote=arguments.allow_remote, pairs=pairs)


def _add_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lot_number", type=_ascii, metavar="LOT_NUMBER", help="as getValidate() gives it")
    parser.add_argument(
        "--key", type=_ascii, help="the captcha_key (default: GEETEST_CAPTCHA_KEY, which stays out of `ps`)"
    )
    parser.set_defaults(run=_sign)


def _sign(arguments: argparse.Namespace) -> int:
    from ._config import credentials
    from ._core.errors import ConfigError
    from ._core.protocol import sign_token

    key = os.environ.get("GEETEST_CAPTCHA_KEY") if arguments.key is None else arguments.key
    if not key:
        print("No key: give --key, or set GEETEST_CAPTCHA_KEY.", file=sys.stderr)
        return 2
    try:
        credentials("no-id-is-needed", key)
    except ConfigError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    print(sign_token(key, arguments.lot_number))
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535 is wanted")
    return int(text)


def _ascii(text: str) -> str:
    if not text.isascii():
        raise argparse.ArgumentTypeError("only ASCII can be meant")
    return text


if __name__ == "__main__":
    sys.exit(main())
