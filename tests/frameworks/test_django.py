"""Django: settings, `asgi.py`, system checks, and the error where requests come past the guard."""

import gc
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from anyio import to_thread

pytest.importorskip("django", reason="django is not installed: pip install 'geetest-asgi[conformance]'")

import django
from asgiref import wsgi
from asgiref.sync import async_to_sync
from django.conf import settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib.staticfiles import finders
from django.core.asgi import get_asgi_application
from django.core.checks import Error, Tags, run_checks
from django.core.signals import request_started
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path, re_path
from django.utils.translation import gettext_lazy

from geetest_asgi import ConfigError, GeeTestResult, Rule, geetest_result
from geetest_asgi.clearance import Clearance
from geetest_asgi.frontend import SCRIPT
from geetest_asgi.testing import GeeTest, serve

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"], INSTALLED_APPS=["geetest_asgi.django"], ROOT_URLCONF=__name__, SECRET_KEY="of no use here"
    )
    django.setup()

from geetest_asgi.django import protect
from geetest_asgi.django.apps import notice_unguarded
from geetest_asgi.django.test import AsyncClient as GuardedClient
from geetest_asgi.django.test import Client as GuardedSyncClient


def sync_login(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"user": request.POST["username"], "verified": geetest_result(request).verified})


async def login(request: HttpRequest) -> JsonResponse:
    return sync_login(request)


def open_(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"in": True})


urlpatterns = [
    path("login", login),
    path("sync/login/", sync_login),
    path("open", open_),
    path("users/<int:id>/reset/", open_),
    path("files/<path:rest>", open_),
    path("api/", include([path("", open_), path("orders/<slug:name>", open_), re_path(r"^old/(\d+)$", open_)])),
]

PAIR = {"captcha_id": "an-id", "captcha_key": "a-key"}


@pytest.fixture
def anyio_backend() -> str:
    """Django runs on asyncio alone."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _unnoticed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No id and key but the test's own, and nothing noticed yet."""
    for name in ("GEETEST_CAPTCHA_ID", "GEETEST_CAPTCHA_KEY"):
        monkeypatch.delenv(name, raising=False)
    request_started.connect(notice_unguarded)
    yield
    request_started.connect(notice_unguarded)


def guarded(**given: Any) -> Any:
    with override_settings(GEETEST={"protect": ["POST /login", "POST /sync/login/"], **PAIR, **given}):
        return protect(get_asgi_application())


@pytest.mark.parametrize("path", ["/login", "/sync/login/"])
def test_a_view_is_guarded_and_reads_the_decision(path: str, geetest: GeeTest) -> None:
    with serve(guarded()) as url:
        body = {"username": "ada"}
        denied = httpx.post(url + path, data=body)
        assert (denied.status_code, denied.json()["code"]) == (403, "captcha_missing")
        assert httpx.post(url + path, data=body | geetest.token()).json() == {"user": "ada", "verified": True}
        assert httpx.post(f"{url}/open").json() == {"in": True}
        geetest.down()
        assert httpx.post(url + path, data=body | geetest.token()).json() == {"user": "ada", "verified": False}


def let_in(result: GeeTestResult, scope: Any) -> bool:
    return bool(result.captcha_args["used_type"] == "slide")


def test_a_function_may_be_a_dotted_path(geetest: GeeTest) -> None:
    dotted: Any = f"{__name__}.let_in"
    assert [policy.accept for _, policy in guarded(accept=dotted).table.rules] == [let_in] * 2
    rules = [Rule("/a", accept=dotted), "/b"]
    assert [policy.accept for _, policy in guarded(protect=rules).table.rules] == [let_in, None]


