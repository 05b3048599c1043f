"""The command line: mutate modules, print their survivors, and write docs/mutation.md when every module is known."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator

from .guard import import_name, modules, tests
from .mutants import Mutant
from .page import PAGE, Reasons, page, survivors, table
from .results import Result, digest, keep, kept
from .runner import ENOUGH, SLOW, run


def main() -> int:
    """Run what the command line asks for. Exits 1 where pytest does."""
    given = _arguments()
    chosen = modules(given.modules)
    if not chosen:
        sys.exit(f"no module of the guard begins so: {', '.join(given.modules)}")
    failed = 0 if given.page else max([_run(*each) for each in _runs(chosen)])
    every = {module: result for module, result in kept().items() if module in chosen}
    reasons = Reasons()
    for module, result in every.items():
        print(survivors(module, result, reasons) if given.modules and result.survivors else "", end="")
    print(f"\n{table(every, reasons)}")
    for module, before, after in reasons.stale(every):
        print(f"reasons.toml: no survivor of {module}: {before} → {after}", file=sys.stderr)
    _write_page(reasons)
    return failed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutation", description="Mutation testing of the guard proper.")
    parser.add_argument("modules", nargs="*", metavar="module", help="as in _core or _core/judge.py; default: all")
    parser.add_argument("--page", action="store_true", help="run nothing; write docs/mutation.md from earlier runs")
    return parser.parse_args()


def _runs(chosen: dict[str, list[Mutant]]) -> Iterator[tuple[tuple[str, ...], dict[str, list[Mutant]]]]:
    """Yield what is run together: modules with the same tests."""
    together: dict[tuple[str, ...], dict[str, list[Mutant]]] = defaultdict(dict)
    for module, mutants in chosen.items():
        together[tests(module)][module] = mutants
    yield from together.items()


def _run(paths: tuple[str, ...], chosen: dict[str, list[Mutant]]) -> int:
    outcomes: dict[str, dict[Mutant, str]] = defaultdict(dict)

    def found(name: str, mutant: Mutant, outcome: str) -> None:
        module = names[name]
        outcomes[module][mutant] = outcome
        if len(outcomes[module]) == len(chosen[module]):
            keep({module: Result.of(module, chosen[module], outcomes[module])})
            print(f"{module}: {len(chosen[module])} mutants")

    names = {import_name(module): module for module in chosen}
    return run({name: chosen[module] for name, module in names.items()}, paths, found)


def _write_page(reasons: Reasons) -> None:
    results, every = kept(), modules([])
    old = [module for module in every if module not in results or results[module].source != digest(module)]
    if old:
        print(f"docs/mutation.md is not written before these are run: {' '.join(old)}", file=sys.stderr)
        return
    PAGE.write_text(page({module: results[module] for module in every}, reasons, slow=SLOW, enough=ENOUGH))


if __name__ == "__main__":
    sys.exit(main())
