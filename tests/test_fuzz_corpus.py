"""Every input that the fuzzer keeps, through its check."""

import pytest

from fuzz import targets


@pytest.mark.parametrize("target", targets.TARGETS)
def test_the_kept_inputs_break_no_promise(target: str) -> None:
    check = targets.load(target)
    for path in sorted((targets.CORPUS / target).iterdir()):
        try:
            check(path.read_bytes())
        except Exception as error:
            error.add_note(f"again with: python -m fuzz --again {path} {target}")
            raise


def test_the_corpus_is_whole_and_small() -> None:
    assert {path.name for path in targets.CORPUS.iterdir()} == set(targets.TARGETS)
    sizes = [path.stat().st_size for path in targets.CORPUS.rglob("*") if path.is_file()]
    assert sum(sizes) < 500_000
