"""The address under which a client is counted."""

from typing import Any

import pytest

from geetest_asgi import client_address


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("[2001:db8:1:2::7]:4711", 1), "2001:db8:1:2::/64"),
        (("192.0.2.7:4711", 1), "192.0.2.7"),
        (("64:ff9b::192.0.2.7", 1), "192.0.2.7"),
        (("[::ffff:192.0.2.7]:80", 1), "192.0.2.7"),
        (("host:80", 1), "host:80"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("x" * 1000, 1), "x" * 64),
        (("", 0), None),
        ((None, None), None),
        (None, None),
    ],
)
def test_whom_the_server_takes_for_the_client(client: Any, expected: str | None) -> None:
    assert client_address({"client": client}) == expected
    assert client_address({}) is None
