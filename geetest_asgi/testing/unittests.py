"""`geetest_for`: the fixture `geetest` for a `unittest.TestCase`, without pytest."""

from typing import TYPE_CHECKING

from .environment import missing_pair
from .geetest import GeeTest

if TYPE_CHECKING:
    from unittest import TestCase


def geetest_for(case: "TestCase") -> GeeTest:
    """Let every guard of this process call a new `GeeTest` until the end of this test. Call it in `setUp`.

    If the environment has no id and key, an app that is built in the meantime finds a pair there.
    """
    from unittest.mock import patch

    case.enterContext(patch.dict("os.environ", missing_pair()))
    return case.enterContext(GeeTest())
