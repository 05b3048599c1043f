"""docs/stores.md does what it says: each block is run, each default is the code's."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from pages import Page, ask, site

from geetest_asgi.stores import FailSafe, MemoryStore, RedisStore, SQLiteStore
from geetest_asgi.stores.urls import from_url
from geetest_asgi.testing import GeeTestServer

PAGE = Page("docs/stores.md")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_blocks_are_known_here() -> None:
    assert len(PAGE.blocks) == 5


@pytest.mark.parametrize("words", ["SPENT_TOKENS", "size=200_000", "def health"])
def test_the_apps_of_the_page_share_their_tokens(
    words: str, geetest_by_env: GeeTestServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPENT_TOKENS", "sqlite:///spent.db")
    token = geetest_by_env.token()
    one, other = (PAGE.run(words, app=site).copy() for _ in range(2))
    for block, status in ((one, 200), (other, 403)):
        assert ask(block["app"], "POST", "/login", data=token).status_code == status
    assert len(geetest_by_env.calls) == 1
    assert (tmp_path / "spent.db").exists()
    if "health" in one:
        assert one["health"]() == {"spent tokens": "shared", "failures": 0}


def test_the_store_behind_sentinel_can_be_made(geetest_by_env: GeeTestServer) -> None:
    """benchmarks/chaos.py has one that runs."""
    pytest.importorskip("redis")
    made = PAGE.run("Sentinel", app=site)
    assert made["Sentinel"](made["sentinels"]).master_for("site") is not None


@pytest.mark.anyio
async def test_the_store_of_the_page_is_a_store(tmp_path: Path) -> None:
    observed: list[str] = []
    timed = PAGE.run("class Timed")["Timed"]
    store = FailSafe(timed(SQLiteStore("spent.db"), lambda what, seconds: observed.append(what)))
    assert [await store.add("a", "value", 60) for _ in range(2)] == [True, False]
    assert [await store.pop("a"), await store.pop("a"), await store.count("n", 60)] == ["value", None, 1]
    await store.add("b", "", 60)
    await store.delete("b")
    assert observed == ["add", "pop", "pop", "count", "add", "delete"], "what is taken here is not asked about"
    assert store.failures == 0


def test_the_defaults_are_those_of_the_page() -> None:
    def default(kind: type, name: str) -> Any:
        return inspect.signature(kind).parameters[name].default

    memory, file = (re.findall(rf"`size=({each})`", PAGE.text)[0] for each in (r"100_\d+", r"1_0\d\d_\d+"))
    assert (int(memory), int(file)) == (default(MemoryStore, "size"), default(SQLiteStore, "size"))
    assert re.findall(r"`timeout=([\d.]+)` s", PAGE.text) == [
        str(default(SQLiteStore, "timeout")),
        str(default(RedisStore, "timeout")),
    ]
    assert f"`{default(RedisStore, 'prefix')}`" in PAGE.text


def test_the_urls_of_the_page_are_understood(tmp_path: Path) -> None:
    assert isinstance(from_url("sqlite:///spent.db"), SQLiteStore)
    assert (tmp_path / "spent.db").exists()
    assert isinstance(from_url(f"sqlite:///{tmp_path / 'absolute.db'}"), SQLiteStore)
    assert (tmp_path / "absolute.db").exists()
    for library in ("redis", "valkey"):
        pytest.importorskip(library)
        assert isinstance(from_url(f"{library}://host:6379/0"), RedisStore)
        assert isinstance(from_url(f"{library}s://host:6379/0"), RedisStore)
    assert isinstance(from_url("unix:///run/r.sock?db=3"), RedisStore)
