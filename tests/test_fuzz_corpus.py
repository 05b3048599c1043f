"""Every input that the fuzzer keeps, through its check; and each check fails where what it checks is broken."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fuzz import headers, http_answer, laws, patterns, reply, targets
from geetest_asgi._core.fields import scanners
from geetest_asgi._core.fields.gatherer import Gatherer, from_headers
from geetest_asgi._core.fields.json_scanner import JsonScanner
from geetest_asgi._core.fields.scanners import MultipartScanner, Scanner, UrlencodedScanner
from geetest_asgi._core.judge import judge
from geetest_asgi._core.model import CaptchaFields, Evidence, GeeTestResult, Outcome, Reply
from geetest_asgi._core.paths.forms import Segments, split
from geetest_asgi._core.paths.path_set import PathSet
from geetest_asgi._core.paths.patterns import Pattern
from geetest_asgi._core.policy import Policy
from geetest_asgi._core.protocol import parse_reply
from geetest_asgi._line.reader import Reader


def replay(target: str) -> None:
    check = targets.load(target)
    for path in sorted((targets.CORPUS / target).iterdir()):
        try:
            check(path.read_bytes())
        except Exception as error:
            error.add_note(f"again with: python -m fuzz --again {path} {target}")
            raise


@pytest.mark.parametrize("target", targets.TARGETS)
def test_the_kept_inputs_break_no_promise(target: str) -> None:
    replay(target)


def test_the_corpus_is_whole_and_small() -> None:
    assert {path.name for path in targets.CORPUS.iterdir()} == set(targets.TARGETS)
    sizes = [path.stat().st_size for path in targets.CORPUS.rglob("*") if path.is_file()]
    assert sum(sizes) < 500_000


@pytest.mark.parametrize("target", targets.TARGETS)
@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 300], ids=["empty", "one byte", "all ones"])
def test_any_bytes_are_an_input(target: str, data: bytes) -> None:
    targets.load(target)(data)


# Broken on purpose, once for each target


class CutsAtChunks(UrlencodedScanner):
    """Takes the end of a chunk for the end of a pair."""

    def feed(self, data: bytes) -> None:
        super().feed(data + b"&")


class LastOfAName(JsonScanner):
    """Starts anew with the last member that has the name."""

    def feed(self, data: bytes | bytearray) -> None:
        start = data.rfind(b'"lot_number"')
        super().feed(b"{" + data[start:] if start > 0 else data)


class FilesAreFields(MultipartScanner):
    def _on_header_end(self) -> None:
        self._header_value = self._header_value.replace(b"filename", b"f")
        super()._on_header_end()


def in_place_of(content_type: bytes, make: Callable[[Gatherer], Scanner]) -> object:
    """`scanner_for` with another scanner for one type."""
    real = scanners.scanner_for

    def scanner_for(types: Sequence[bytes], encodings: Sequence[bytes], gatherer: Gatherer) -> Scanner | None:
        return make(gatherer) if types[0] == content_type else real(types, encodings, gatherer)

    return scanner_for


FORM, JSON, MULTIPART = b"application/x-www-form-urlencoded", b"application/json", b"multipart/form-data; boundary=x"


def first_of_doubled_headers(
    pairs: Sequence[tuple[bytes, bytes]], gatherer: Gatherer
) -> CaptchaFields | Evidence | None:
    return from_headers(list(dict(reversed(pairs)).items()), gatherer)


def path_as_it_is(path: str, raw_path: bytes, roots: Sequence[str]) -> set[Segments]:
    return {split(path)}


def one_case_only(given: Sequence[Pattern], *, fold: bool) -> PathSet:
    return PathSet(given, fold=False)


def any_200(given: Reply, lot_number: str) -> Evidence:
    return Evidence(Outcome.PASSED) if given.status == 200 else parse_reply(given, lot_number)


def room_for_all(policy: Policy, evidence: Evidence, *, admit_unverified: bool) -> GeeTestResult:
    return judge(policy, evidence, admit_unverified=True)


class NeverMore(Reader):
    def feed(self, data: bytes) -> None:
        super().feed(data)
        self.reusable = self.done


PATHS = "geetest_asgi._core.paths.forms"
BROKEN: dict[str, tuple[str, Any, str, Any]] = {
    "pairs end with a chunk": ("urlencoded", laws, "scanner_for", in_place_of(FORM, CutsAtChunks)),
    "the last of a name counts": ("json_body", laws, "scanner_for", in_place_of(JSON, LastOfAName)),
    "a file is a field": (
        "multipart",
        laws,
        "scanner_for",
        in_place_of(MULTIPART, lambda gatherer: FilesAreFields(gatherer, b"x")),
    ),
    "a doubled header counts": ("headers", headers, "from_headers", first_of_doubled_headers),
    "a path has one form (targets)": ("paths", PATHS, "forms", path_as_it_is),
    "a path has one form (spellings)": ("spellings", PATHS, "forms", path_as_it_is),
    "case counts": ("patterns", patterns, "PathSet", one_case_only),
    "any 200 is a yes": ("reply", reply, "parse_reply", any_200),
    "there is always room": ("reply", reply, "judge", room_for_all),
    "garbage stays on a connection": ("http_answer", http_answer, "Reader", NeverMore),
}


@pytest.mark.parametrize(("target", "where", "name", "broken"), BROKEN.values(), ids=BROKEN)
def test_a_check_can_fail(monkeypatch: pytest.MonkeyPatch, target: str, where: Any, name: str, broken: Any) -> None:
    if isinstance(where, str):
        monkeypatch.setattr(f"{where}.{name}", broken)
    else:
        monkeypatch.setattr(where, name, broken)
    with pytest.raises(AssertionError):
        replay(target)


def test_every_target_has_a_check_that_can_fail() -> None:
    assert {target for target, *_ in BROKEN.values()} == set(targets.TARGETS)
