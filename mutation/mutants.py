"""The mutants of a module: its source with one node of one function changed.

Left alone are what is outside functions (a constant, a default value, a decorator: most are numbers that no test should
pin), annotations, docstrings, f-strings, and the words of errors and log records.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Final

from .operators import changes, condition

_LOGGERS: Final = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_WIDTH: Final = 110
Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = ast.expr | ast.stmt | ast.keyword


@dataclass(frozen=True, eq=False)
class Mutant:
    """One changed module. `before` and `after`: the changed lines as one line each."""

    function: str
    first: int
    last: int
    before: str
    after: str
    code: CodeType
    replaces: CodeType


def mutants(source: str, filename: str) -> Iterator[Mutant]:
    """Yield the mutants of a module, each that compiles to other code than the module and those before it."""
    seen: set[object] = set()
    codes = functions(compile(source, filename, "exec", dont_inherit=True))
    text = Text(source)
    for place in _places(ast.parse(source)):
        whole, before, after = text.replaced(place.old, place.new)
        changed = functions(compile(whole, filename, "exec", dont_inherit=True))
        old, new = codes[place.function], changed[place.function]
        seen.add((place.function, _body(old)))
        if (this := (place.function, _body(new))) not in seen and old.co_freevars == new.co_freevars:
            seen.add(this)
            name = old.co_qualname
            yield Mutant(name, place.old.lineno, place.old.end_lineno or 0, before, after, new, old)


def functions(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """Return the functions and methods of a module's code, by name and how many of that name came before."""
    found: dict[tuple[str, int], CodeType] = {}
    for each in code.co_consts:
        if isinstance(each, CodeType) and not each.co_name.startswith("<"):
            inner = functions(each) if _is_class(each) else {(each.co_qualname, 0): each}
            for (name, number), function in inner.items():
                while (name, number) in found:
                    number += 1
                found[name, number] = function
    return found


def _is_class(code: CodeType) -> bool:
    return "__module__" in code.co_names and "__qualname__" in code.co_names


def _body(code: CodeType) -> tuple[object, ...]:
    inner = tuple(_body(each) if isinstance(each, CodeType) else (type(each), each) for each in code.co_consts)
    return code.co_code, code.co_names, code.co_exceptiontable, inner


@dataclass(frozen=True)
class Place:
    """A node, what stands in its place, and the function (see `functions`) that it is in."""

    function: tuple[str, int]
    old: Node
    new: ast.AST | None


def _places(tree: ast.Module) -> Iterator[Place]:
    seen: dict[str, int] = {}
    for name, function in _functions(tree.body, ""):
        number = seen[name] = seen.get(name, -1) + 1
        for statement in function.body:
            for old, new in _in(statement):
                yield Place((name, number), old, new)


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, Function]]:
    for node in body:
        if isinstance(node, Function):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.If):
            yield from _functions([*node.body, *node.orelse], prefix)


def _in(node: ast.AST) -> Iterator[tuple[Node, ast.AST | None]]:
    """Yield each node below this one with what may stand in its place."""
    if (decides := condition(node)) is not None:
        yield from ((decides[0], new) for new in decides[1])
    if isinstance(node, Node):
        yield from ((node, new) for new in changes(node))
    for child in _children(node):
        yield from _in(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.JoinedStr() | ast.Raise() | ast.Expr(value=ast.Constant()):
            return  # Python 3.11 does not say where an f-string's parts are
        case ast.Call(func=ast.Attribute(attr=name)) if name in _LOGGERS:
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from node.body
        case ast.AnnAssign():
            yield from [node.value] if node.value else []
        case _:
            yield from ast.iter_child_nodes(node)


class Text:
    """A source in which a node can be replaced. Columns of a syntax tree are bytes."""

    def __init__(self, source: str) -> None:
        self._lines = [line.encode() for line in source.splitlines(keepends=True)]

    def replaced(self, old: Node, new: ast.AST | None) -> tuple[str, str, str]:
        """Return the whole source, and the lines that are replaced, before and after."""
        first, last = old.lineno - 1, (old.end_lineno or 0) - 1
        head, tail = self._lines[first][: old.col_offset], self._lines[last][old.end_col_offset :]
        if new is None:
            tail = tail.removeprefix(b",").lstrip(b" ")
        before = b"".join(self._lines[first : last + 1])
        after = head + _written(new).encode() + tail
        whole = b"".join([*self._lines[:first], after, *self._lines[last + 1 :]])
        return whole.decode(), *_shown(before, after)


def _written(new: ast.AST | None) -> str:
    if new is None:
        return ""
    text = ast.unparse(ast.fix_missing_locations(new))
    text = text if {'"', "\\"} & set(text) else text.replace("'", '"')
    return f"({text})" if isinstance(new, ast.BoolOp | ast.BinOp | ast.Compare | ast.IfExp | ast.UnaryOp) else text


def _shown(*texts: bytes) -> tuple[str, str]:
    """Return both texts as one line each, without comments; what they share is left out where it is long."""
    one, other = (" ".join(re.sub("  # .*", "", text.decode()).split()) for text in texts)
    head = _shared(one, other)
    tail = min(_shared(one[::-1], other[::-1]), len(one) - head, len(other) - head)
    return _cut(one, head, tail), _cut(other, head, tail)


def _shared(one: str, other: str) -> int:
    """Return the number of characters that both begin with."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _cut(line: str, head: int, tail: int) -> str:
    if len(line) <= _WIDTH:
        return line
    end = len(line) - tail
    middle = line[max(head - 40, 0) : end + 20]
    if len(middle) > _WIDTH:
        middle = f"{middle[:60]} … {middle[-30:]}"
    return ("… " if head > 40 else "") + middle + (" …" if tail > 20 else "")
