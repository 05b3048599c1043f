"""How no is said: to programs and to people, over every version of HTTP, by the default and by the developer's own."""

from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from geetest_asgi import ConfigError, GeeTestResult, Outcome, geetest_result
from geetest_asgi.denials import DENIALS, LANGUAGES, Language, default_denial, denial_in

from .servers import GeeTest
from .site import App, later
from .visitors import visit

pytestmark = pytest.mark.anyio

JSON = "application/problem+json"
HTML = "text/html; charset=utf-8"


async def test_a_denial_is_a_problem_of_rfc_9457(geetest: GeeTest, app: App) -> None:
    denied = await visit().run(geetest.guard(app))
    assert denied.problem == {
        "type": "about:blank",
        "title": "Captcha required",
        "status": 403,
        "detail": "Solve the captcha and send the request again.",
        "code": "captcha_missing",
        "retry": "solve",
    }
    assert denied.headers == {
        "content-type": JSON,
        "content-length": str(len(denied.body)),
        "cache-control": "no-store",
        "content-language": "en",
        "x-geetest-denial": "captcha_missing",
        "vary": "Accept, Accept-Language",
    }


ASKED = {
    "": "en",
    "zh-CN,zh;q=0.9,en;q=0.8": "zh",
    "en-GB,en;q=0.9,zh;q=0.8": "en",
    "zh;q=0": "en",
    "en;q=nan,zh;q=1": "zh",
    "zh," * 10_000: "zh",
}


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked[:30])
@pytest.mark.parametrize("accept", [JSON, "text/html"])
async def test_a_denial_is_in_the_clients_language(accept: str, asked: str, geetest: GeeTest, app: App) -> None:
    headers = {"accept": accept, "accept-language": asked, "x-other": "zh"}
    denied = await visit(headers=headers).run(geetest.guard(app))
    assert denied.headers["content-language"] == ASKED[asked]
    assert {"en": "Captcha required", "zh": "请先完成验证"}[ASKED[asked]] in denied.body.decode()


async def test_more_languages_are_one_mapping(geetest: GeeTest, app: App) -> None:
    german = Language("Zurück", {Outcome.MISSING: ("Captcha nötig", "Bitte lösen Sie das <Captcha>.")})
    guard = geetest.guard(app, on_denied=denial_in({"de": german}))
    headers = {"accept": "text/html", "accept-language": "de-CH"}
    page = (await visit(headers=headers).run(guard)).body.decode()
    assert '<html lang="de">' in page
    assert "Bitte lösen Sie das &lt;Captcha&gt;." in page
    other = await visit(geetest.token(forged=True), headers=headers).run(guard)
    assert (other.headers["content-language"], "Captcha not passed" in other.body.decode()) == ("en", True)
    assert (await visit(headers={"accept-language": "zh"}).run(guard)).problem["title"] == "请先完成验证"


@pytest.mark.parametrize(("tag", "words"), [("pt-BR", LANGUAGES["en"]), ("DE", LANGUAGES["en"]), ("de", "Zurück")])
def test_a_language_that_no_client_could_get_is_an_error(tag: str, words: Any) -> None:
    with pytest.raises(ConfigError, match=tag):
        denial_in({tag: words})


def test_the_languages_know_every_outcome() -> None:
    assert all(language.words.keys() == DENIALS.keys() for language in LANGUAGES.values())


ACCEPTS = {
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": HTML,  # a browser that shows a page
    "TEXT/HTML": HTML,
    "application/xhtml+xml": HTML,
    "text/html;q=0.4, application/json;q=0.3": HTML,
    "": JSON,
    "*/*": JSON,  # fetch(), curl
    "application/json;q=1.0, text/html": JSON,
    "application/problem+json, text/html;q=0.9": JSON,
    "text/html;q=0": JSON,
    "text/html;q=abc": JSON,
    "text/html;q=nan": JSON,
    ";;;,,,q=;=": JSON,
    "a/b," * 100_000: JSON,
}


