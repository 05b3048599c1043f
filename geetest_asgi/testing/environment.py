"""The id and key that an app finds in the environment of its tests."""

import os
from typing import Final

DEMO_ID: Final = "647f5ed2ed8acb4be36784e01556bb71"
"""The public demonstration `captcha_id`: printed in GeeTest's documentation and in each of its demos."""

DEMO_KEY: Final = "b09a7aafbfd83f73b35a9b530d0337bf"
"""The key that belongs to `DEMO_ID`: as public as the id, so no secret."""


def missing_pair() -> dict[str, str]:
    """Return GeeTest's public demonstration pair if the environment has neither id nor key; else nothing.

    One of them without the other is a mistake of the user, which the guard reports.
    """
    pair = {"GEETEST_CAPTCHA_ID": DEMO_ID, "GEETEST_CAPTCHA_KEY": DEMO_KEY}
    return {} if any(os.environ.get(name) for name in pair) else pair
