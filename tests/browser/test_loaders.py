"""The simulator's loader, `pages/loader.js`, which does what GeeTest's does, and genuine ones.

None of GeeTest's is kept here: GEETEST_GT4_JS names files of it, with colons between.
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from geetest_asgi.testing import Simulator, serve

from .form_stage import PAGES
from .stage import Stage

GENUINE = [Path(path) for path in os.environ.get("GEETEST_GT4_JS", "").split(":") if path]
OWN = Path("gt4.js")
"""The simulator's."""
LOADERS = [PAGES / "loader.js", *GENUINE]
loaders_alone = pytest.mark.parametrize("servers", LOADERS, ids=lambda path: path.name, indirect=True)
"""What the simulator's script, which is the widget too, has no part in."""


@pytest.fixture(params=[OWN, *LOADERS], ids=lambda path: path.name)
def servers(request: pytest.FixtureRequest, stage: Stage) -> dict[str, Any]:
    """A page with this loader is open; these are what a page has to pass so that it finds the simulator."""
    if request.param is OWN:
        script = httpx.get(f"{stage.geetest}/v4/gt4.js", trust_env=False).text
    else:
        script = request.param.read_text("utf-8")
    stage.page.route("**/gt4.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    stage.go("loader.html")
    host = stage.geetest.removeprefix("http://")
    return {"apiServers": [host], "staticServers": [host], "protocol": "http://"}


@pytest.mark.parametrize("product", ["float", "popup", "bind"])
def test_every_product(stage: Stage, servers: dict[str, Any], product: str) -> None:
    stage.start(product=product, **servers)
    assert stage.happened(1) == ["ready"]
    stage.ask("void captcha.showBox()")
    stage.succeed(4)
    assert stage.ask("captcha.getValidate().captcha_id") == "sim-site"


def test_a_captcha_that_is_made_later_shares_nothing_with_the_first(stage: Stage, servers: dict[str, Any]) -> None:
    """From 4.1.8 on a loader brings the widget's script again for it, which then runs a second time."""
    stage.start(product="float", **servers)
    assert stage.happened(1) == ["ready"]
    stage.start(".by-class", product="float", **servers)
    assert stage.happened(2) == ["ready", "ready"]
    stage.button.last.click()
    stage.succeed(5)
    assert stage.page.locator(".geetest_captcha[data-state=solved]").count() == 1


def test_a_second_token(stage: Stage, servers: dict[str, Any]) -> None:
    """The widget asks by itself for the next captcha, of the servers that the loader left to it."""
    stage.start(product="bind", **servers)
    lots = []
    for _ in range(2):
        stage.ask("void captcha.reset().showCaptcha()")
        stage.solve()
        stage.page.wait_for_function("captcha.getValidate()")
        lots.append(stage.ask("captcha.getValidate().lot_number"))
    assert len(set(lots)) == 2


def test_the_options_of_the_page_arrive(stage: Stage, servers: dict[str, Any]) -> None:
    with stage.page.expect_request("**/load?*") as asked:
        stage.start(language="zho", riskType="match", **servers)
    query = dict(parse_qsl(urlsplit(asked.value.url).query))
    assert (query["captcha_id"], query["risk_type"]) == ("sim-site", "match")
    assert re.fullmatch(r"geetest_\d+(_\d+)?", query["callback"])
    assert re.fullmatch("[0-9a-f]+(-[0-9a-f]+){3,4}", query["challenge"])
    assert stage.button.inner_text().startswith("点击进行验证")


@loaders_alone
def test_without_static_servers_those_of_the_answer_are_asked(stage: Stage, servers: dict[str, Any]) -> None:
    del servers["staticServers"]
    stage.start(**servers)
    assert stage.happened(1) == ["ready"]


def test_an_outage_of_the_api_leads_to_the_offline_mode(stage: Stage, servers: dict[str, Any]) -> None:
    stage.simulator.offline()
    stage.start(**servers)
    assert stage.ask("captcha.isOffline()") is True
    stage.button.click()
    assert stage.happened(2) == ["ready", "success"]
    token = {**stage.simulator.token(offline=True), "captcha_id": "sim-site", "isOffline": True}
    assert stage.ask("captcha.getValidate()") == token


def test_a_bad_id_is_told_to_on_error(stage: Stage, servers: dict[str, Any]) -> None:
    stage.start(captchaId="sim-unknown", **servers)
    [(name, error)] = stage.details(1)
    assert (name, error["code"], error["msg"]) == ("onError", "-50102", "illegal captcha_id")


def test_the_page_may_have_its_own_way_to_be_offline(stage: Stage, servers: dict[str, Any]) -> None:
    stage.simulator.offline()
    stage.start(offlineCb=True, **servers)
    assert stage.happened(1) == ["offlineCb"]
    assert stage.ask("captcha") is None


@pytest.mark.parametrize("which", ["apiServers", "staticServers"])
def test_a_server_that_has_nothing_is_passed_over(stage: Stage, servers: dict[str, Any], which: str) -> None:
    servers[which] = [stage.site.removeprefix("http://"), *servers[which]]
    stage.start(**servers)
    assert stage.happened(1) == ["ready"]
    assert stage.ask("captcha.isOffline()") is False


@loaders_alone
def test_scripts_that_cannot_be_had_are_told_to_on_error(stage: Stage, servers: dict[str, Any]) -> None:
    servers["staticServers"] = [stage.site.removeprefix("http://")]
    stage.start(**servers)
    errors = {error["code"]: error["desc"]["detail"] for _, error in stage.details(2)}
    assert errors == {"60204": "js resource load timeout", "60205": "gct resource load timeout"}
    assert stage.ask("captcha") is None


@pytest.mark.usefixtures("servers")
def test_a_simulator_below_another_app(stage: Stage) -> None:
    """Without a protocol it is the page's, without static servers those of the answer."""
    with serve(Starlette(routes=[Mount("/geetest", Simulator())])) as url:
        stage.start(product="bind", apiServers=[f"{url}/geetest"])
        stage.ask("void captcha.showBox()")
        stage.succeed(4)
