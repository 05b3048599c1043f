"""docs/: how a request travels, patterns, production, migrating: they do what they say. Every page has its place."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from geetest_asgi import GeeTestMiddleware
from geetest_asgi.testing import GeeTest, Simulator, serve

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)


def run(name: str, number: int = 0, **given: Any) -> dict[str, Any]:
    """Run one block of Python of a page; the value is what it has defined."""
    namespace = {"__name__": "__docs__", **given}
    exec(compile(blocks(name)[number], f"docs/{name}.md, block {number}", "exec", dont_inherit=True), namespace)
    return namespace


def rows(name: str, *head: str) -> list[list[str]]:
    """The rows of the tables whose head begins with these cells."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", page(name), re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
        if lines[0][: len(head)] == list(head):
            found += lines[2:]
    assert found, head
    return found


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


@pytest.fixture
def geetest(monkeypatch: pytest.MonkeyPatch) -> Iterator[GeeTest]:
    with GeeTest() as stand_in:
        monkeypatch.setenv("GEETEST_CAPTCHA_ID", stand_in.captcha_id)
        monkeypatch.setenv("GEETEST_CAPTCHA_KEY", stand_in.captcha_key)
        yield stand_in


def ask(app: ASGIApp, method: str, path: str, **body: Any) -> httpx.Response:
    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **body)

    return anyio.run(sent)


# The index


def test_the_first_lines_protect_an_app(geetest: GeeTest) -> None:
    app = run("index")["app"]
    app.post("/login")(lambda: "in")
    assert ask(app, "POST", "/login").status_code == 403
    assert ask(app, "POST", "/login", data=geetest.token()).json() == "in"


def test_the_name_that_is_installed_is_the_name_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"\npip install {project['name']}\n" in page("index")


@pytest.mark.parametrize(
    ("name", "number"),
    [("index", 1), ("how-a-request-travels", 1), ("patterns", 2), ("production", 1), ("migrating", 2)],
)
def test_no_block_of_these_pages_is_without_a_test(name: str, number: int) -> None:
    assert len(blocks(name)) == number


# How a request travels


def test_the_walk_that_is_shown_goes_as_it_says() -> None:
    run("how-a-request-travels")


def test_the_picture_says_the_same_steps_as_the_table() -> None:
    picture = (DOCS / "how-a-request-travels.svg").read_text(encoding="utf-8")
    steps = [row[0] for row in rows("how-a-request-travels", "step")]
    assert re.findall(r'class="b"[^>]*>(\d)  ', picture) == steps


# Patterns


def is_protected(guard: GeeTestMiddleware, request: str) -> bool:
    """By the guard's own answer: no token, so 403 or the app."""
    method, _, path = request.partition(" ")
    answers: list[Any] = []

    async def walk() -> None:
        scope = {"type": "http", "method": method, "headers": [], "query_string": b"", "http_version": "1.1"}
        if method == "WEBSOCKET":
            scope |= {"type": "websocket"}
        raw = path.encode()
        scope |= {"path": httpx.URL("http://test").copy_with(raw_path=raw).path, "raw_path": raw}

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect" if method == "WEBSOCKET" else "http.request"}

        async def send(message: Any) -> None:
            answers.append(message)

        await guard(scope, receive, send)

    anyio.run(walk)
    return bool(answers[0].get("status") != 200)


def patterns() -> Iterator[tuple[list[str], list[str], str, bool]]:
    for pattern, inside, *outside in rows("patterns", "written"):
        yield from (([codes(pattern)[0]], [], each, True) for each in codes(inside))
        yield from (([codes(pattern)[0]], [], each, False) for cell in outside for each in codes(cell))
    for pattern, exempt, inside, out in rows("patterns", "`protect`", "`exempt`"):
        yield from ((codes(pattern), codes(exempt), each, True) for each in codes(inside))
        yield from ((codes(pattern), codes(exempt), each, False) for each in codes(out))


@pytest.mark.parametrize(("protect", "exempt", "request_", "protected"), list(patterns()), ids=str)
def test_each_request_of_the_tables_is_protected_or_not(
    geetest: GeeTest, protect: list[str], exempt: list[str], request_: str, protected: bool
) -> None:
    guard = GeeTestMiddleware(site, protect=protect, exempt=exempt)
    assert is_protected(guard, request_) is protected


def test_the_first_example_of_patterns_protects_what_it_names(geetest: GeeTest) -> None:
    guard = run("patterns", 0, app=site)["app"]
    for request in ("POST /login", "POST /users/7/reset", "POST /api/a", "POST /v1/export"):
        assert is_protected(guard, request), request
    for request in ("POST /api/webhook", "POST /v3/export", "GET /login"):
        assert not is_protected(guard, request), request


def test_a_guard_on_one_route_protects_that_route(geetest: GeeTest) -> None:
    app = run("patterns", 1)["app"]
    assert ask(app, "POST", "/login").status_code == 403
    assert ask(app, "POST", "/login", data=geetest.token()).text == "welcome"
    assert ask(app, "POST", "/help").text == "welcome"


def test_a_path_that_is_too_long_is_protected_by_the_first_rule_for_its_method(geetest: GeeTest) -> None:
    guard = GeeTestMiddleware(site, protect=["PUT /a", "POST /b"])
    assert "more than 2,048 characters or 100 segments" in page("patterns")
    assert is_protected(guard, f"POST /{'x' * 2048}")
    assert is_protected(guard, f"POST {'/x' * 101}")
    assert not is_protected(guard, f"POST {'/x' * 100}")


