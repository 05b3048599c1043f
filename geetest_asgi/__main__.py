"""The command line: `python -m geetest_asgi`, installed as `geetest-asgi`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from ._core.errors import ConfigError
from .commands import check, explain_file, match, record, sign
from .commands.errors import UsageError
from .commands.report import forget_output

_DEMO = """\
Play a login through GeeTestMiddleware: a guarded site and a GeeTest stand-in, both on this machine, and one request
for each way in which a token can be good, bad, or not to be checked. Then the site is yours to try in a browser."""

_SIMULATOR = """\
Run GeeTest's /validate on this machine, to test a server against: it mints tokens, judges them as GeeTest does, and
has outages on demand. Give the server under test GEETEST_API_SERVER and the id and key that are printed."""


_COMPLETION = """\
Print a script that completes the arguments of geetest-asgi. Bash: eval "$(geetest-asgi completion bash)" in ~/.bashrc.
Zsh: geetest-asgi completion zsh > _geetest-asgi, in a directory of $fpath. Fish: geetest-asgi completion fish >
~/.config/fish/completions/geetest-asgi.fish."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the value is an exit status for the shell. Wrong usage is argparse's SystemExit(2)."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (UsageError, ConfigError) as wrong:
        print(f"geetest-asgi: {wrong}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # 128 and SIGINT's number, as shells have it
    except BrokenPipeError:  # whoever read our output has left, as `head` does
        forget_output(sys.stdout)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geetest-asgi", description="GeeTest CAPTCHA v4 in front of any ASGI app: a demo, a stand-in, a check."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands.add_parser("demo", help="see the guard at work, without an account", description=_DEMO))
    _add_simulator(commands.add_parser("simulator", help="a GeeTest of your own to test with", description=_SIMULATOR))
    for name, command, told in (
        ("check", check, "do the id and the key work, what is protected?"),
        ("match", match, "which rule a request falls under, and why"),
        ("explain", explain_file, "what the guard makes of a raw request in a file"),
        ("sign", sign, "the sign_token of a lot number"),
        ("record", record, "GeeTest's answers on a cassette, for the simulator"),
    ):
        command.add(commands.add_parser(name, help=told, description=command.DESCRIPTION, allow_abbrev=False))
    told = "how a shell is to complete our arguments"
    completion = commands.add_parser("completion", help=told, description=_COMPLETION, allow_abbrev=False)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    completion.set_defaults(run=_completion)
    return parser


def _completion(arguments: argparse.Namespace) -> int:
    try:
        from shtab import complete
    except ModuleNotFoundError:
        raise UsageError("completion needs another package: pip install 'geetest-asgi[completion]'") from None
    print(complete(_parser(), arguments.shell))
    return 0


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
    parser.add_argument(
        "--tls",
        type=Path,
        metavar="FILE",
        help="serve https, with a certificate made now; FILE is written: the authority that clients are to trust",
    )
    parser.add_argument("--tls-port", type=_port, metavar="PORT", help="https is at this port, and http at --port")
    parser.add_argument("--replay", type=Path, metavar="CASSETTE", help="answer as GeeTest did while `record` ran")
    parser.set_defaults(run=_simulator)


def _simulator(arguments: argparse.Namespace) -> int:
    from .testing import run_simulator

    pairs = dict(arguments.pair) if arguments.pair else None
    return run_simulator(
        arguments.host,
        arguments.port,
        allow_remote=arguments.allow_remote,
        pairs=pairs,
        tls=arguments.tls,
        tls_port=arguments.tls_port,
        replay=arguments.replay,
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535 is wanted")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
