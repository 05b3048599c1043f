"""`python -m geetest_asgi sign LOT_NUMBER`: the signature, to compare with what another program signs."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .errors import UsageError

DESCRIPTION = """\
Print the sign_token of a lot number: lower-case hex HMAC-SHA256, to compare with what another program signs. The key is
GEETEST_CAPTCHA_KEY in the environment, or the first line of --key-file; it is no argument, since everybody on the
machine can read the arguments of a process."""


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `sign`."""
    parser.add_argument("lot_number", type=_lot_number, metavar="LOT_NUMBER", help="as getValidate() gives it")
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help="a file with the captcha_key, '-' for standard input (default: GEETEST_CAPTCHA_KEY)",
    )
    parser.add_argument("--key", action=_NoKey, nargs="?", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """The exit status."""
    from .._config import credentials
    from .._core.protocol import sign_token

    key = _key(arguments.key_file)
    credentials("no-id-is-needed", key)
    print(sign_token(key, arguments.lot_number))
    return 0


def _key(file: str | None) -> str:
    if file is None:
        key = os.environ.get("GEETEST_CAPTCHA_KEY", "").partition(",")[0]  # the first, as the guard signs with it first
        if not key:
            raise UsageError("No key: set GEETEST_CAPTCHA_KEY, or give --key-file.")
        return key
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text().partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--key-file: it cannot be read ({type(error).__name__})") from None
    if not text.rstrip("\r\n"):
        raise UsageError("--key-file: its first line is empty, and should be the captcha_key")
    return text.rstrip("\r\n")


class _NoKey(argparse.Action):
    """Says why not, and does not repeat the key, as "unrecognized arguments" would."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, values: str | Sequence[Any] | None, option: Any = None
    ) -> NoReturn:
        parser.error(
            "a key on the command line can be read in the process list: set GEETEST_CAPTCHA_KEY, or --key-file"
        )


def _lot_number(text: str) -> str:
    if not re.fullmatch("[!-~]+", text):
        raise argparse.ArgumentTypeError(f"{text!a} is no lot number: ASCII without blanks is wanted")
    return text
