"""`python -m geetest_asgi simulator`: the simulator in the foreground, for curl and for other languages."""

import sys
import time
from collections.abc import Mapping
from typing import Never

from .._config import is_loopback
from .server import serve
from .simulator import Simulator

_BANNER = """\
GeeTest CAPTCHA v4 simulator, listening on {url}

  captcha_id   {captcha_id}
  captcha_key  {captcha_key}

Point your server at it: GEETEST_API_SERVER={url}
Your pages, if they may: <script src="{url}/v4/gt4.js"></script>

Try:
  curl '{url}/simulator/token'
  curl -X POST '{url}/simulator/fault?mode=down'
  curl '{url}/simulator/calls'

{url}/ says what else there is. Ctrl-C ends it."""

_REFUSED = """\
Refused to listen on {host!r}: the simulator hands a passing token to everybody who can reach it, and takes orders
from them. It listens on loopback only (127.0.0.1, ::1, localhost) unless you allow any interface."""

_WARNING = "Warning: everybody who can reach {host} can mint tokens, cause outages and read the calls.\n"


def run_simulator(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    allow_remote: bool = False,
    pairs: Mapping[str, str] | None = None,
) -> int:
    """Serve a `Simulator(pairs)` until Ctrl-C; the value is an exit status for the shell.

    0: ended by Ctrl-C. 1: it could not start (the address is taken, uvicorn is missing). 2: refused, since `host`
    is not loopback and `allow_remote` is not set. `port` 0: one that is free.
    """
    if not allow_remote and not is_loopback(host):
        print(_REFUSED.format(host=host), file=sys.stderr)
        return 2
    simulator = Simulator(pairs)
    try:
        with serve(simulator, host=host, port=port) as url:
            _announce(simulator, host, url)
            _sleep_forever()
    except KeyboardInterrupt:
        return 0
    except (OSError, ValueError, ImportError) as wrong:
        print(f"The simulator cannot listen on {host} port {port}: {wrong}", file=sys.stderr)
        return 1


def _announce(simulator: Simulator, host: str, url: str) -> None:
    if not is_loopback(host):
        print(_WARNING.format(host=host), file=sys.stderr)
    id_and_key = {"captcha_id": simulator.captcha_id, "captcha_key": simulator.captcha_key}
    print(_BANNER.format(url=url, **id_and_key), flush=True)


def _sleep_forever() -> Never:
    while True:
        time.sleep(0.5)  # short: a Ctrl-C just before a sleep begins does not interrupt it
