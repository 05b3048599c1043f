"""Run tests against mutants: a pytest plugin that collects once, and forks a process for each mutant.

A forked process puts the mutant's code into the functions that are already imported and runs the tests that reach the
changed lines, fastest first, until one fails. Which tests reach a line is read off coverage, in a first run.
"""

import functools
import gc
import importlib
import json
import resource
import signal
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import coverage
import pytest
from hypothesis import HealthCheck, Phase, settings

from .forks import JOBS, Forks
from .mutants import Mutant

SLOW: Final = 4.0
"""Seconds. A test that takes longer is left out."""
ENOUGH: Final = 20.0
"""Seconds of tests for each mutant; those that take longest are left out."""
PATIENCE: Final = 10
"""Seconds. A test that takes so much longer than without the mutant, and three times as long, does not end."""
_MEMORY: Final = 4 << 30
"""Bytes that a mutant may allocate."""

Found = Callable[[str, Mutant, str], None]
"""Called with a module's name, a mutant, and what became of it: "killed", "survived" or "unreached"."""


def run(mutants: dict[str, list[Mutant]], tests: Iterable[str], found: Found) -> int:
    """Run tests against the mutants of modules, by the module's name. Returns pytest's exit code."""
    settings.register_profile(
        "mutants",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
    )
    plain = ["-o", "addopts=", *(f"-pno:{plugin}" for plugin in ("xdist", "asyncio", "faker", "cacheprovider"))]
    chosen = ["-m", "not slow", "--hypothesis-profile=mutants", "--capture=no", "-q", "--no-header"]
    late = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # Hypothesis is imported before pytest's hook
    return int(pytest.main([*plain, *chosen, *late, *tests], plugins=[Runner(mutants, found)]))


@dataclass
class FirstRun:
    """What is known of the tests without a mutant. `lines`: the tests that reach a line, by file and line."""

    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))

    def tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach the mutant, fastest first."""
        lines = self.lines[mutant.replaces.co_filename]
        reached = {test for line in range(mutant.first, mutant.last + 1) for test in lines[line]}.difference(
            self.failed
        )
        chosen: list[str] = []
        total = 0.0
        for test in sorted(reached, key=self.seconds.__getitem__):
            total += self.seconds[test]
            if self.seconds[test] > SLOW or (chosen and total > ENOUGH):
                break
            chosen.append(test)
        return chosen

    def add(self, part: dict[str, Any]) -> None:
        """Add what one process has written."""
        self.seconds.update(part["seconds"])
        self.failed += part["failed"]
        for path, lines in part["lines"].items():
            for line, tests in lines.items():
                self.lines[path][int(line)] |= set(tests) & part["seconds"].keys()


class Runner:
    """The pytest plugin."""

    def __init__(self, mutants: dict[str, list[Mutant]], found: Found) -> None:
        self._mutants = mutants
        self._found = found
        self._items: dict[str, pytest.Item] = {}
        self._caches: list[Any] = []
        self._failed = False
        self._seconds = 0.0

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all tests once, then those that reach each mutant."""
        self._items = {item.nodeid: item for item in session.items}
        functions = self._prepare()
        first = self._first_run()
        for test in first.failed:
            print(f"left out, since it fails without a mutant: {test}", flush=True)
        with Forks() as forks:
            for module, mutant in self._queue():
                tests = first.tests(mutant)
                if not tests:
                    self._found(module, mutant, "unreached")
                    continue
                work = functools.partial(self._survives, mutant, functions[_place(mutant.replaces)], tests, first)
                forks.start(work, functools.partial(self._tell, module, mutant))
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of a test's setup, call and teardown, and note a failure."""
        self._seconds += report.duration
        self._failed |= report.failed

    def _prepare(self) -> dict[tuple[str, str, int], list[FunctionType]]:
        """Import the modules, and return their functions. Find their caches."""
        for module in self._mutants:
            importlib.import_module(module)
        gc.unfreeze()
        functions = _functions()
        self._caches = [each for each in gc.get_objects() if hasattr(type(each), "cache_clear") and self._is_ours(each)]
        self._forget()
        gc.collect()
        gc.freeze()
        return functions

    def _is_ours(self, cache: Any) -> bool:
        packages = {module.partition(".")[0] for module in self._mutants}
        return str(cache.__module__).partition(".")[0] in packages

    def _queue(self) -> Iterator[tuple[str, Mutant]]:
        return ((module, mutant) for module, mutants in self._mutants.items() for mutant in mutants)

    def _tell(self, module: str, mutant: Mutant, survived: bool) -> None:
        self._found(module, mutant, "survived" if survived else "killed")

    def _run(self, tests: Iterable[str], before: Callable[[str], object]) -> Iterator[str]:
        """Run tests one after the other; call `before` before each, and yield its name after it."""
        items = [self._items[test] for test in tests]
        for item, following in zip(items, [*items[1:], None], strict=True):
            before(item.nodeid)
            self._failed, self._seconds = False, 0.0
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            yield item.nodeid

    def _survives(self, mutant: Mutant, live: list[FunctionType], tests: list[str], first: FirstRun) -> bool:
        for function in live:
            function.__code__ = mutant.code
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))

        def end_in_time(test: str) -> None:
            signal.alarm(int(3 * first.seconds[test]) + PATIENCE)

        return not any(self._failed for _ in self._run(tests, end_in_time))

    def _first_run(self) -> FirstRun:
        first = FirstRun()
        files = defaultdict(list)
        for name, item in self._items.items():
            files[item.path].append(name)
        with tempfile.TemporaryDirectory() as folder:
            with Forks() as forks:
                for job in range(JOBS):
                    tests = [test for several in list(files.values())[job::JOBS] for test in several]
                    forks.start(functools.partial(self._reach, tests, Path(folder, str(job))), lambda _: None)
            for path in Path(folder).iterdir():
                first.add(json.loads(path.read_text()))
        return first

    def _reach(self, tests: list[str], to: Path) -> bool:
        paths = [mutant.replaces.co_filename for _, mutant in self._queue()]
        watch = coverage.Coverage(data_file=None, config_file=False, include=sorted(set(paths)))
        seconds, failed = {}, []
        watch.start()

        def begin(test: str) -> None:
            self._forget()  # else only the first test that needs a cached value reaches what makes it
            watch.switch_context(test)

        for test in self._run(tests, begin):
            seconds[test] = self._seconds
            failed += [test] if self._failed else []
        watch.stop()
        data = watch.get_data()
        lines = {path: data.contexts_by_lineno(path) for path in data.measured_files()}
        to.write_text(json.dumps({"seconds": seconds, "failed": failed, "lines": lines}))
        return True

    def _forget(self) -> None:
        for cache in self._caches:
            cache.cache_clear()


def _place(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Return all functions, whatever they are wrapped in, by where they stand."""
    found = defaultdict(list)
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            found[_place(each.__code__)].append(each)
    return found
