"""`python -m geetest_asgi demo`: play the story against the site, then leave the site running."""

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, Never

from .. import _config
from .._core.errors import ConfigError
from ..observers.logs import logger
from ..testing import Simulator, serve
from .playground import Site, live_site
from .story import STORY, Step, play
from .table import write_row

_HEAD: Final = """\
site       {site}/    GeeTestMiddleware in front of POST /login
simulator  {simulator}/    stands in for GeeTest
"""

_INVITATION: Final = """
Try it in a browser: {site}/
Ctrl-C ends it."""

_LIVE: Final = """\
site       {site}/    POST /login is guarded by {geetest}
Open it in a browser. Decisions are logged below; Ctrl-C ends it."""

_PAIR: Final = ("GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY")

_LIVE_NEEDS: Final = """\
demo --live asks the real GeeTest. Set {missing} in the environment, to what GeeTest's dashboard says:

  export GEETEST_CAPTCHA_ID=...
  export GEETEST_CAPTCHA_KEY=..."""


def run_demo(port: int = 0, *, once: bool = False, story: Sequence[Step] = STORY) -> int:
    """Play the story and serve until Ctrl-C; the value is an exit status for the shell.

    0: every row was as expected. 1: one was not, or the demo could not start (the port is taken, uvicorn is
    missing). 130: Ctrl-C before the story's end. `port` is the site's, 0: one that is free. `once`, or an output
    that is no terminal: end after the story.
    """
    status = 130
    with ExitStack() as running, suppress(KeyboardInterrupt):
        running.enter_context(_handler(logging.NullHandler()))  # a warning has no place among the rows
        simulator = Simulator()
        try:
            geetest = running.enter_context(serve(simulator))
            site = Site(simulator, geetest)
            url = running.enter_context(serve(site, port=port))
        except (OSError, ImportError) as wrong:
            return _cannot_start(port, wrong)
        print(_HEAD.format(site=url, simulator=geetest), flush=True)
        status = _play(site, url, story)
        if not once and sys.stdout.isatty():
            print(_INVITATION.format(site=url), flush=True)
            _sleep_forever()
    return status


def run_live(port: int = 0) -> int:
    """Serve the site with the real GeeTest behind it until Ctrl-C; id and key come from the environment.

    0: ended by Ctrl-C. 1: it could not start. 2: id or key is missing, or a setting in the environment is wrong.
    """
    if missing := [name for name in _PAIR if not os.environ.get(name)]:
        print(_LIVE_NEEDS.format(missing=" and ".join(missing)), file=sys.stderr)
        return 2
    try:
        app = live_site()
    except ConfigError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    with ExitStack() as running, suppress(KeyboardInterrupt):
        running.enter_context(_handler(logging.StreamHandler(), logging.DEBUG))
        try:
            url = running.enter_context(serve(app, port=port))
        except (OSError, ImportError) as wrong:
            return _cannot_start(port, wrong)
        servers = _config.api_servers(None, allow_http=False)
        print(_LIVE.format(site=url, geetest=servers[0]), flush=True)
        _sleep_forever()
    return 0


def _play(site: Site, url: str, story: Sequence[Step]) -> int:
    differing = 0
    for row in play(site, url, story):
        write_row(row, sys.stdout)
        differing += not row.as_expected
    said = f"{differing} of {len(story)} rows differ" if differing else f"All {len(story)} rows are as expected"
    print(f"\n{said}.", flush=True)
    return 1 if differing else 0


def _cannot_start(port: int, wrong: Exception) -> int:
    where = f" on port {port}" if port and isinstance(wrong, OSError) else ""
    print(f"The demo cannot start{where}: {wrong}", file=sys.stderr)
    return 1


@contextmanager
def _handler(handler: logging.Handler, level: int = logging.NOTSET) -> Iterator[None]:
    """The package's log goes to this handler, for as long as the demo runs."""
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level or before)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _sleep_forever() -> Never:
    while True:
        # Not longer: a Ctrl-C just before the sleep begins does not interrupt it, and is heard after it.
        time.sleep(0.5)
