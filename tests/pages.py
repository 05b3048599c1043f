"""What the tests of the documentation share: a page's blocks, tables and links, and an app to try them on."""

import re
import sys
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ +```.*?^ +```$", re.MULTILINE | re.DOTALL)

Rows = list[list[str]]


@dataclass(frozen=True)
class Block:
    language: str
    text: str


class Page:
    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ROOT / name
        self.text = self.path.read_text(encoding="utf-8")
        self.blocks = [Block(language, text) for language, text in FENCE.findall(self.text)]
        self.prose = INDENTED.sub("", FENCE.sub("", self.text))

    def block(self, words: str) -> Block:
        """The block that contains these words, as no other does."""
        (found,) = [each for each in self.blocks if words in each.text]
        return found

    def run(self, words: str, **given: Any) -> dict[str, Any]:
        """Run a block of Python; the value is what it defines."""
        block = self.block(words)
        assert block.language == "python"
        module = sys.modules["__page__"] = ModuleType("__page__")  # Litestar looks types up in the module
        vars(module).update(given)
        exec(compile(block.text, f"{self.name}, the block with {words!r}", "exec", dont_inherit=True), vars(module))
        return vars(module)

    @cached_property
    def tables(self) -> list[Rows]:
        """The rows of each table, its head first."""
        found = re.findall(r"(?:^\|.*\n)+", self.text, re.MULTILINE)
        tables = [[_cells(line) for line in table.splitlines()] for table in found]
        return [[table[0], *table[2:]] for table in tables]

    def rows(self, *head: str) -> Rows:
        """The rows of the tables whose head begins with these cells."""
        found = [row for table in self.tables if table[0][: len(head)] == list(head) for row in table[1:]]
        assert found, f"{self.name} has no table that begins with {head}"
        return found

    @property
    def links(self) -> list[str]:
        """What the page links to, pictures included."""
        return re.findall(r"\]\(([^)]+)\)", self.prose)

    @property
    def lost_links(self) -> list[str]:
        """Links within the repository that lead nowhere, and files of tests that are named and not there."""
        named = [name for name in re.findall(r"`(tests/[\w/]+\.py)`", self.prose) if not (ROOT / name).exists()]
        links = (link for link in self.links if not re.match("[a-z]+:", link))
        return [link for link in links if not self._leads_somewhere(link)] + named

    @property
    def anchors(self) -> set[str]:
        """The anchors that GitHub gives to the headings."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def _leads_somewhere(self, link: str) -> bool:
        name, _, anchor = link.partition("#")
        target = (self.path.parent / name).resolve() if name else self.path
        if not target.exists():
            return False
        return not anchor or anchor in Page(str(target.relative_to(ROOT))).anchors


class Html(HTMLParser):
    """The elements of a page: the attributes of each, by its tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[dict[str, str]]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.setdefault(tag, []).append({name: value or "" for name, value in attrs})

    def values(self, *places: tuple[str, str]) -> list[str]:
        """The values of these attributes: a tag and a name each."""
        return [each[name] for tag, name in places for each in self.found.get(tag, ()) if name in each]

    @cached_property
    def ids(self) -> set[str]:
        return {each["id"] for elements in self.found.values() for each in elements if "id" in each}


def _cells(line: str) -> list[str]:
    """A bar between blanks separates; one within a cell's code does not."""
    return [cell.strip() for cell in re.split(r" \|(?= |$)", line.strip().removeprefix("|"))[:-1]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that answers with the guard's decision, if there is one."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        return
    await Request(scope, receive).body()
    found = (scope.get("state") or {}).get("geetest")
    told = {} if found is None else {"outcome": found.outcome, "verified": found.verified, "rule": found.rule}
    await JSONResponse(told)(scope, receive, send)


def ask(
    app: ASGIApp, method: str, path: str, *, backend: str = "asyncio", raises: bool = True, **more: Any
) -> httpx.Response:
    """Send one request in process. The path is sent as it stands. `raises`: what the app raises is raised here."""
    url = httpx.URL("http://test").copy_with(raw_path=path.encode())

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=raises, client=("127.0.0.1", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, url, **more)

    return anyio.run(sent, backend=backend)


def is_denied(app: ASGIApp, request: str) -> bool:
    """Whether a request without a token, such as "POST /login" or "WEBSOCKET /ws", is refused."""
    method, _, path = request.partition(" ")
    if method == "WEBSOCKET":
        return _websocket_is_denied(app, path)
    return ask(app, method, path).status_code == 403


def _websocket_is_denied(app: ASGIApp, path: str) -> bool:
    try:
        with TestClient(app).websocket_connect(path):
            return False
    except WebSocketDisconnect:
        return True
