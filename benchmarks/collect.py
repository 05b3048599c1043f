"""What the pytest plugin costs a run that does not use it: `python benchmarks/collect.py`. About two minutes.

`pytest --collect-only` on a project of 100 files with a test each, with the plugin and without it (`-p no:geetest`), in
pairs that take turns in going first, after one pair for warming up. The whole process counts, interpreter included:
seconds on the clock, and seconds of processor time, which a busy machine disturbs less.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

PAIRS: Final = 40
FILES: Final = 100
WITH: Final[tuple[str, ...]] = ()
WITHOUT: Final = ("-p", "no:geetest")
Times = tuple[float, float]


def collect(project: Path, arguments: tuple[str, ...]) -> Times:
    """One run: seconds on the clock, seconds of processor time."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    clock, processor = time.perf_counter(), _processor()
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - clock, _processor() - processor


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pair(project: Path, number: int) -> tuple[Times, Times]:
    """With the plugin and without it."""
    order = (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH)
    times = {arguments: collect(project, arguments) for arguments in order}
    return times[WITH], times[WITHOUT]


def main() -> None:
    """Measure, and print the table."""
    with TemporaryDirectory() as directory:
        project = Path(directory)
        for number in range(FILES):
            (project / f"test_{number}.py").write_text("def test_nothing():\n    pass\n")
        pair(project, 0)
        pairs = [pair(project, number) for number in range(PAIRS)]
    print(f"{f'medians of {PAIRS}':24}{'clock':>12}{'processor':>12}")
    for name, which in (("with the plugin", 0), ("-p no:geetest", 1)):
        clock, processor = (median(each[which][kind] for each in pairs) * 1000 for kind in (0, 1))
        print(f"{name:24}{clock:9.0f} ms{processor:9.0f} ms")
    ratios = (median(each[0][kind] / each[1][kind] for each in pairs) for kind in (0, 1))
    print(f"{'ratio':24}" + "".join(f"{ratio:12.3f}" for ratio in ratios))


if __name__ == "__main__":
    main()
