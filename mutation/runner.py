"""Run tests against mutants: a pytest plugin that collects once, and forks a process for each mutant.

A forked process puts the mutant's code into the functions that are already imported and runs the tests that reach the
changed lines, fastest first, until one fails. Which tests reach a line is read off coverage, in a first run.
"""

import functools
import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import coverage
import pytest

from .mutants import Mutant

JOBS: Final = 2
SLOW: Final = 2.0
"""Seconds. A test that takes longer is left out."""
ENOUGH: Final = 30.0
"""Seconds of tests for each mutant; those that take longest are left out."""
PATIENCE: Final = 10
"""Seconds that a test may take longer than without a mutant. Then the mutant counts as killed: its loop does not end."""
_MEMORY: Final = 4 << 30
"""Bytes that a mutant may allocate."""


@dataclass
class FirstRun:
    """What is known of the tests without a mutant. `lines`: the tests that reach a line, by file and line."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))

    def tests(self, path: str, mutant: Mutant) -> list[str]:
        """Return the tests that reach the mutant, fastest first."""
        reached = {test for line in range(mutant.first, mutant.last + 1) for test in self.lines[path][line]}
        fit = sorted((self.seconds[test], test) for test in reached if self.seconds[test] <= SLOW)
        chosen, total = [], 0.0
        for seconds, test in fit:
            total += seconds
            if chosen and total > ENOUGH:
                break
            chosen.append(test)
        return chosen


class Runner:
    """The pytest plugin. `found` is called with each mutant and what became of it: "killed", "survived", "unreached"."""

    def __init__(self, mutants: dict[str, list[Mutant]], found: Callable[[str, Mutant, str], None]) -> None:
        self._mutants = mutants
        self._found = found
        self._items: dict[str, pytest.Item] = {}
        self._failed = False
        self._seconds = 0.0

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all tests once, then those that reach each mutant."""
        self._items = {item.nodeid: item for item in session.items}
        first = self._first_run()
        if first.failed:
            pytest.exit("these fail without a mutant:\n" + "\n".join(first.failed), returncode=1)
        functions = _functions(set(self._mutants))
        with Forks(self._found) as forks:
            for path, mutant in self._queue():
                if tests := first.tests(path, mutant):
                    live = functions[_place(path, mutant.replaces)]
                    forks.start((path, mutant), functools.partial(self._try, mutant, live, tests, first.seconds))
                else:
                    self._found(path, mutant, "unreached")
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of a test's setup, call and teardown, and note a failure."""
        self._seconds += report.duration
        self._failed |= report.failed

    def _queue(self) -> Iterator[tuple[str, Mutant]]:
        return ((path, mutant) for path, mutants in self._mutants.items() for mutant in mutants)

    def _run(self, tests: Iterable[str]) -> Iterator[str]:
        """Run tests one after the other; yield the name of each before it."""
        items = [self._items[test] for test in tests]
        for item, following in zip(items, [*items[1:], None], strict=True):
            yield item.nodeid
            self._failed, self._seconds = False, 0.0
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _try(self, mutant: Mutant, live: list[FunctionType], tests: list[str], seconds: dict[str, float]) -> int:
        for function in live:
            function.__code__ = mutant.code
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        for test in self._run(tests):
            if self._failed:
                return 1
            signal.alarm(int(3 * seconds[test]) + PATIENCE)
        return int(self._failed)

    def _first_run(self) -> FirstRun:
        first = FirstRun()
        files = defaultdict(list)
        for name, item in self._items.items():
            files[item.path].append(name)
        with tempfile.TemporaryDirectory() as folder, Forks(lambda *_: None) as forks:
            for job in range(JOBS):
                tests = [test for several in list(files.values())[job::JOBS] for test in several]
                path = Path(folder, str(job))
                forks.start((str(job), None), functools.partial(self._reach, tests, path))
            forks.wait_for_all()
            for path in Path(folder).iterdir():
                _add(first, json.loads(path.read_text()))
        return first

    def _reach(self, tests: list[str], to: Path) -> int:
        watch = coverage.Coverage(data_file=None, config_file=False, include=list(self._mutants))
        seconds, failed = {}, []
        watch.start()
        before = None
        for test in self._run(tests):
            if before is not None:
                seconds[before] = self._seconds
                failed += [before] if self._failed else []
            before = test
            watch.switch_context(test)
        seconds[before] = self._seconds
        failed += [before] if self._failed and before else []
        watch.stop()
        data = watch.get_data()
        lines = {path: data.contexts_by_lineno(path) for path in data.measured_files()}
        to.write_text(json.dumps({"seconds": seconds, "failed": failed, "lines": lines}))
        return 0


def _add(first: FirstRun, part: dict[str, Any]) -> None:
    first.seconds.update(part["seconds"])
    first.failed += part["failed"]
    for path, lines in part["lines"].items():
        for line, tests in lines.items():
            first.lines[path][int(line)] |= set(tests) & part["seconds"].keys()


def _place(path: str, code: CodeType) -> tuple[str, str, int]:
    return path, code.co_qualname, code.co_firstlineno


def _functions(paths: set[str]) -> dict[tuple[str, str, int], list[FunctionType]]:
    """Return the functions of these files, whatever they are wrapped in, and forget what they have cached."""
    gc.unfreeze()
    objects = gc.get_objects()
    found = defaultdict(list)
    for each in objects:
        if isinstance(each, FunctionType) and each.__code__.co_filename in paths:
            found[_place(each.__code__.co_filename, each.__code__)].append(each)
        elif hasattr(type(each), "cache_clear") and str(getattr(each, "__module__", "")).startswith("geetest_asgi"):
            each.cache_clear()
    gc.freeze()
    return found


class Forks:
    """A few processes at a time, each in a group of its own with a folder for its temporary files."""

    def __init__(self, found: Callable[[str, Any, str], None]) -> None:
        self._found = found
        self._running: dict[int, tuple[tuple[str, Any], str]] = {}

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            for pid in self._running:
                _end(pid)
        self.wait_for_all()

    def start(self, name: tuple[str, Any], work: Callable[[], int]) -> None:
        """Run `work` in a process, once there is a place for it. 0 means that the mutant survived."""
        while len(self._running) >= JOBS:
            self._wait()
        folder = tempfile.mkdtemp(prefix="mutant-")
        if pid := os.fork():
            self._running[pid] = name, folder
            return
        _child(folder, work)

    def wait_for_all(self) -> None:
        """Return when no process is left."""
        while self._running:
            self._wait()

    def _wait(self) -> None:
        pid, status = os.wait()
        name, folder = self._running.pop(pid)
        _end(pid)
        shutil.rmtree(folder, ignore_errors=True)
        self._found(*name, "killed" if status else "survived")


def _child(folder: str, work: Callable[[], int]) -> None:
    os.setpgid(0, 0)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    failed = 1
    try:
        failed = work()
    finally:
        os._exit(failed)


def _end(pid: int) -> None:
    """End what the process has started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def run(mutants: dict[str, list[Mutant]], tests: list[str], found: Callable[[str, Mutant, str], None]) -> int:
    """Collect the tests and run them; returns pytest's exit code."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutants",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
    )
    plain = ["-o", "addopts=", "-p", "no:xdist", "-p", "no:asyncio", "-p", "no:faker", "-p", "no:cacheprovider"]
    chosen = ["-m", "not slow", "--hypothesis-profile=mutants", "--capture=no", "-q", "--no-header"]
    chosen += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what is imported before: Hypothesis, the package
    return int(pytest.main([*plain, *chosen, *tests], plugins=[Runner(mutants, found)]))
