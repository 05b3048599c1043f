"""Where a configuration comes from: an application, or patterns on the command line, and always the environment."""

import argparse
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..observers.logs import logger
from .errors import UsageError


def add_app(parser: argparse.ArgumentParser) -> None:
    """The options that name an application or patterns."""
    where = parser.add_argument_group("what is protected")
    where.add_argument(
        "--app",
        metavar="MODULE:ATTRIBUTE",
        help="the application, as uvicorn is told it; its GeeTestMiddleware is read",
    )
    where.add_argument("--factory", action="store_true", help="what --app names is called, and returns the application")
    where.add_argument("--protect", metavar="PATTERN", action="append", help="a pattern to try; may be repeated")
    where.add_argument("--exempt", metavar="PATTERN", action="append", help="a pattern left out; may be repeated")


def port(text: str) -> int:
    """The value of `--port`."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535 is wanted")
    return int(text)


def checked(arguments: argparse.Namespace) -> None:
    """Raise UsageError where options do not go together."""
    if arguments.app and (arguments.protect or arguments.exempt):
        raise UsageError("--app brings its own patterns; give --app, or --protect and --exempt")
    if arguments.exempt and not arguments.protect:
        raise UsageError("--exempt takes something out of --protect; give that too")
    if arguments.factory and not arguments.app:
        raise UsageError("--factory says how --app is meant; give that too")


def need_no_pair() -> None:
    """Set a made-up pair if the environment has none: a check of the configuration alone needs no real one."""
    for name, stand_in in (("GEETEST_CAPTCHA_ID", "no-id-needed"), ("GEETEST_CAPTCHA_KEY", "no-key-needed")):
        if not os.environ.get(name):
            os.environ[name] = stand_in


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        told_elsewhere = getattr(record, "geetest_event", "").startswith("store_")
        if not told_elsewhere and text not in self.said:
            self.said.append(text)


@contextmanager
def warnings_collected() -> Iterator[list[str]]:
    """What the package logs as a warning, each once, and not on standard error."""
    collector = _Collector()
    logger.addHandler(collector)
    propagated, logger.propagate = logger.propagate, False
    try:
        yield collector.said
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagated
