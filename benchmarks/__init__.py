"""What things cost, as ratios in one run: `python -m benchmarks` lists them."""

import logging
import os
import sys

# Set by `checkouts.environment`, for the processes that measure.
if _checkout := os.environ.get("BENCHMARK_CHECKOUT"):
    sys.path.insert(0, _checkout)  # whose geetest_asgi is imported; the benchmarks stay these
if "BENCHMARK_TRUSTED" in os.environ:
    import certifi

    certifi.where = lambda: os.environ[
        "BENCHMARK_TRUSTED"
    ]  # as on a machine that trusts this authority too: every client reads it from here

# It warns of a GeeTest on this machine, once for each guard and client.
if "PYTEST_VERSION" not in os.environ:  # where the log is what tests look at
    logging.getLogger("geetest_asgi").setLevel(logging.ERROR)
