"""docs/mutation.md: the figures of each module, and each survivor with the reason why it may live."""

import platform
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from .guard import ROOT
from .results import Result, Survivor

PAGE: Final = ROOT / "docs" / "mutation.md"
REASONS: Final = Path(__file__).parent / "reasons.toml"
EQUIVALENT: Final = "equivalent"
"""A reason that begins so says that no test can tell the mutant from the code."""

_HEAD: Final = """\
# Mutation testing

See how much of the guard the tests hold. Each mutant is the code with one small change; a mutant is killed if a test
fails for it. A survivor is a change that no test notices.

```sh
pip install -e '.[mutation]'
python -m mutation                    # all modules; writes this page
python -m mutation _core/judge.py     # one module or folder
```

Measured on {day} with Python {python}, on the guard proper: the package without the
simulator, the demo, the commands and the add-ons for frameworks. A mutant runs the tests of its folder that reach the
changed lines, those of up to {slow:g} seconds, fastest first, {enough:g} seconds in all. Conditions, comparisons,
operators, constants, keyword arguments, returned values and statements are changed. Code outside functions, f-strings,
and the words of errors and log records are not. *Equivalent* mutants behave as the code does; the score leaves them
out.
"""


@dataclass(frozen=True)
class Figures:
    """A row of the table."""

    mutants: int
    survivors: int
    equivalent: int

    @property
    def killed(self) -> int:
        """How many mutants a test has noticed."""
        return self.mutants - self.survivors

    @property
    def score(self) -> float:
        """Percent of the mutants that are not equivalent."""
        return 100 * self.killed / max(self.mutants - self.equivalent, 1)

    def row(self, name: str) -> str:
        """Write the row."""
        percent = 100 * self.killed / self.mutants
        return f"| {name} | {self.mutants} | {self.killed} | {percent:.0f} % | {self.equivalent} | {self.score:.0f} % |"


class Reasons:
    """Why survivors may live: by module, and the lines before and after, so that a shifted line keeps its reason."""

    def __init__(self, path: Path = REASONS) -> None:
        self._reasons: dict[tuple[str, str, str], str] = {
            (module, each["before"], after): each["why"]
            for module, several in tomllib.loads(path.read_text()).items()
            for each in several
            for after in each["after"]
        }

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        return iter(self._reasons)

    def of(self, module: str, survivor: Survivor) -> str:
        """Return the reason, or an empty text."""
        return self._reasons.get((module, survivor.before, survivor.after), "")

    def figures(self, module: str, result: Result) -> Figures:
        """Count a module's mutants."""
        equivalent = sum(self.of(module, each).startswith(EQUIVALENT) for each in result.survivors)
        return Figures(result.mutants, len(result.survivors), equivalent)

    def stale(self, results: Mapping[str, Result]) -> list[tuple[str, str, str]]:
        """Return the reasons of mutants that did not survive, or are no more."""
        alive = {(module, each.before, each.after) for module, result in results.items() for each in result.survivors}
        return sorted(key for key in self._reasons if key[0] in results and key not in alive)


def table(results: Mapping[str, Result], reasons: Reasons, missing: Iterable[str] = ()) -> str:
    """Write a row for each module, and one for all; `missing`: modules that have not been run as they are now."""
    figures = {module: reasons.figures(module, result) for module, result in sorted(results.items())}
    total = Figures(*map(sum, zip(*map(astuple, figures.values()), strict=True)))
    rows = {module: each.row(f"`{module}`") for module, each in figures.items()}
    rows |= {module: f"| `{module}` | not measured | | | | |" for module in missing}
    head = ["| module | mutants | killed | | equivalent | score |", "|---|--:|--:|--:|--:|--:|"]
    return "\n".join([*head, *(rows[module] for module in sorted(rows)), total.row("all")])


def survivors(module: str, result: Result, reasons: Reasons) -> str:
    """Write a module's survivors, as short diffs."""
    return "\n".join([f"### {module}", *(_diff(each, reasons.of(module, each)) for each in result.survivors)])


def _diff(survivor: Survivor, reason: str) -> str:
    said = "; ".join(filter(None, ["" if survivor.reached else "no test reaches it", reason]))
    head = f"`{survivor.function}`" + (f": {said}" if said else "")
    return f"\n{head}\n\n```diff\n- {survivor.before}\n+ {survivor.after}\n```"


def page(results: Mapping[str, Result], missing: Iterable[str], reasons: Reasons, *, slow: float, enough: float) -> str:
    """Write the whole page. At least one module must have been run."""
    day = min(result.day for result in results.values())
    alive = [survivors(module, result, reasons) for module, result in sorted(results.items()) if result.survivors]
    head = _HEAD.format(day=day, python=platform.python_version(), slow=slow, enough=enough)
    return "\n".join([head, table(results, reasons, missing), "", "## Survivors", "", "\n\n".join(alive), ""])