@pytest.mark.parametrize("lines", [1, 2], ids=["one line", "two lines"])
@pytest.mark.parametrize("accept", ACCEPTS, ids=lambda accept: accept[:60])
async def test_html_where_accept_prefers_it(accept: str, lines: int, geetest: GeeTest, app: App) -> None:
    headers = [("accept", each) for each in accept.split(",", lines - 1)]
    denied = await visit(headers=headers).run(geetest.guard(app))
    assert denied.headers["content-type"] == ACCEPTS[accept]
    assert denied.headers["vary"] == "Accept, Accept-Language"


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_nothing_that_the_visitor_or_geetest_said_is_repeated(accept: str, geetest: GeeTest, app: App) -> None:
    mark = "zq7mark"
    headers = {"accept": accept, "x-mark": mark, "cookie": mark, "host": mark, "referer": mark}
    guard = geetest.guard(app, protect=["/login/{mark}"])
    geetest.simulator.answers(200, {"status": "success", "result": "fail", "reason": mark})
    for fields in ({"user": mark}, {"lot_number": mark, "gen_time": "1"}, geetest.token()):
        asked = visit(fields, path=f"/login/{mark}", query=f"lot_number={mark}".encode(), headers=headers)
        denied = await asked.run(guard)
        assert denied.status == 403
        assert mark not in f"{denied.body!r} {denied.headers}"


async def raw_app(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    headers = [(b"x-own", b"1"), (b"Cache-Control", b"no-store")]
    await send({"type": "http.response.start", "status": 418, "headers": headers})
    await send({"type": "http.response.body", "body": body[:4], "more_body": True})
    await send({"type": "http.response.body", "body": body[4:]})


def own(result: GeeTestResult, scope: Scope) -> Response:
    assert not result.allowed
    return PlainTextResponse("user=ada", 418, {"x-own": "1"})


OWN: dict[str, Any] = {
    "a Starlette response": own,
    "an ASGI app that reads the body, and streams": lambda result, scope: raw_app,
    "asynchronous": later(own),
}


@pytest.mark.parametrize("name", OWN)
async def test_on_denied_answers_instead(name: str, geetest: GeeTest, app: App) -> None:
    guard = geetest.guard(app, on_denied=OWN[name])
    denied = await visit({"user": "ada"}).run(guard)
    assert (denied.status, denied.body, denied.headers["x-own"]) == (418, b"user=ada", "1")
    assert denied.headers["cache-control"] == "no-store"
    assert denied.headers["x-geetest-denial"] == "captcha_missing"
    assert app.seen == []
    assert (await visit(geetest.token()).run(guard)).code == "in"


async def test_on_denied_is_told_what_the_denial_is_about(geetest: GeeTest, app: App) -> None:
    headers = {"Cache-Control": "private", "X-GeeTest-Denial": "captcha_mine"}

    def on_denied(result: GeeTestResult, scope: Scope) -> Response:
        assert geetest_result(scope) is result
        return JSONResponse([result.outcome, result.reason, scope["path"]], headers=headers)

    denied = await visit(geetest.token(forged=True)).run(geetest.guard(app, on_denied=on_denied))
    assert denied.body == b'["failed","pass_token error","/login"]'
    assert (denied.headers["cache-control"], denied.headers["x-geetest-denial"]) == ("private", "captcha_mine")


async def test_on_denied_may_leave_some_to_the_default(geetest: GeeTest, app: App) -> None:
    for default in (default_denial, lambda result, scope: None):
        own = RedirectResponse("/captcha")
        guard = geetest.guard(
            app,
            on_denied=lambda result, scope, own=own, default=default: (
                own if result.outcome is Outcome.MISSING else default(result, scope)
            ),
        )
        assert (await visit().run(guard)).headers["location"] == "/captcha"
        assert (await visit(geetest.token(forged=True)).run(guard)).code == "captcha_failed"


async def test_the_page_is_a_whole_page_that_says_what_helps(geetest: GeeTest, app: App) -> None:
    geetest.simulator.down()
    guard = geetest.guard(app, on_unavailable="deny")
    denied = await visit(geetest.token(), headers={"accept": "text/html"}).run(guard)
    page = denied.body.decode()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "captcha_" not in page, "no machine's word"
    assert page.count("<a ") == 1, "a way back"
    assert (denied.status, denied.headers["x-geetest-denial"]) == (503, "captcha_unavailable")
    assert denied.headers["retry-after"].isdigit()
