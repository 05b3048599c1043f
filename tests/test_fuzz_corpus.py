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
