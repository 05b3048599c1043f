"""`python -m geetest_asgi simulator`: the simulator in the foreground, for curl and for other languages."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Never

from .._config import is_loopback
from .server import bind, serve_on
from .simulator import Simulator
from .tls import server_context

_BANNER = """\
GeeTest CAPTCHA v4 simulator, listening on {urls}

  captcha_id   {captcha_id}
  captcha_key  {captcha_key}

Point your server at it: GEETEST_API_SERVER={url}
Your pages, if they may: <script src="{url}/v4/gt4.js"></script>

Try:
  curl '{url}/simulator/token'
  curl -X POST '{url}/simulator/fault?mode=down'
  curl '{url}/simulator/calls'

{url}/ says what else there is. Ctrl-C ends it."""

_TRUST = """\
Clients have to trust the authority in this file, which is new at each start:
SSL_CERT_FILE={file}   (for Node NODE_EXTRA_CA_CERTS, for requests REQUESTS_CA_BUNDLE, for curl --cacert)"""

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
    tls: Path | None = None,
    tls_port: int | None = None,
    replay: Path | None = None,
) -> int:
    """Serve a `Simulator(pairs)` until Ctrl-C; the value is an exit status for the shell.

    0: ended by Ctrl-C. 1: it could not start (the address is taken, uvicorn is missing). 2: refused, since `host`
    is not loopback and `allow_remote` is not set. `port` 0: one that is free. `tls`: serve https, and write the
    certificate of the authority that clients are to trust to this file. `tls_port`: serve https there, and http at
    `port`. `replay`: the answers of this cassette instead of right ones.
    """
    if not allow_remote and not is_loopback(host):
        print(_REFUSED.format(host=host), file=sys.stderr)
        return 2
    try:
        simulator = Simulator(pairs)
        if replay is not None:
            simulator.replay(replay)
        with _listening(simulator, host, port, tls, tls_port) as urls:
            _announce(simulator, host, urls, tls)
            _sleep_forever()
    except KeyboardInterrupt:
        return 0
    except (OSError, ValueError, ImportError) as wrong:
        ports = f"port {port}" if tls_port is None else f"ports {port} and {tls_port}"
        print(f"The simulator cannot start on {host} {ports}: {wrong}", file=sys.stderr)
        return 1


@contextmanager
def _listening(
    simulator: Simulator, host: str, port: int, tls: Path | None, tls_port: int | None
) -> Iterator[tuple[str, ...]]:
    """Serve at one port or at two; the value is their URLs."""
    if tls_port is not None and tls is None:
        raise ValueError("tls_port is for https: give tls, the file for the authority, too")
    with ExitStack() as stack:
        ports = (port,) if tls_port is None else (port, tls_port)
        listeners = [stack.enter_context(closing(bind(host, each))) for each in ports]
        # Written only now: where a port is taken, the file may be that of the simulator which has it.
        context = None if tls is None else server_context(tls, host)
        contexts = (context,) if tls_port is None else (None, context)
        places = zip(listeners, contexts, strict=True)
        yield tuple(stack.enter_context(serve_on(listener, simulator, each)) for listener, each in places)


def _announce(simulator: Simulator, host: str, urls: tuple[str, ...], tls: Path | None) -> None:
    if not is_loopback(host):
        print(_WARNING.format(host=host), file=sys.stderr)
    id_and_key = {"captcha_id": simulator.captcha_id, "captcha_key": simulator.captcha_key}
    print(_BANNER.format(url=urls[0], urls=" and ".join(urls), **id_and_key), flush=True)
    if tls is not None:
        print(f"\n{_TRUST.format(file=tls.absolute())}", flush=True)


def _sleep_forever() -> Never:
    while True:
        time.sleep(0.5)  # short: a Ctrl-C just before a sleep begins does not interrupt it
