"""The short versions of benchmarks/chaos.py: real processes, killed, hanging and flapping; half a minute."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="the account is read from /proc")]


def phases(*options: str) -> int:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "benchmarks/chaos.py", "--short", *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.count("| up |")


def test_a_site_keeps_its_promises_while_geetest_dies_hangs_flaps_and_returns() -> None:
    assert phases() == 4


def test_workers_that_share_a_redis_keep_them_while_it_and_they_are_killed() -> None:
    if shutil.which("redis-server") is None or find_spec("redis") is None:
        pytest.skip("redis-server or redis-py is not installed")
    assert phases("--redis") == 6
