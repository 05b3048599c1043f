"""FastAPI: what only FastAPI has. What marks do in each framework is in test_marks."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi_shop import marked, plain
from starlette.testclient import TestClient

from geetest_asgi import ConfigError, GeeTestResult, Rule
from geetest_asgi.fastapi import Captcha, CaptchaResult, add_geetest, captcha
from geetest_asgi.testing import GeeTest


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_marks_that_come_after_the_guard_count_and_its_settings_are_theirs(geetest: GeeTest) -> None:
    app = FastAPI(root_path="/api")
    add_geetest(app, on_unavailable="deny", protect=Rule("/old/**", on_unavailable="allow"))

    @app.post("/late")
    async def late(captcha: CaptchaResult) -> bool:
        return captcha.verified

    @app.post("/old/way")
    async def way() -> str:
        return "in"

    client = TestClient(app)
    geetest.down()
    assert client.post("/late", json=geetest.token()).status_code == 503
    assert client.post("/api/late", json=geetest.token()).status_code == 503
    assert client.post("/old/way", json=geetest.token()).json() == "in"


@pytest.mark.parametrize("path", ["/users(id)", "/report.{rest:path}", "/a/{b}-{c}"])
def test_whatever_path_a_route_has_it_is_guarded(path: str, geetest: GeeTest) -> None:
    app = plain()

    @app.post(path)
    async def reached(captcha: CaptchaResult) -> str:
        return captcha.rule

    app.put(path)(lambda: "not marked")
    client, sent = TestClient(app), path.replace("{rest:path}", "a/b")
    assert client.post(sent).json()["code"] == "captcha_missing"
    assert client.post(sent, json=geetest.token()).json() == f"POST {path}"
    assert client.put(sent).is_success
    assert client.post("/users7").status_code == 404


@pytest.mark.parametrize("layers", [("include",), ("app", "router")], ids=" ".join)
def test_marks_on_several_layers_are_one(layers: Sequence[str], geetest: GeeTest) -> None:
    marks = {layer: [Depends(captcha)] for layer in layers}
    app = FastAPI(dependencies=marks.get("app"))
    outer = APIRouter(prefix="/outer")
    inner = APIRouter(prefix="/inner", dependencies=marks.get("router"))

    @inner.post("/login")
    async def login() -> str:
        return "in"

    outer.include_router(inner, dependencies=marks.get("include"))
    app.include_router(outer)
    add_geetest(app)
    client = TestClient(app)
    assert client.post("/outer/inner/login").status_code == 403
    assert client.post("/outer/inner/login", json=geetest.token()).json() == "in"
    assert len(geetest.calls) == 1


def two_strictnesses() -> FastAPI:
    """`allow` at a placeholder, `deny` beside it, in one app and in one that is mounted."""
    app, inner = FastAPI(), FastAPI()
    for each, first in ((app, "/users/demo"), (inner, "/{any}/x")):
        each.post(first, dependencies=[Depends(Captcha(on_unavailable="allow"))])(lambda: "lax")
        each.post("/users/{name}", dependencies=[Depends(Captcha(on_unavailable="deny"))])(lambda: "strict")
    app.mount("/inner", inner)
    add_geetest(app)
    return app


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/users/demo", 200),
        ("/users/DEMO", 503),
        ("/users/ada", 503),
        ("/inner/users/x", 200),
        ("/inner/users/ada", 503),
        ("/users/" + "a" * 2048, 403),
    ],
)
def test_the_route_that_fastapi_picks_decides(path: str, status: int, geetest: GeeTest) -> None:
    client = TestClient(two_strictnesses())
    geetest.down()
    assert client.post(path, json=geetest.token()).status_code == status


def _bare(captcha: GeeTestResult) -> bool:
    return captcha.verified


def _without_depends(captcha: Annotated[Any, captcha]) -> bool:
    return bool(captcha)


def _its_class(captcha: GeeTestResult = Depends()) -> bool:  # noqa: B008 - FastAPI's way
    return captcha.verified


def _as_a_default(captcha: Any = captcha) -> bool:
    return bool(captcha)


def _with(app: FastAPI, handler: Any, method: str = "POST", **options: Any) -> FastAPI:
    app.api_route("/other", methods=[method], **options)(handler)
    return app


MISTAKES: dict[str, tuple[Callable[[], FastAPI], str]] = {
    "no mark": (marked, "no route is marked"),
    "two marks": (
        lambda: marked(captcha, Captcha(on_unavailable="deny")),
        "/login: has 2 different marks.*leave one",
    ),
    "the class in place of a mark": (lambda: marked(Captcha), r"write Depends\(Captcha\(\)\)"),
    # FastAPI would read such parameters from the body: {"outcome": "passed", "allowed": true, "verified": true}.
    "the decision by itself": (lambda: _with(plain(), _bare), "no client may send one"),
    "a mark without Depends": (lambda: _with(plain(), _without_depends), "is no dependency"),
    "the class of the decision": (lambda: _with(marked(captcha), _its_class), "write captcha: CaptchaResult"),
    "a mark as a default": (lambda: _with(marked(captcha), _as_a_default), "write captcha: CaptchaResult"),
    "a mark that guards nothing": (
        lambda: _with(plain(), lambda: "page", "GET", dependencies=[Depends(captcha)]),
        r"no guarded method in GET /other; write Captcha\(methods=",
    ),
}


@pytest.mark.parametrize(("make", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_at_the_start(make: Callable[[], FastAPI], says: str, geetest: GeeTest) -> None:
    with pytest.raises(ConfigError, match=says), TestClient(make()):
        pass


def test_a_path_that_is_rewritten_behind_the_guard_reaches_no_marked_route(geetest: GeeTest) -> None:
    class Rewrite:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "path": "/users/ada"}, receive, send)

    app = FastAPI()
    app.add_middleware(Rewrite)
    app.post("/users/demo", dependencies=[Depends(Captcha(mode="monitor"))])(lambda: "lax")
    app.post("/users/{name}", dependencies=[Depends(captcha)])(lambda: "strict")
    add_geetest(app)
    with pytest.raises(LookupError, match="decided about this request"):
        TestClient(app).post("/users/demo")


def test_a_redirect_to_the_path_with_a_slash_spends_no_token(geetest: GeeTest) -> None:
    assert TestClient(marked(captcha)).post("/login/", json=geetest.token()).json() == "in"
    assert len(geetest.calls) == 1
