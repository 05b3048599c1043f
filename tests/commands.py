"""What the tests of the command line share: the command in this process, as another's, and other programs."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib import invalidate_caches
from io import StringIO
from pathlib import Path
from types import ModuleType
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

from geetest_asgi.__main__ import main
from geetest_asgi.testing import DEMO_ID, DEMO_KEY

ROOT = Path(__file__).parent.parent
SECONDS = 120
"""What nothing here takes, on however slow a machine."""
PROGRAM = (sys.executable, "-m", "geetest_asgi")


def environment(**settings: str) -> dict[str, str]:
    """Without settings, colour, proxies, and the word that this is a test run, which silences warnings."""
    ours = re.compile("GEETEST_|PYTEST_|COV_|COVERAGE_|DJANGO_|NO_COLOR|FORCE_COLOR|.*_proxy$", re.IGNORECASE)
    clean = {name: value for name, value in os.environ.items() if not ours.match(name)}
    clean["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return clean | {f"GEETEST_{name.upper()}": value for name, value in settings.items() if value}


def name_geetest(monkeypatch: pytest.MonkeyPatch, api_server: str) -> None:
    """Let the environment name this GeeTest, and the public pair, which a `Simulator()` takes."""
    for name, value in {"API_SERVER": api_server, "CAPTCHA_ID": DEMO_ID, "CAPTCHA_KEY": DEMO_KEY}.items():
        monkeypatch.setenv(f"GEETEST_{name}", value)


Done = subprocess.CompletedProcess[str]
Process = subprocess.Popen[str]


def command(
    *arguments: str,
    cwd: Path = ROOT,
    captcha_id: str = DEMO_ID,
    captcha_key: str = DEMO_KEY,
    api_server: str = "",
    width: float = 100,
    process: bool = False,
) -> Done:
    """`geetest-asgi`, with the public pair unless another is given; it never shows the key.

    `process`: as a process of its own, for apps that set up what a process has once. Else in this one, for speed.
    """
    env = environment(captcha_id=captcha_id, captcha_key=captcha_key, api_server=api_server)
    done = ended([*PROGRAM, *arguments], cwd=cwd, env=env) if process else _here(arguments, cwd, env)
    assert not [key for key in captcha_key.split(",") if key and key in done.stdout + done.stderr]
    assert max(map(len, done.stdout.splitlines()), default=0) <= width
    return done


def ended(line: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> Done:
    """How a program ended, and what it printed."""
    env = environment() if env is None else env
    return subprocess.run(
        line, cwd=cwd, env=env, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL
    )


def printed(line: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """What a program prints that succeeds. AssertionError with all of it, if it fails."""
    done = ended(line, cwd=cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _here(arguments: Sequence[str], cwd: Path, env: dict[str, str]) -> Done:
    with as_in_a_process(cwd, env), redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(str(ended.code))
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


@contextmanager
def as_in_a_process(cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Within another directory and environment, whose modules are imported anew and forgotten afterwards."""
    theirs = {each.stem for each in cwd.iterdir()} - {"geetest_asgi"}

    def take_out() -> dict[str, ModuleType]:
        return {name: sys.modules.pop(name) for name in [*sys.modules] if name.partition(".")[0] in theirs}

    path, known = sys.path[:], take_out()
    with chdir(cwd), patch.dict(os.environ, env, clear=True):
        invalidate_caches()
        try:
            yield
        finally:
            sys.path[:] = path
            take_out()
            sys.modules.update(known)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@contextmanager
def running(
    line: Sequence[str], ready: str = "", *, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A process, once it listens at the URL `ready`, if there is one. Its errors are among its output; it is killed."""
    env = environment() if env is None else env
    process = subprocess.Popen(line, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        if ready:
            wait_for(process, ready)
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until(process: Process, awaited: str) -> str:
    """What the process prints up to the line with this text. AssertionError with all of it, if there is none."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if awaited in line:
            return said
    raise AssertionError(f"ended without {awaited!r}:\n{said}")


def ended_by_ctrl_c(process: Process) -> tuple[int, str]:
    """The exit status, and what was printed since."""
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=SECONDS)
    return process.returncode, said


def wait_for(process: Process, url: str) -> None:
    """Wait until the process listens at this URL. AssertionError with what it printed, if it never does."""
    place = urlsplit(url)

    def listens() -> bool:
        with suppress(OSError), socket.create_connection((str(place.hostname), place.port or 80), 1):
            return True
        return False

    until(lambda: process.poll() is not None or listens())
    if process.poll() is not None:
        raise AssertionError(f"nothing listens at {url}:\n{process.communicate()[0]}")


def until(met: Callable[[], object], said: Callable[[], str] = str) -> None:
    """Wait until this is so. AssertionError with what `said` tells, if it never is."""
    ends = time.monotonic() + SECONDS
    while not met():
        assert time.monotonic() < ends, said()
        time.sleep(0.02)
