"""A guard that finds the rule by the route that Starlette's router picks, not by the path: no spelling bypasses it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import Match

from .._core.paths.decisions import Decisions
from .._core.paths.forms import is_too_much
from .._core.paths.patterns import WEBSOCKET
from .._core.paths.rule_table import UNCLEAR, RuleTable
from .._core.rules import Rule
from .._middleware import GeeTestMiddleware
from ..observers.logs import log_marks
from .mark import MARKS, Mark


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """One route of an app."""

    route: Any
    """The framework's route: an object with Starlette's `matches`."""
    path: str
    methods: list[str]
    mark: Mark | None
    inner: "list[Routed]"
    """The routes of the app or router that is mounted here."""

    @property
    def marked(self) -> "Iterator[Routed]":
        """The marked routes among this one and those within it."""
        if self.mark is not None:
            yield self
        for each in self.inner:
            yield from each.marked

    @property
    def leaves(self) -> "Iterator[Routed]":
        """This route, or the routes that are mounted here."""
        for each in self.inner:
            yield from each.leaves
        if not self.inner:
            yield self

    @property
    def rule(self) -> Rule | None:
        """The rule of its mark, if it has one."""
        return None if self.mark is None else self.mark.rule(self.methods, self.path)

    @property
    def left_open(self) -> str:
        """The methods that stay open only because the mark has no `methods`, and the path; empty if there are none."""
        left = [] if self.mark is None else self.mark.leaves_open(self.methods)
        return f"{','.join(left)} {self.path}" if left else ""

    @property
    def title(self) -> str:
        """Its methods and its path, for messages."""
        return f"{','.join(self.methods)} {self.path}"


class RouteGuard(GeeTestMiddleware):
    """Guards marked routes by the rules of their marks, whatever the path, and other requests by `others`, by path."""

    def __init__(
        self, app: Any, routes: list[Routed], others: Iterable[str | Rule], settings: Mapping[str, Any]
    ) -> None:
        self._routes = routes
        marked = [route for each in routes for route in each.marked]
        rules = [(route, rule) for route in marked if (rule := route.rule) is not None]
        super().__init__(app, protect=[*(rule for _, rule in rules), *others], **settings)
        self._rules = dict(zip((route for route, _ in rules), self.table.rules, strict=False))
        self._by_path, self._decisions = Decisions(self.table.match), Decisions(self._match_others)
        table = self.table
        self._others = RuleTable(table.rules[len(rules) :], table.exempt, table.roots, table.unclear)
        log_marks((str(rule.pattern) for _, rule in rules), filter(None, (route.left_open for route in marked)))

    def _match_others(self, *line: Any) -> Any:
        """What is done by path alone. A path past the bounds is refused where a mark speaks of its method, too."""
        return (self.table if is_too_much(*line[1:]) else self._others).match(*line)

    def place(self, method: str, path: str, raw_path: bytes = b"", root_path: str = "") -> int | None:
        """Return the index of the rule that decides about such a request, as `RuleTable.decide` does. For commands."""
        kind = "websocket" if method == WEBSOCKET else "http"
        line = {"method": method, "path": path, "raw_path": raw_path, "root_path": root_path}
        if (route := self._route({"type": kind, "headers": [], **line})) is not None:
            return list(self._rules).index(route)
        place = self._others.decide(method, path, raw_path, root_path)
        return place if place is None or place == UNCLEAR else place + len(self._rules)

    def outer_scope(self, scope: Any) -> Any:
        """Return the scope that the app's router sees."""
        return scope

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI 3."""
        route = self._route(scope) if scope["type"] in ("http", "websocket") else None
        if route is None:
            await super().__call__(scope, receive, send)
            return
        _, policy = self._rules[route]
        scope[MARKS] = (route.mark,)
        await self.guard.run(policy, scope, receive, send)

    def _route(self, scope: Any) -> Routed | None:
        """Return the marked route that the request goes to, if its method is guarded."""
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        line = (method, scope["path"], scope.get("raw_path") or b"", scope.get("root_path") or "")
        # By path first: what no mark's rule matches in any spelling goes to no marked route.
        if method in self._unprotected_methods or self._by_path[line] is None or is_too_much(*line[1:]):
            return None
        route = _find(self._routes, self.outer_scope(scope))
        rule = None if route is None else self._rules.get(route)
        return route if rule is not None and method in rule[0].methods else None


def _find(routes: Iterable[Routed], scope: Any) -> Routed | None:
    """Return the route that Starlette's router picks: the first that matches the path and the method."""
    for each in routes:
        match, more = each.route.matches(scope)
        if match is Match.FULL:
            return _find(each.inner, {**scope, **more}) if each.inner else each
    return None
