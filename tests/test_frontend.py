"""The script for front ends: how it is served and shipped. What it does is tested in tests/browser."""

import base64
import gzip
import hashlib
import json
import re
import sys
from pathlib import Path

import httpx
import pytest
from commands import printed
from fastapi import FastAPI
from pages import Page
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from geetest_asgi._core.model import FIELD_NAMES
from geetest_asgi.frontend import MODULE, SCRIPT, TYPES, VERSION, form_script, integrity
from geetest_asgi.testing import serve

SOURCES = Path(str(SCRIPT)).parent / "src"
TEXT = "\n".join(path.read_text("utf-8") for path in sorted(SOURCES.glob("*.js")))
PAGE = Page("docs/front-ends.md").text
PLACES: dict[str, ASGIApp] = {
    "/geetest-form.js": form_script,
    "/static/captcha.js": Starlette(routes=[Route("/static/captcha.js", form_script)]),
    "/js/geetest-form.js": FastAPI(routes=[Mount("/js", form_script)]),
}


@pytest.mark.parametrize("path", PLACES)
def test_it_is_served_from_wherever_it_is_put(path: str) -> None:
    with serve(PLACES[path]) as url, httpx.Client(base_url=url, trust_env=False) as browser:
        first = browser.get(path)
        assert (first.status_code, first.content) == (200, SCRIPT.read_bytes())
        assert first.headers["content-type"] == "text/javascript; charset=utf-8"
        assert first.headers["cache-control"] == "public, max-age=3600"
        assert first.headers["x-content-type-options"] == "nosniff"
        assert browser.head(path).headers["content-length"] == str(len(first.content))
        assert browser.post(path).status_code == 405
        etag = first.headers["etag"]
        for given in (etag, f"W/{etag}", f'"another", {etag}'):
            again = browser.get(path, headers={"if-none-match": given})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)


def test_each_file_is_kept_for_a_year_under_its_version() -> None:
    with serve(form_script) as url, httpx.Client(base_url=url, trust_env=False) as browser:
        for file in (SCRIPT, MODULE, TYPES):
            kept, other = (browser.get(f"/geetest/{file.name}", params={"v": each}) for each in (VERSION, "another"))
            assert kept.content == other.content == file.read_bytes()
            assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert other.headers["cache-control"] == "public, max-age=3600"
            again = browser.get(f"/geetest/{file.name}", headers={"if-none-match": kept.headers["etag"]})
            assert again.status_code == 304


def test_the_script_and_its_tags_are_printed() -> None:
    program = [sys.executable, "-m", "geetest_asgi.frontend"]
    assert printed(program) == SCRIPT.read_text()
    tags = printed([*program, "--tags", "/geetest"])
    digest = base64.b64encode(hashlib.sha384(SCRIPT.read_bytes()).digest()).decode()
    assert f'src="/geetest/geetest-form.js?v={VERSION}" integrity="sha384-{digest}"' in tags
    place = f"/geetest/geetest-form.mjs?v={VERSION}"
    import_map = {"imports": {"geetest-form": place}, "integrity": {place: integrity(MODULE)}}
    assert json.loads(re.findall("importmap.>(.*)</script>", tags)[0]) == import_map


def test_it_is_as_small_as_the_page_says() -> None:
    assert "under 6 KB when compressed" in PAGE
    assert max(len(gzip.compress(file.read_bytes())) for file in (SCRIPT, MODULE)) < 6000


def test_the_page_names_the_events_and_the_messages_that_there_are() -> None:
    assert set(re.findall(r"^\| `geetest:(\w+)`", PAGE, re.MULTILINE)) == set(re.findall(r'emit\("(\w+)"', TEXT))
    [english, chinese] = re.findall(r"const (?:ENGLISH|CHINESE) = {(.*?)};", TEXT, re.DOTALL)
    names, translated = (re.findall(r"^ +(\w+):", each, re.MULTILINE) for each in (english, chinese))
    assert names == translated
    assert ", ".join(f"`{name}`" for name in names) in PAGE


def test_the_fields_are_the_guards() -> None:
    [names] = re.findall(r'const FIELDS = "(.*?)"', TEXT)
    assert tuple(names.split()) == FIELD_NAMES
