"""What is kept of the rule table's decisions: always the same answers, never much."""

from geetest_asgi._core.paths.decisions import KEPT, LONGEST, Decisions


class Table:
    """Decides by every part of the request line, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def decide(self, method: str, path: str, raw_path: bytes, root_path: str) -> str | None:
        self.asked += 1
        return f"{method}|{path}|{raw_path!r}|{root_path}" if len(path) % 2 else None


def test_a_request_line_is_decided_once_whether_protected_or_not() -> None:
    table = Table()
    kept = Decisions(table.decide)
    for line in [("POST", "/login", b"/login", ""), ("POST", "/logins", b"/logins", "")]:
        table.asked = 0
        assert [kept[line], kept[line]] == [Table().decide(*line)] * 2
        assert table.asked == 1
    assert len(kept) == 2


def test_what_visitors_make_up_piles_up_no_further_than_the_bound() -> None:
    kept = Decisions(Table().decide)
    for number in range(3 * KEPT):
        kept["POST", f"/{number}", b"", ""]
        assert len(kept) <= KEPT
    assert len(kept) > 0


def test_long_lines_are_decided_anew_each_time() -> None:
    for long in [("POST", "/" * LONGEST, b"", ""), ("POST" * LONGEST, "/", b"", ""), ("POST", "/", b"/" * LONGEST, "")]:
        table = Table()
        kept = Decisions(table.decide)
        assert [kept[long], kept[long]] == [Table().decide(*long)] * 2
        assert (table.asked, len(kept)) == (2, 0)
    for length in (LONGEST - 4, LONGEST - 3):
        kept["POST", "/" * length, b"", ""]
        assert len(kept) == 1, "the longest that is kept"
