"""Every spelling of a path that a framework routes to a protected handler is guarded, on every server.

Nothing here knows what should be reached. Each spelling is sent to the bare app first; where that reaches the
handler, the guarded app must refuse it without a token, must let it in with one, and must hand on the whole body.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from types import MappingProxyType
from urllib.parse import unquote

import pytest

from . import wire
from .apps import FRAMEWORKS, VARIANTS
from .servers import LITERAL, NORMALISING, SERVERS
from .spellings import names, spellings
from .stage import Pair, Stage
from .wire import Answer

SHORT = 300
"""Bytes of a target. No shorter one of these tests is past the bounds, where a request is refused by no rule."""


def compare(pair: Pair, targets: Iterable[str], headers: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """The targets that reach a handler. Fails where the guard makes no difference, or too much of one."""
    with ThreadPoolExecutor(4) as pool:
        targets = list(dict.fromkeys(targets))
        bare = dict(zip(targets, pool.map(lambda each: pair.ask(False, each, headers=headers), targets), strict=True))
        reached = [target for target in targets if bare[target].handler]
        entered = pair.entered()
        refused = dict(zip(reached, pool.map(lambda each: pair.ask(True, each, headers=headers), reached), strict=True))
        past = [target for target in reached if refused[target].handler]
        assert past == [], f"{len(past)} of {len(reached)} spellings get past the guard"
        asked = [target for target in reached if refused[target].code == "captcha_missing"]
        unasked = [target for target in reached if target not in asked]
        assert {refused[target].code for target in unasked} <= {"captcha_malformed"}
        assert [target for target in unasked if len(target) < SHORT] == []
        assert pair.entered() == entered, "a handler ran although its answer was a denial"
        assert pair.stage.calls == []
        let_in = list(pool.map(lambda target: _let_in(pair, target, bare[target], headers), asked))
        assert [target for target, ok in zip(asked, let_in, strict=True) if not ok] == []
        assert len(pair.stage.calls) == len(asked), "each token is asked about once"
    return reached


def _let_in(pair: Pair, target: str, bare: Answer, headers: Mapping[str, str]) -> bool:
    body = wire.form({"user": "x" * 100, **pair.stage.token()})
    seen = pair.ask(True, target, body, headers=headers).seen
    wanted = {"handler": bare.handler, "outcome": "passed", "size": len(body), "sha256": sha256(body).hexdigest()}
    return wanted.items() <= seen.items()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_path_is_guarded_however_it_is_spelt(framework: str, server: str, stage: Stage) -> None:
    reached = compare(stage.put(framework, server), spellings("/login"))
    assert "/login" in reached


def test_a_placeholder_takes_what_the_framework_takes(pair: Pair) -> None:
    """A value of 2,000 letters, a slash in percent escapes, a newline, nothing at all."""
    targets = [f"/users/{name}/reset" for name in names()]
    reached = compare(pair, [*targets, *spellings("/users/ab/reset")])
    assert "/users/a/reset" in reached
    assert "/users/a%0ab/reset" in reached


@pytest.mark.parametrize("server", [LITERAL, NORMALISING])
@pytest.mark.parametrize("app", VARIANTS)
def test_mounts_and_other_places_of_the_guard(app: str, server: str, stage: Stage) -> None:
    """Litestar does not look for a slash after the mount's path: `/apilogin` is `/login` within the mount `/api`."""
    prefix = VARIANTS[app]
    joined = [f"{prefix}login", f"/{prefix}login", f"{prefix}login/", f"{prefix[1:]}login"]
    reached = compare(stage.put(app, server), [*spellings(f"{prefix}/login"), *joined])
    assert {f"{prefix}/login", "/apilogin" if app == "litestar-mounted" else f"{prefix}/login"} <= set(reached)


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_puts_its_root_path_before_the_path_or_leaves_the_path_alone(server: str, stage: Stage) -> None:
    """Other servers than uvicorn do as granian does: the next tests need these two alone."""
    seen = stage.put("asgi", server, "/api").ask(False, "/login").seen
    assert (seen["path"], seen["root_path"]) == ("/api/login" if "uvicorn" in server else "/login", "/api")


@pytest.mark.parametrize("server", [LITERAL, NORMALISING])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_root_path_of_the_server_opens_no_way_around(framework: str, server: str, stage: Stage) -> None:
    """Some frameworks take it off the path, others do not."""
    targets = [*spellings("/api/login"), *spellings("/login"), "/apilogin", "/zzz/api/login", "/zzz/apilogin"]
    reached = compare(stage.put(framework, server, "/api"), targets)
    assert {"/login", "/api/login", "/api/api/login"} & set(reached) or framework == "falcon"


def under(root: str, target: str) -> list[str]:
    """Targets that a framework may take for `target` under this root path: cut at its exact text, or without a slash
    at its end; before it is decoded or after; at its beginning, or wherever it stands first.
    """
    roots = [root, root.rstrip("/"), root.replace("%", "%25"), f"/y{root}", f"{root}/"]
    return [f"{each}{rest}" for each in roots for rest in (target, target[1:], f"/{target}")] + [target, "/xa/x//login"]


@pytest.mark.parametrize("root_path", ["/x/", "/x%41", "//x"])
def test_a_root_path_that_an_operator_wrote_oddly_opens_no_way_around(root_path: str, stage: Stage) -> None:
    """Put before the path, as uvicorn does; the next test has the other kind."""
    reached = []
    for framework in FRAMEWORKS:
        stage.simulator.calls.clear()
        reached += compare(stage.put(framework, LITERAL, root_path), under(root_path, "/login"))
    assert reached


@pytest.mark.parametrize("root_path", ["/x", "/x/", "/x%41", "/x%2541", "//x", "/", "/%", "/x%2f", "/login", "x", "/X"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_root_path_that_a_client_chose_opens_no_way_around(framework: str, root_path: str, stage: Stage) -> None:
    """Daphne takes it from a header of the request, and decodes it once."""
    decoded = unquote(root_path)
    targets = [*under(root_path, "/login"), *under(decoded, "/login"), "/x%41/login", "/xA/login", "/login"]
    pair = stage.put(framework, "daphne")
    assert compare(pair, targets, {"Daphne-Root-Path": root_path}) or framework == "quart"
