"""The short version of benchmarks/chaos.py: real processes, killed, hanging and flapping; some fifteen seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(sys.platform != "linux", reason="the account is read from /proc")
def test_a_site_keeps_its_promises_while_geetest_dies_hangs_flaps_and_returns() -> None:
    command = [sys.executable, "benchmarks/chaos.py", "--short"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("| up |") == 4, done.stdout