@pytest.mark.parametrize("prefix", ["/shop", "/shop/"])
@pytest.mark.anyio
async def test_a_script_name_that_only_django_knows_opens_nothing(prefix: str, geetest: GeeTest) -> None:
    with override_settings(FORCE_SCRIPT_NAME=prefix):
        transport = httpx.ASGITransport(guarded(root_paths="/old"))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            served = "/shop//open" if prefix.endswith("/") else "/shop/open"
            assert (await client.post(served)).json() == {"in": True}
            for path in ("/login", "/shop/login", "/shop//login", "/old/login"):
                assert (await client.post(f"http://shop{path}", data={"username": "ada"})).status_code == 403, path


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "say in the settings what to protect"),
        ({"protects": [], **PAIR, "protect": ["/a"]}, "no setting 'protects'; there are protect, exempt"),
        (dict[Any, Any](PAIR | {"protect": ["/a"]}) | {7: None}, "no setting 7"),
        ({**PAIR, "protect": ["/a"], "accept": "shop.nothing"}, r"GEETEST\['accept'\]: No module named 'shop'"),
        ({**PAIR, "protect": [Rule("/a", skip="nope.f")]}, r"GEETEST\['skip'\]: No module named 'nope'"),  # type: ignore
        ({"captcha_id": "an-id", "protect": ["/a"]}, "captcha_key is missing"),
    ],
)
def test_a_wrong_setting_is_told_by_asgi_py_and_by_the_check(given: Any, said: str) -> None:
    with override_settings(GEETEST=given):
        with pytest.raises(ConfigError, match=said) as raised:
            protect(get_asgi_application())
        (error,) = found()
    assert isinstance(error, Error)
    assert (error.id, error.msg) == ("geetest.E001", str(raised.value))
    assert PAIR["captcha_key"] not in error.msg


def found() -> list[Any]:
    return [each for each in run_checks(tags=[Tags.security]) if str(each.id).startswith("geetest.")]


def told(**given: Any) -> list[tuple[str, str]]:
    with override_settings(GEETEST=given):
        return [(each.id, each.msg) for each in found()]


def test_without_an_id_and_key_commands_run_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {"captcha_id": "", "captcha_key": ""}  # os.environ.get("…", ""), as settings have it
    assert [id for id, _ in told(protect=["POST /login"], **empty)] == ["geetest.W001"]
    assert [id for id, _ in told(protect=["POST /lgoin"])] == ["geetest.W001", "geetest.W002"]
    assert [id for id, _ in told(protect=["POST /login"], timeout=-1)] == ["geetest.E001"]
    assert [id for id, _ in told(protect=["POST /login"], captcha_id="an-id")] == ["geetest.E001"]
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", "an-id")
    assert [id for id, _ in told(protect=["POST /login"])] == ["geetest.E001"], "half a pair is a mistake"


PATHS = "/LOGIN/ /users/{id}/reset /users/7/reset/ /users/** /** /files/a/b /api /api/orders/x /api/**"
MATCHED = [*PATHS.split(), "/api/old/7", "/open", "POST /login", "WEBSOCKET /ws", re.compile("/(a|b)/[0-9a-f]+")]
UNMATCHED = ["POST /lgoin", "/login/x", "/users/7/8/reset", "/users/reset", "/file/a", "/ap/orders/x", "/apis/**"]


@pytest.mark.parametrize("pattern", [*MATCHED, *UNMATCHED], ids=str)
def test_a_pattern_that_no_url_can_match_is_a_warning(pattern: Any) -> None:
    found = [(id, repr(pattern) in message) for id, message in told(**PAIR, protect=["/login", pattern])]
    assert found == ([("geetest.W002", True)] if pattern in UNMATCHED else [])


@pytest.mark.parametrize("pattern", ["/login", "/shop/login", "/old/users/7/reset"])
def test_a_prefix_may_be_written_and_need_not(pattern: str) -> None:
    with override_settings(FORCE_SCRIPT_NAME="/shop"):
        assert told(**PAIR, protect=[pattern], root_paths=["/old"]) == []
        assert [id for id, _ in told(**PAIR, protect=[f"/other{pattern}"])] == ["geetest.W002"]


@pytest.mark.parametrize(
    "unclear",
    [
        path(gettext_lazy("language/"), include([path("change", open_)])),
        re_path(r"^ba?/y$", open_),
        *i18n_patterns(path("y", open_)),
        re_path(r"^(b|c)/", include([path("y", open_)])),
    ],
    ids=str,
)
def test_what_a_url_pattern_may_mean_is_not_doubted(unclear: Any) -> None:
    with override_settings(ROOT_URLCONF=(unclear,)):
        assert told(**PAIR, protect=["/b/y"]) == []


def test_the_check_makes_no_file_that_the_server_could_not_write(tmp_path: Path) -> None:
    assert told(**PAIR, protect=["/login"], store=f"sqlite:///{tmp_path}/spent.db") == []
    assert list(tmp_path.iterdir()) == []


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(each)["geetest_interface"] for each in caplog.records if each.levelno == logging.ERROR]


