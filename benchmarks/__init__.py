"""What things cost, as ratios in one run: `python -m benchmarks` lists them."""

import logging

# It warns of a GeeTest on this machine, once for each guard and client.
logging.getLogger("geetest_asgi").setLevel(logging.ERROR)