# Production


def test_the_settings_of_the_checklist_work(geetest: GeeTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where spent.db goes
    app = run("production")["app"]
    app.post("/login")(lambda: "in")
    app.post("/register")(lambda: "in")
    denied = ask(app, "POST", "/login", headers={"origin": "https://shop.example"})
    assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (403, "https://shop.example")
    assert ask(app, "POST", "/login", data=geetest.token()).json() == "in"
    geetest.down()
    assert ask(app, "POST", "/login", data=geetest.token()).json() == "in"
    assert ask(app, "POST", "/register", data=geetest.token()).status_code == 503


def test_the_checklist_decides_on_settings_that_there_are() -> None:
    named = {code for row in rows("production", "question") for code in codes(row[1])} - {"Rule"}
    assert named <= GeeTestMiddleware.__init__.__annotations__.keys()


def test_the_check_of_the_checklist_passes_on_its_own_example(tmp_path: Path, geetest: GeeTest) -> None:
    routes = "@app.post('/login')\n@app.post('/register')\ndef handler() -> None: ...\n"
    (tmp_path / "shop.py").write_text(blocks("production")[0] + routes)
    (command,) = re.findall(r"`geetest-asgi (check --app shop:app)`", page("production"))[:1]
    assert "`--strict --offline`" in page("production")
    words = [sys.executable, "-m", "geetest_asgi", *command.split(), "--strict", "--offline"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "All is well."), ran.stdout + ran.stderr


# Migrating


class Sides:
    """The left and the right of the page, both asking one simulator on a socket."""

    def __init__(self, simulator: Simulator, url: str) -> None:
        self.geetest = simulator
        self._left = run("migrating", 0)
        self._left["API_SERVER"] = url
        self._right = run("migrating", 1)["app"]

    def left(self, fields: dict[str, str]) -> str:
        return str(ask(self._left["app"], "GET", "/login", params=fields).json()["login"])

    def right(self, fields: dict[str, str]) -> str:
        answer = ask(self._right, "GET", "/login", params=fields)
        assert answer.status_code == 200
        return str(answer.json()["login"])


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    simulator = Simulator()
    with serve(simulator) as url:
        monkeypatch.setenv("GEETEST_API_SERVER", url)
        monkeypatch.setenv("GEETEST_CAPTCHA_ID", simulator.captcha_id)
        monkeypatch.setenv("GEETEST_CAPTCHA_KEY", simulator.captcha_key)
        yield Sides(simulator, url)


def test_what_changes_is_what_the_page_says(sides: Sides) -> None:
    geetest, table = sides.geetest, iter(rows("migrating", "a request, or an event"))

    def says(about: str, left: str, right: str) -> None:
        row = next(table)
        assert about in row[0]
        assert ([codes(row[1])[:1], codes(row[2])[:1]]) == [[left], [right]]

    says("verifies", sides.left(geetest.token()), sides.right(geetest.token()))
    says("does not", sides.left(geetest.token(forged=True)), sides.right(geetest.token(forged=True)))
    for about, fields in (("no token", {}), ("gen_time=abc", geetest.token() | {"gen_time": "abc"})):
        geetest.calls.clear()
        left = sides.left(fields)
        assert len(geetest.calls) == 1
        says(about, left, sides.right(fields))
        assert len(geetest.calls) == 1
    token = geetest.token()
    assert sides.right(token) == "success"
    geetest.calls.clear()
    sides.left(token)
    assert len(geetest.calls) == 1
    assert sides.right(token) == "fail"
    assert len(geetest.calls) == 1
    assert next(table)[1:] == ["a second call", "`fail`, no call"]
    geetest.answers(404)
    says("HTTP 404 or 413", sides.left(geetest.token()), sides.right(geetest.token()))
    geetest.down()
    says("HTTP 503", sides.left(geetest.token()), sides.right(geetest.token()))


# The pages, and their places


def of_the_site(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of docs/, which is no package."""
    monkeypatch.syspath_prepend(DOCS)
    return importlib.import_module(name)


def test_every_page_is_linked_from_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    sections = of_the_site("navigation", monkeypatch).sections(page("index"))
    linked = {link for links in sections.values() for link in links}
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"index.md"}
    assert pages <= linked, "these pages stand in no navigation: link them in docs/index.md"


def test_the_navigation_has_the_headings_and_the_words_of_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    navigation = of_the_site("navigation", monkeypatch)
    index = "# A\n[no](no.md)\n## B\n- [One](one.md): and [two](../TWO.md), [web](https://x/y.md), [part](a.md#b)\n"
    assert navigation.sections(index) == {"B": {"one.md": "One", "../TWO.md": "two"}}
    assert "One </docs/one>\ntwo </TWO>\n" in navigation.toctree("B", {"one.md": "One", "../TWO.md": "two"})


DOCSTRING = """A sentence with `a*b` and geetest_.

    f(x)

    g(x)

name, other   what they are
              and mean
`x` or y      the rest"""

RST = """A sentence with `a*b` and geetest\\_.

.. code-block:: python

   f(x)

   g(x)

``name, other``
   what they are and mean

`x` or y
   the rest"""


def test_a_docstring_becomes_what_it_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_the_site("docstrings", monkeypatch).as_rst(DOCSTRING) == RST


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.stem)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