@pytest.mark.parametrize("interface", ["ASGI", "WSGI"])
def test_a_site_without_the_guard_says_so_once(
    interface: str, geetest: GeeTest, caplog: pytest.LogCaptureFixture
) -> None:
    gc.collect()  # a guard of an earlier test may not have been collected yet, and would count as this site's
    adapter: Any = wsgi.WsgiToAsgi
    app = get_asgi_application() if interface == "ASGI" else adapter(get_wsgi_application())
    with caplog.at_level(logging.ERROR, "geetest_asgi"), serve(app) as url:
        assert [httpx.post(f"{url}/open").status_code for _ in range(2)] == [200, 200]
    assert errors(caplog) == [interface]


def test_a_guarded_site_has_nothing_to_say(geetest: GeeTest, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "geetest_asgi"), serve(guarded()) as url:
        assert httpx.post(f"{url}/open").status_code == 200
    assert errors(caplog) == []


def test_djangos_own_test_clients_are_let_be(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "geetest_asgi"):
        assert Client().post("/open").json() == {"in": True}
    assert errors(caplog) == []


@pytest.mark.anyio
async def test_a_view_that_asks_is_not_open_where_there_is_no_guard() -> None:
    with pytest.raises(LookupError, match="came by WSGI"):
        await to_thread.run_sync(Client().post, "/sync/login/", {"username": "ada"})
    with pytest.raises(LookupError, match="is not protected by GeeTest"):
        await AsyncClient().post("/login", {"username": "ada"})


@pytest.fixture
def _site() -> Iterator[None]:
    protected = ["POST /login", "POST /sync/login/", Rule("/open", sources=["query"])]
    site = (*urlpatterns, path("broken", broken))
    with override_settings(GEETEST={"protect": protected, "clearance": Clearance("x" * 32)}, ROOT_URLCONF=site):
        yield


@pytest.fixture(params=[GuardedClient, GuardedSyncClient], ids=["asynchronous", "synchronous"])
def client(_site: None, request: pytest.FixtureRequest) -> Any:
    made = request.param()
    if isinstance(made, GuardedClient):
        made.post = async_to_sync(made.post)
    return made


@pytest.mark.parametrize("path", ["/login", "/sync/login/"])
def test_the_client_goes_through_the_guard(path: str, client: Any, geetest: GeeTest) -> None:
    denied = client.post(path, {"username": "ada"})
    assert (denied.status_code, denied.json()["code"]) == (403, "captcha_missing")
    assert denied.headers["content-type"] == "application/problem+json"
    passed = client.post(path, {"username": "ada"} | geetest.token())
    assert passed.json() == {"user": "ada", "verified": True}
    assert (passed.resolver_match.route, denied.resolver_match.route) == (path[1:], path[1:])
    assert passed.client is client
    geetest.expect("success")


def test_the_client_sends_queries_and_keeps_cookies(client: Any, geetest: GeeTest) -> None:
    assert client.post("/open").status_code == 403
    assert client.post(f"/open?{urlencode(geetest.token())}").json() == {"in": True}
    assert client.post("/open").json() == {"in": True}, "the cookie of the clearance"


def broken(request: HttpRequest) -> JsonResponse:
    raise ZeroDivisionError


def test_what_a_view_raises_gets_to_the_test(client: Any, geetest: GeeTest) -> None:
    with pytest.raises(ZeroDivisionError):
        client.post("/broken")


def where(request: HttpRequest) -> JsonResponse:
    scope: Any = getattr(request, "scope", None)
    told = {name: scope[name] for name in ("scheme", "path", "client")}
    told["host"] = dict(scope["headers"])[b"host"].decode()
    return JsonResponse(told | {"query": scope["query_string"].decode(), "body": request.body.decode()})


@pytest.mark.usefixtures("_site", "geetest")
def test_what_the_guard_sees_is_what_the_test_sends() -> None:
    client = GuardedSyncClient(REMOTE_ADDR="203.0.113.9")
    with override_settings(ROOT_URLCONF=(path("wh\u00e9re/", where),)):
        told = client.put("/wh\u00e9re/?a=%C3%BC&b", "text", secure=True, content_type="text/x").json()
    sent = {"scheme": "https", "host": "testserver", "path": "/wh\u00e9re/", "query": "a=%C3%BC&b", "body": "text"}
    assert told == sent | {"client": ["203.0.113.9", 0]}


def test_the_script_for_forms_is_a_static_file() -> None:
    found = Path(finders.find("geetest/geetest-form.js"))
    assert found.read_bytes() == SCRIPT.read_bytes()


def test_a_wrong_setting_is_told_at_the_first_request() -> None:
    with override_settings(GEETEST={"protect": ["POST login"], **PAIR}), pytest.raises(ConfigError):
        GuardedSyncClient().get("/open")
