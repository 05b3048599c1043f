"""The id, the key, the servers and the mode: what is taken, from the code or from the environment, and what is not."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from pages import ask, site
from refusals import ID, KEY, app, guard, refusal

from geetest_asgi import ConfigError, GeeTestClient, GeeTestMiddleware, Rule
from geetest_asgi import _config as config
from geetest_asgi._core.protocol import API_SERVERS, SERVICES

pytestmark = pytest.mark.usefixtures("no_settings_in_the_environment")


@pytest.mark.parametrize("build", [functools.partial(GeeTestMiddleware, app), GeeTestClient])
def test_without_id_and_key_no_app_is_built(build: Callable[..., object]) -> None:
    for missing, given in (
        ("captcha_id", {}),
        ("captcha_id", {"captcha_key": KEY}),
        ("captcha_key", {"captcha_id": ID}),
    ):
        told = f"{missing} is missing: pass {missing}=, or set GEETEST_{missing.upper()} in the environment"
        error = refusal(functools.partial(build, **given))
        assert str(error) == f"{told}; in tests, set geetest_env = true in pytest's ini file"


@pytest.fixture
def pair_in_the_environment(no_settings_in_the_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEETEST_CAPTCHA_ID", ID)
    monkeypatch.setenv("GEETEST_CAPTCHA_KEY", KEY)


@pytest.mark.usefixtures("pair_in_the_environment")
def test_both_may_come_from_the_environment() -> None:
    assert config.credentials(None, None) == (ID, (KEY,))
    assert config.credentials("other", None) == ("other", (KEY,))
    assert config.credentials(None, "other") == (ID, ("other",))
    GeeTestMiddleware(app)
    GeeTestClient()


@pytest.mark.usefixtures("pair_in_the_environment")
@pytest.mark.parametrize("value", ["", f"{KEY}\n", '"k,ey"'])
@pytest.mark.parametrize("name", ["captcha_id", "captcha_key"])
def test_no_credential_in_the_environment_stops_the_app(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    refusal(lambda: GeeTestMiddleware(app, **{name: ""}))  # type: ignore[arg-type]  # not filled from the environment
    monkeypatch.setenv(f"GEETEST_{name.upper()}", value)
    with pytest.raises(ConfigError, match=name):
        GeeTestMiddleware(app)


@pytest.mark.parametrize(
    ("named", "mode", "status"),
    [(" off ", "off", 200), (" ", "enforce", 403)],
)
def test_the_mode_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, named: str, mode: str, status: int
) -> None:
    monkeypatch.setenv("GEETEST_MODE", named)
    assert config.mode(None) == (mode, "GEETEST_MODE" if named.strip() else "")
    assert config.mode("monitor") == ("monitor", "")
    assert ask(guard(site, protect="/login"), "POST", "/login").status_code == status
    told = [f"mode={mode!r} (from GEETEST_MODE): nothing is denied by ['/login']"]
    assert [each for each in caplog.messages if each.startswith("mode=")] == (told if status == 200 else [])
    assert ask(guard(site, mode="enforce"), "POST", "/").status_code == 403, "what the code says counts"


def test_an_unknown_mode_in_the_environment_stops_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEETEST_MODE", "on")
    assert "write one of enforce, monitor, off" in str(refusal(lambda: config.mode(None)))


def test_only_where_nothing_is_asked_or_a_rule_has_a_pair_of_its_own_none_is_needed() -> None:
    GeeTestMiddleware(app, protect=[Rule("/login", captcha_id=ID, captcha_key=KEY)])
    GeeTestMiddleware(app, credentials=lambda scope: None)
    GeeTestMiddleware(app, mode="off")
    GeeTestMiddleware(app, protect=[Rule("/login", mode="off")])
    refusal(lambda: GeeTestMiddleware(app, mode="monitor"))
    refusal(lambda: GeeTestMiddleware(app, protect=["/login", Rule("/other", mode="off")]))
    refusal(lambda: GeeTestMiddleware(app, protect=[Rule("/login", mode="enforce")], mode="off"))


SERVERS: list[tuple[Any, tuple[str, ...]]] = [
    (None, API_SERVERS),
    *((f"{url}/", (url,)) for url in ("HTTPS://h:8443/X", "https://[2001:db8::1]:8443", "http://LOCALHOST:8080")),
    ("http://127.8.8.8:1", ("http://127.8.8.8:1",)),
    ([" https://a ", "https://b"], ("https://a", "https://b")),
    (" geelab-eu ", ("https://cap-eu.geelabapi.com",)),
    (["https://proxy.example", "geetest"], ("https://proxy.example", *API_SERVERS)),
]


@pytest.mark.parametrize(("given", "expected"), SERVERS)
def test_servers_that_are_taken(given: Any, expected: tuple[str, ...]) -> None:
    assert config.api_servers(given, allow_http=False) == expected


@pytest.mark.parametrize("name", ["global", "GEETEST", "geelab_eu", "geetest/"])
def test_an_unknown_service_is_told_which_there_are(name: str) -> None:
    text = str(refusal(functools.partial(config.api_servers, name, allow_http=False)))
    assert all(repr(each) in text for each in (name, *SERVICES))


def test_plain_http_elsewhere_needs_a_word() -> None:
    guard(api_server="http://h", allow_http=True)
    GeeTestClient(ID, KEY, api_server="http://h", allow_http=True)
    refusal(lambda: guard(api_server="http://h"))
    refusal(lambda: guard(api_server="ftp://h", allow_http=True))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", API_SERVERS),
        ("https://a, https://b/", ("https://a", "https://b")),
        ("engagelab", ("https://captcha-api.engagelab.com",)),
        *((wrong, None) for wrong in ("h", "https://a,", "https://a https://b")),
    ],
)
def test_servers_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: tuple[str, ...] | None
) -> None:
    monkeypatch.setenv("GEETEST_API_SERVER", value)
    assert config.api_servers("https://own", allow_http=False) == ("https://own",)
    if expected is None:
        assert "api_server=" in str(refusal(guard))
    else:
        assert config.api_servers(None, allow_http=False) == expected
