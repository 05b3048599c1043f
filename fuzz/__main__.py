"""The runner: each target for some seconds in a process of its own, then a table. Exits 1 if any promise was broken.

The repository's corpus is read, not written to, unless `--keep` asks for it.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from .targets import CORPUS, TARGETS, load

ROOT: Final = Path(__file__).parent.parent
WORDS: Final = Path(__file__).parent / "words.dict"
BOUNDS: Final = ("-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1")
_RUNS: Final = re.compile(r"^stat::number_of_executed_units: +(\d+)|^#(\d+)\t", re.MULTILINE)
_BAD_INPUT: Final = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True)
class Outcome:
    """How one target fared: a row of the table."""

    target: str
    runs: int
    new: int
    result: str
    failed: bool


def main() -> int:
    """Fuzz, or run one input again."""
    given = arguments()
    if given.again:
        for target in given.targets:
            load(target)(given.again.read_bytes())
        return 0
    outcomes = [fuzz(target, given.seconds, keep=given.keep) for target in given.targets]
    print(f"\n{'target':12} {'runs':>10} {'new inputs':>10}  result")
    for each in outcomes:
        print(f"{each.target:12} {each.runs:>10} {each.new:>10}  {each.result}")
    return int(any(each.failed for each in outcomes))


def arguments() -> argparse.Namespace:
    """What the command line says; no target means all of them."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz the pure core with atheris.")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=20, help="for each target (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="add inputs that reach new code to the repository's corpus")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run the target on this one input, without atheris")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if given.again and len(given.targets) != 1:
        parser.error("--again needs one target")
    if not given.again and find_spec("atheris") is None:
        parser.error("atheris is needed, on Linux: pip install -e '.[fuzz]'")
    given.targets = given.targets or list(TARGETS)
    return given


def fuzz(target: str, seconds: int, *, keep: bool) -> Outcome:
    """Run one target. libFuzzer writes what is new into the first folder, a temporary one."""
    kept = CORPUS / target
    bad = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    with tempfile.TemporaryDirectory() as fresh:
        options = (f"-dict={WORDS}", f"-max_total_time={seconds}", f"-artifact_prefix={bad}/")
        done = engine(target, *options, fresh, str(kept))
        new = len(list(Path(fresh).iterdir()))
        if keep and not done.returncode:
            engine(target, "-merge=1", "-use_counters=0", str(kept), fresh).check_returncode()
    runs = max((int(one or other) for one, other in _RUNS.findall(done.stderr)), default=0)
    result = verdict(target, done) if done.returncode else "ok"
    if not done.returncode:
        bad.rmdir()
    return Outcome(target, runs, new, result, failed=bool(done.returncode))


def engine(target: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """libFuzzer on one target, bounded in time, memory and the length of an input."""
    command = [sys.executable, "-m", "fuzz.engine", target, f"-max_len={TARGETS[target]}", *BOUNDS, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603


def verdict(target: str, done: "subprocess.CompletedProcess[str]") -> str:
    """What went wrong, where the input is, and how to see it again."""
    print(f"--- {target}\n{done.stdout}{done.stderr}", file=sys.stderr)
    if found := _BAD_INPUT.search(done.stderr):
        return f"FAILED, again with: python -m fuzz --again {found[1]} {target}"
    return f"FAILED with exit code {done.returncode}, see above"


if __name__ == "__main__":
    sys.exit(main())
