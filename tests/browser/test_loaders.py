"""GeeTest's own loaders run against the simulator, unmodified.

They are GeeTest's, so none is kept here: give the path of a genuine gt4.js (or several, with colons between) in
GEETEST_GT4_JS. `pages/loader.js` does what they do, by other words, and is always tried.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from .stage import PAGES, Stage

GENUINE = [Path(path) for path in os.environ.get("GEETEST_GT4_JS", "").split(":") if path]
LOADERS = [PAGES / "loader.js", *GENUINE]


def open_with(stage: Stage, loader: Path) -> dict[str, Any]:
    """The page with this loader; what a page has to pass so that it finds the simulator."""
    script = loader.read_text("utf-8")
    stage.page.route("**/gt4.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    stage.go("loader.html")
    host = stage.geetest.removeprefix("http://")
    return {"apiServers": [host], "staticServers": [host], "protocol": "http://"}


@pytest.fixture(params=LOADERS, ids=lambda path: path.name)
def loader(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_is_a_genuine_loader() -> None:
    if not GENUINE:
        pytest.skip("needs a genuine gt4.js: its path in GEETEST_GT4_JS")


@pytest.mark.parametrize("product", ["float", "popup", "bind"])
def test_every_product(stage: Stage, loader: Path, product: str) -> None:
    servers = open_with(stage, loader)
    stage.start(product=product, **servers)
    assert stage.happened(1) == ["ready"]
    stage.ask("void captcha.showBox()")
    stage.solve()
    assert stage.happened(4)[-1] == "success"
    token = stage.ask("captcha.getValidate()")
    assert token["captcha_id"] == "sim-site"
    assert token["lot_number"] == stage.ask("captcha.getValidate().lot_number")


def test_two_captchas_on_a_page(stage: Stage, loader: Path) -> None:
    servers = open_with(stage, loader)
    stage.start(**servers)
    stage.start(".by-class", **servers)
    assert stage.happened(2) == ["ready", "ready"]
    assert stage.button.count() == 2


def test_without_static_servers_those_of_the_answer_are_asked(stage: Stage, loader: Path) -> None:
    servers = open_with(stage, loader)
    del servers["staticServers"]
    stage.start(**servers)
    assert stage.happened(1) == ["ready"]


def test_an_outage_of_the_api_leads_to_the_offline_mode(stage: Stage, loader: Path) -> None:
    servers = open_with(stage, loader)
    stage.simulator.offline()
    stage.start(**servers)
    assert stage.ask("captcha.isOffline()") is True
    stage.button.click()
    assert stage.happened(2) == ["ready", "success"]
    assert stage.ask("captcha.getValidate().pass_token").startswith("2cc051e0")


def test_a_bad_id_is_told_to_on_error(stage: Stage, loader: Path) -> None:
    servers = open_with(stage, loader)
    stage.start(captchaId="sim-unknown", **servers)
    [(name, error)] = stage.details(1)
    assert (name, error["code"], error["msg"]) == ("onError", "-50102", "illegal captcha_id")
