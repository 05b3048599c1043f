"""The id and key that an app finds in the environment of its tests."""

import os

from .._line.stand_in import DEMO_ID, DEMO_KEY


def missing_pair() -> dict[str, str]:
    """GeeTest's public demonstration pair where the environment has neither id nor key; else nothing.

    Half a pair is a mistake of the user's, which the guard reports.
    """
    pair = {"GEETEST_CAPTCHA_ID": DEMO_ID, "GEETEST_CAPTCHA_KEY": DEMO_KEY}
    return {} if any(os.environ.get(name) for name in pair) else pair
