"""`GeeTest`: a simulator that takes GeeTest's place in this process. The pytest fixtures use it."""

from types import TracebackType
from typing import Self, Unpack

from .._line.stand_in import put_in_place, take_away
from ._in_process import InProcess
from ._state import TokenOptions
from .simulator import Simulator
from .tokens import ANY_ID


class GeeTest(Simulator):
    """A `Simulator` that every guard and client in this process calls while the `with` block lasts.

        with GeeTest() as geetest:
            assert client.post("/login", data=geetest.token()).status_code == 200

    The pytest fixture `geetest` does this; the block is for other test frameworks. The app is not changed: no call
    leaves the process, whichever `api_server` and `client` it was built with, before or after. A second block at the
    same time raises RuntimeError. A token is valid for any `captcha_id` that the app has.
    """

    def __enter__(self) -> Self:
        put_in_place(InProcess(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        take_away()

    @property
    def _solved_under(self) -> str:
        """Default of `captcha_id=`: any id, so a test need not know which one its app has."""
        return ANY_ID

    def headers(self, **options: Unpack[TokenOptions]) -> dict[str, str]:
        """Return a token as the four headers `X-GeeTest-Lot-Number` …, for a guard with `sources=["header"]`.

        The options are those of `token`.
        """
        return {_header(name): value for name, value in self.token(**options).items()}


class GeeTestServer(GeeTest):
    """A `GeeTest` on a socket, for browsers and other processes: the pytest fixture `geetest_server`."""

    url = ""
    """The address at which it listens, without a slash at the end."""

    @property
    def env(self) -> dict[str, str]:
        """The environment for an app in another process that is to call it: id, key and `GEETEST_API_SERVER`."""
        return {
            "GEETEST_CAPTCHA_ID": self.captcha_id,
            "GEETEST_CAPTCHA_KEY": self.captcha_key,
            "GEETEST_API_SERVER": self.url,
        }


def _header(field: str) -> str:
    return "-".join(["X-GeeTest", *(word.capitalize() for word in field.split("_"))])
