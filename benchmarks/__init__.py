"""What things cost, as ratios in one run: `python -m benchmarks` lists them."""

import logging
import os

# It warns of a GeeTest on this machine, once for each guard and client.
if "PYTEST_VERSION" not in os.environ:  # where the log is what tests look at
    logging.getLogger("geetest_asgi").setLevel(logging.ERROR)
