"""The changes that are tried on one node of the syntax tree: each a wrong program that a test should notice."""

import ast
import copy
from collections.abc import Iterator
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_TRUE: Final = ast.Constant(True)
_FALSE: Final = ast.Constant(False)
_NONE: Final = ast.Constant(None)


def changes(node: ast.AST) -> Iterator[ast.AST | None]:
    """Yield what may stand in the place of the node, one change each; None: nothing."""
    match node:
        case ast.keyword(arg=str()):
            yield None
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _ARITHMETIC:
            yield _with(node, op=_ARITHMETIC[type(node.op)]())
        case ast.Constant():
            yield from _constants(node)
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.stmt():
            yield from _statements(node)


def condition(node: ast.AST) -> tuple[ast.expr, tuple[ast.Constant, ...]] | None:
    """Return what a node decides by, and what may stand in its place: always, never. A `while True` would not end."""
    match node:
        case ast.If():
            return node.test, (_TRUE, _FALSE)
        case ast.While() if not isinstance(node.test, ast.Constant):
            return node.test, (_FALSE,)
    return None


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for place, op in enumerate(node.ops):
        yield _with(node, ops=[*node.ops[:place], _COMPARISONS[type(op)](), *node.ops[place + 1 :]])


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and " " not in value:  # words with blanks are for people
        yield ast.Constant(f"{value}X")
    elif isinstance(value, bytes):
        yield ast.Constant(value + b"X")


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.Constant(value=None) | None) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Return():
            yield _with(node, value=_NONE)
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield ast.Pass()
        case ast.AugAssign() | ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
