"""The page that a refused visitor sees, in their language."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.denials import LANGUAGES
from geetest_asgi.testing import serve

FORM = """<!doctype html><html lang="en"><title>Log in</title>
<form method="post"><button>Log in</button></form>"""


def login(request: Request) -> HTMLResponse:
    return HTMLResponse(FORM)


@pytest.fixture
def url() -> Iterator[str]:
    app = Starlette(routes=[Route("/login", login, methods=["GET", "POST"])])
    with serve(GeeTestMiddleware(app, protect=["POST /login"], captcha_id="id", captcha_key="key")) as url:
        yield f"{url}/login"


@pytest.mark.parametrize(
    ("locale", "language", "scheme"), [("en-US", "en", "light"), ("zh-CN", "zh", "dark"), ("fr-FR", "en", "dark")]
)
def test_the_page_is_in_the_visitors_language_and_leads_back_by_keyboard(
    url: str, tabs: Any, axe: Any, scheme: str, locale: str, language: str
) -> None:
    page = tabs(locale=locale, color_scheme=scheme)
    page.goto(url)
    with page.expect_navigation() as refused:
        page.get_by_role("button", name="Log in").click()
    assert refused.value.status == 403
    assert page.locator("html").get_attribute("lang") == language
    assert "captcha_" not in page.inner_text("body")
    assert axe(page) == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == LANGUAGES[language].back
    with page.expect_navigation() as back:
        page.keyboard.press("Enter")
    assert (back.value.request.method, back.value.status) == ("GET", 200)
