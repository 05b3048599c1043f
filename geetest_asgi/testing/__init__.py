"""A GeeTest of your own: both sides of the service on their real wire format, to test against without GeeTest.

    simulator = Simulator()                              an ASGI app: mount it, or give it to a client in process
    simulator.token()                                    the four fields of a freshly solved captcha
    simulator.down()                                     … and every call is answered 503, until simulator.up()
    with GeeTest() as geetest: ...                       called by every guard in this process: pytest's `geetest`
    with serve(simulator) as url: ...                    on a thread, for a client that needs a socket
    <script src="{url}/v4/gt4.js"></script>              a stand-in for GeeTest's browser script, for your pages
    captcha_id="sim-down"                                an id that decides what happens; MAGIC has them all
    python -m geetest_asgi simulator --port 8077         on the command line, for curl and other languages

All behaviour of GeeTest that is described here comes from GeeTest's documentation and its official demos. Importing
this package imports no test framework, HTTP client or server: they are imported when they are used.
"""

from ._answers import CODES
from ._calls import Call
from ._magic import MAGIC, Magic
from ._outages import Fault
from .command import run_simulator
from .environment import DEMO_ID, DEMO_KEY
from .geetest import GeeTest, GeeTestServer
from .server import serve
from .simulator import Simulator
from .unittests import geetest_for

__all__ = [
    "CODES",
    "DEMO_ID",
    "DEMO_KEY",
    "MAGIC",
    "Call",
    "Fault",
    "GeeTest",
    "GeeTestServer",
    "Magic",
    "Simulator",
    "geetest_for",
    "run_simulator",
    "serve",
]
