"""The command line: mutate modules, print their survivors, and write docs/mutation.md."""

import argparse
import subprocess
import sys
from collections import defaultdict

from .guard import ROOT, import_name, modules, mutants_of, tests
from .mutants import Mutant
from .page import PAGE, Reasons, page, survivors, table
from .results import Result, digest, keep, kept
from .runner import ENOUGH, SLOW, run


def main() -> int:
    """Run what the command line asks for. Exits 1 where pytest does."""
    given = _arguments()
    chosen = modules(given.modules or [""])
    if not chosen:
        sys.exit(f"no module of the guard begins so: {', '.join(given.modules)}")
    together = _by_tests(chosen)
    statuses = [] if given.page else [_run_all(*each, alone=len(together) == 1) for each in together.items()]
    if given.part or any(statuses):
        return int(any(statuses))
    _report({module: result for module, result in kept().items() if module in chosen}, whole=not given.modules)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutation", description="Mutation testing of the guard proper.")
    parser.add_argument("modules", nargs="*", metavar="module", help="as in _core or _core/judge.py; default: all")
    parser.add_argument("--page", action="store_true", help="run nothing; write docs/mutation.md from earlier runs")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _by_tests(chosen: list[str]) -> dict[tuple[str, ...], list[str]]:
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for module in chosen:
        together[tests(module)].append(module)
    return together


def _run_all(paths: tuple[str, ...], modules: list[str], *, alone: bool) -> int:
    """Run modules that have the same tests. pytest runs once in a process."""
    if not alone:
        return subprocess.call([sys.executable, "-m", "mutation", "--part", *modules], cwd=ROOT)  # noqa: S603
    chosen = {module: list(mutants_of(module)) for module in modules}
    outcomes: dict[str, dict[Mutant, str]] = defaultdict(dict)

    def found(name: str, mutant: Mutant, outcome: str) -> None:
        module = names[name]
        outcomes[module][mutant] = outcome
        if len(outcomes[module]) == len(chosen[module]):
            result = Result.of(sources[module], chosen[module], outcomes[module])
            keep({module: result})
            print(f"{module}: {result.mutants} mutants, {len(result.survivors)} survivors", flush=True)

    names = {import_name(module): module for module in chosen}
    sources = {module: digest(module) for module in chosen}
    return run({name: chosen[module] for name, module in names.items()}, paths, found)


def _report(results: dict[str, Result], *, whole: bool) -> None:
    reasons = Reasons()
    if not whole:
        print("\n\n".join(survivors(module, result, reasons) for module, result in results.items()))
    print(f"\n{table(results, reasons)}")
    for module, before, after in reasons.stale(results):
        print(f"reasons.toml: no survivor of {module}: {before} → {after}", file=sys.stderr)
    _write_page(reasons)


def _write_page(reasons: Reasons) -> None:
    every = modules()
    now = {module: each for module, each in kept().items() if module in every and each.source == digest(module)}
    missing = [module for module in every if module not in now]
    if now:
        PAGE.write_text(page(now, missing, reasons, slow=SLOW, enough=ENOUGH))
    if missing:
        print(f"not measured as they are now: {' '.join(missing)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
