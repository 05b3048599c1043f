"""The names that were sent in place of the captcha fields, as a developer is told them."""

import pytest

from geetest_asgi._core.fields.names import names_in_json, shown_names
from geetest_asgi._core.fields.texts import read_json


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([], "no names"),
        (["a b"], "other names"),
        (["a", 5], "a and others"),
        (list("abcdefghijkl"), "a, b, c, d, e, f, g, h, i, j, k, l"),
        (list("abcdefghijklm"), "a, b, c, d, e, f, g, h, i, j, k, l and others"),
        (["a"] * 50, "a"),
        (["a"] * 51, "a and others"),
    ],
)
def test_names_are_one_line(names: list[object], shown: str) -> None:
    assert shown_names(names) == shown


def test_what_is_within_a_name_of_json_follows_and_what_is_within_another_text_is_left_out() -> None:
    document = read_json('{"a": {"b": {"c": 1}}, "a b": {"d": 2}, "e": [{"f": 3}]}')
    assert list(names_in_json(document)) == ["a", "a b", "e", "a.b", "a.b.c"]
