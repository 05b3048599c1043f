"""The laws of `fuzz/` and its oracles, on what is near the inputs that the fuzzer keeps: any bytes, a few changed.

A body, a header, a path, a pattern or a reply: nothing raises, cuts change nothing, what a plain parser of the whole
finds is found, no spelling unprotects, and a yes is GeeTest's own.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import targets

SIGNS = st.lists(st.sampled_from(b'"\\{}[]:,;&=%+-./\r\n \x00\xffeE0alotxY'), max_size=4).map(bytes)


@st.composite
def near(draw: st.DrawFn, kept: list[bytes]) -> bytes:
    """One of these with some bytes put in, taken out or replaced."""
    data = bytearray(draw(st.sampled_from(kept)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4) | SIGNS)
    return bytes(data)


@pytest.mark.parametrize("target", targets.TARGETS)
def test_no_input_breaks_a_law(target: str) -> None:
    check = targets.load(target)
    kept = [path.read_bytes() for path in sorted((targets.CORPUS / target).iterdir())]
    given(near(kept) | st.binary(max_size=targets.TARGETS[target]))(check)()
