"""The command line: `python -m geetest_asgi`, installed as `geetest-asgi`."""

import argparse
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from . import __version__
from ._core.errors import ConfigError
from .commands import check, explain_file, match, record, sign
from .commands.errors import UsageError
from .commands.options import port
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
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as on stderr: a file name may have characters of any script
    try:
        return int(arguments.run(arguments))
    except (UsageError, ConfigError) as wrong:
        print(f"geetest-asgi: {wrong}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # 128 and SIGINT's number, as shells have it
    except BrokenPipeError:  # the reader of our output has ended, such as `head`
        forget_output(sys.stdout)
        return 1


def _parser(*, described: bool = True) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geetest-asgi", description="GeeTest CAPTCHA v4 in front of any ASGI app: a demo, a stand-in, a check."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, add, told, description in (
        ("demo", _add_demo, "see the guard at work, without an account", _DEMO),
        ("simulator", _add_simulator, "a GeeTest of your own to test with", _SIMULATOR),
        ("check", check.add, "do the id and the key work, what is protected?", check.DESCRIPTION),
        ("match", match.add, "which rule a request falls under, and why", match.DESCRIPTION),
        ("explain", explain_file.add, "what the guard makes of a raw request in a file", explain_file.DESCRIPTION),
        ("sign", sign.add, "the sign_token of a lot number", sign.DESCRIPTION),
        ("record", record.add, "GeeTest's answers on a cassette, for the simulator", record.DESCRIPTION),
        ("completion", _add_completion, "how a shell is to complete our arguments", _COMPLETION),
    ):
        shown = description if described else None
        add(commands.add_parser(name, help=told, description=shown, allow_abbrev=False))
    return parser


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=_completion)


def _completion(arguments: argparse.Namespace) -> int:
    try:
        from shtab import complete
    except ModuleNotFoundError:
        raise UsageError("completion needs another package: pip install 'geetest-asgi[completion]'") from None
    # shtab would show a command's description, a paragraph, in the place of its help
    print(complete(_parser(described=False), arguments.shell))
    return 0


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, default=0, help="the site's port (default: one that is free)")
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
    parser.add_argument("--port", type=port, default=0, help="the port (default: one that is free)")
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
    parser.add_argument("--tls-port", type=port, metavar="PORT", help="https is at this port, and http at --port")
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


if __name__ == "__main__":
    sys.exit(main())
