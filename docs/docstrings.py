"""The docstrings of this project, which are written to be read in an editor, as reStructuredText for the site.

blocks that are indented     code, or a drawing
lines such as `name   text`  a list of terms; what is far indented goes on with the text
the rest                     paragraphs
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from typing import Any

_TERM = re.compile(r"(\S+(?: \S+)*) {2,}(\S.*)")
_GOES_ON = " " * 6
_ASGI = (  # what Sphinx makes of ASGI's types, and what everybody calls them
    ("~collections.abc.MutableMapping[str, ~typing.Any]", "Scope"),
    ("~collections.abc.Callable[[], ~collections.abc.Awaitable[Scope]]", "Receive"),
    ("~collections.abc.Callable[[Scope], ~collections.abc.Awaitable[None]]", "Send"),
    ("~collections.abc.Callable[[Scope, Receive, Send], ~collections.abc.Awaitable[None]]", "ASGIApp"),
)


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """What Sphinx calls for each docstring; `lines` is changed in place."""
    lines[:] = as_rst("\n".join(lines)).splitlines()


def name_asgi_types(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """What Sphinx calls for each signature."""
    return _named(signature), _named(returned)


def _named(types: str | None) -> str | None:
    for long, short in _ASGI:
        types = types and types.replace(long, short)
    return types


def as_rst(docstring: str) -> str:
    """All of it."""
    return "\n\n".join(_block(block) for block in _blocks(docstring))


def _blocks(docstring: str) -> Iterator[str]:
    """Paragraphs; code goes on over empty lines."""
    code: list[str] = []
    for block in re.split(r"\n(?: *\n)+", docstring.strip("\n")):
        if block.startswith(" "):
            code.append(block)
            continue
        if code:
            yield "\n\n".join(code)
            code = []
        yield block
    if code:
        yield "\n\n".join(code)


def _block(block: str) -> str:
    if block.startswith(" "):
        return _code(textwrap.dedent(block))
    if terms := _terms(block):
        return "\n\n".join(f"{_term(term)}\n   {_plain(text)}" for term, text in terms)
    return _plain(block)


def _plain(text: str) -> str:
    """Without a meaning in reStructuredText for what stands outside of back-ticks, as `_` does at the end of a word."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"[*|\\]|(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts
    )


def _code(block: str) -> str:
    try:
        ast.parse(block)
        language = "python"
    except SyntaxError:
        language = "text"
    return f".. code-block:: {language}\n\n{textwrap.indent(block, '   ')}"


def _terms(block: str) -> list[tuple[str, str]]:
    """Empty if the block is an ordinary paragraph."""
    found: list[tuple[str, str]] = []
    for line in block.splitlines():
        if begins := _TERM.fullmatch(line):
            found.append((begins[1], begins[2]))
        elif line.startswith(_GOES_ON) and found:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        else:
            return []
    return found


def _term(term: str) -> str:
    """As code, where it is a name, several, or a call; else as it stands."""
    return term if "`" in term else f"``{term}``"
