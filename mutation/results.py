"""What became of the mutants of each module: kept in build/mutation.json, so that a module can be run alone."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final

from .guard import PACKAGE, ROOT
from .mutants import Mutant

KEPT: Final = ROOT / "build" / "mutation.json"


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test noticed. `reached`: whether any test runs the changed lines."""

    function: str
    before: str
    after: str
    reached: bool


@dataclass(frozen=True)
class Result:
    """Of one module. `source`: a digest of what was mutated."""

    source: str
    day: str
    mutants: int
    survivors: tuple[Survivor, ...]

    @classmethod
    def of(cls, source: str, mutants: list[Mutant], outcomes: Mapping[Mutant, str]) -> "Result":
        """Build the result of a run that ended today."""
        survivors = tuple(
            Survivor(each.function, each.before, each.after, outcomes[each] == "survived")
            for each in mutants
            if outcomes[each] != "killed"
        )
        return cls(source, date.today().isoformat(), len(mutants), survivors)


def digest(module: str) -> str:
    """Return a digest of the module's source."""
    return hashlib.sha256((PACKAGE / module).read_bytes()).hexdigest()[:16]


def kept(path: Path = KEPT) -> dict[str, Result]:
    """Read the results of earlier runs, by module."""
    if not path.exists():
        return {}
    return {
        module: Result(**{**fields, "survivors": tuple(Survivor(**each) for each in fields["survivors"])})
        for module, fields in json.loads(path.read_text()).items()
    }


def keep(results: Mapping[str, Result], path: Path = KEPT) -> None:
    """Write these results beside the earlier ones."""
    path.parent.mkdir(exist_ok=True)
    every = {**kept(path), **results}
    path.write_text(json.dumps({module: asdict(result) for module, result in every.items()}, indent=1))
