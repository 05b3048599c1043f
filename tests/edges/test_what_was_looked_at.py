"""JSON that is sent as text, and the reason of `missing`: what was looked at, with the names that were there."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geetest_asgi import GeeTestClient, Rule
from geetest_asgi._core.fields.names import shown_names

from .servers import GeeTest
from .site import App, Told
from .visitors import FORM, cut, form, visit

pytestmark = pytest.mark.anyio
TEXT = "text/plain;charset=UTF-8"
JSON = "application/json"
NO_FIELD = "no captcha field with a value: "


async def test_json_as_text_is_read_where_the_rule_says_so(geetest: GeeTest, app: App) -> None:
    """As `fetch(url, {body: JSON.stringify(…)})` and `navigator.sendBeacon` send it; and nothing else is read then."""
    guard = geetest.guard(app, protect=["POST /login", Rule("POST /beacon", sources=["text"])])
    body = json.dumps(geetest.token()).encode()

    async def code(content_type: str, body: bytes, path: str = "/beacon") -> str:
        return (await visit(body=body, content_type=content_type, path=path).run(guard)).code

    assert await code(TEXT, body, "/login") == "captcha_missing"
    assert await code(JSON, body) == await code(FORM, form(geetest.token())) == "captcha_missing"
    assert await code(TEXT, form(geetest.token())) == "captcha_malformed"
    for content_type in (TEXT, "text/plain", "Text/Plain"):
        body = json.dumps(geetest.token()).encode()
        assert await code(content_type, body) == "in"
        assert app.seen[-1].body == body
    assert len(app.seen) == 3


def boundary(*names: str) -> bytes:
    parts = (f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\nsecret\r\n' for name in names)
    return ("".join(parts) + "--b--\r\n").encode()


NESTED = {"username": "secret", "data": {"captcha": {"lotNumber": "secret"}}, "list": [{"lot_number": "secret"}]}
LOOKED_AT: dict[str, tuple[dict[str, Any], str]] = {
    "nested JSON": (
        {"body": json.dumps(NESTED).encode(), "content_type": JSON},
        "body (application/json): username, data, list, data.captcha, data.captcha.lotNumber",
    ),
    "a list": ({"body": b'["secret"]', "content_type": JSON}, "body (application/json): no names"),
    "a form with other names": (
        {"body": b"username=secret&captcha%5Blot_number%5D=secret&gen_time=&secret", "content_type": FORM},
        f"body ({FORM}): username, captcha[lot_number], gen_time",
    ),
    "multipart": (
        {"body": boundary("avatar", "captcha.lot"), "content_type": "multipart/form-data; boundary=b"},
        "body (multipart/form-data): avatar, captcha.lot",
    ),
    "no content type": ({"body": b"secret", "content_type": None}, "body (no Content-Type): not read"),
    "an odd content type": ({"body": b"x", "content_type": "secret\x1b[31m/x"}, "body (unknown type): not read"),
    "two content types": (
        {"body": b"", "content_type": FORM, "headers": [("content-type", JSON)]},
        "body (two Content-Types): not read",
    ),
    "encoded": (
        {"body": b"x", "content_type": JSON, "headers": {"content-encoding": "gzip"}},
        "body (application/json, encoded): not read",
    ),
}


@pytest.mark.parametrize(("sent", "looked_at"), LOOKED_AT.values(), ids=LOOKED_AT.keys())
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_the_reason_names_what_was_there(
    sent: dict[str, Any], looked_at: str, size: int, geetest: GeeTest, app: App
) -> None:
    """However the body is cut; the answer to the client does not repeat it."""
    told = Told()
    guard = geetest.guard(app, on_result=told)
    answer = await visit(**{**sent, "body": cut(sent["body"], size)}).run(guard)
    assert told.reasons[0] == NO_FIELD + looked_at
    assert "secret" not in told.reasons[0]
    assert looked_at.encode() not in answer.body


async def test_each_source_is_told_in_order(geetest: GeeTest, app: App) -> None:
    told = Told()
    everywhere = ("header", "query", "text", "body")
    guard = geetest.guard(app, sources=everywhere, on_result=told)
    headers = {"X-GeeTest-Lot": "secret", "Cookie": "secret"}
    await visit({"user": "secret"}, headers=headers, query=b"next=secret&secret").run(guard)
    assert told.reasons[0] == (
        f"{NO_FIELD}headers with 'geetest': x-geetest-lot; query: next; text ({FORM}): not read; body ({FORM}): user"
    )


async def test_the_client_tells_the_names_of_the_mapping(geetest: GeeTest) -> None:
    async with GeeTestClient("1" * 32, "2" * 32, api_server=geetest.url) as client:
        result = await client.validate({"captcha": {"lot_number": "secret"}, 5: "secret", "user": "secret"})
    assert (result.outcome, result.reason) == ("missing", f"{NO_FIELD}captcha, user and others")


@given(st.lists(st.text() | st.sampled_from(["lot_number", "a[b]", "a.b", "user-name"]), max_size=30))
def test_any_names_are_shown_in_one_bounded_line_of_ascii(names: list[str]) -> None:
    shown = shown_names(names)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) < 600
