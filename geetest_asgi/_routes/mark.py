"""Mark: says on a route that it needs a captcha, and with which settings."""

import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final, Unpack

from starlette.routing import compile_path

from .._core.errors import ConfigError
from .._core.model import GeeTestResult, Outcome
from .._core.paths.patterns import parse
from .._core.rules import Rule
from .._middleware import GeeTestMiddleware
from .._scope import geetest_result
from .settings import MarkSettings

MARKS: Final = "geetest_asgi.marks"
"""Scope key: the marks of the route that the guard decided about."""

NOT_GUARDED: Final = GeeTestResult(Outcome.SKIPPED, allowed=True, verified=False, reason="the method is not guarded")


def nothing_guarded(where: str, left_open: Iterable[str], how: str) -> ConfigError:
    """Return the error for an app without a guarded route. `how`: the way to mark a route in this framework."""
    if titles := ", ".join(left_open):
        return ConfigError(f"{where}: no guarded method in {titles}; write Captcha(methods=…) to guard safe methods")
    return ConfigError(f"{where}: no route is marked; write {how}")


class Mark:
    """The settings of `Rule`, all of them optional, for routes whose paths are not known yet.

    `methods`: the methods of a marked route that are guarded. Default: all except GET, HEAD, OPTIONS and TRACE, as for
    a pattern without methods. A websocket is always guarded. Raises ConfigError for a setting that `Rule` does not
    have.
    """

    def __init__(self, **settings: Unpack[MarkSettings]) -> None:
        try:
            self._rule = Rule("/", **settings)
        except TypeError as error:
            kind = type(self).__name__
            raise ConfigError(f"{kind}(): {error}; the settings are those of Rule, by name") from None
        self._methods = parse("/", self._rule.methods).methods

    def guards(self, method: str) -> bool:
        """Return whether requests of this method to a marked route are guarded."""
        return method.upper() in self._methods

    def leaves_open(self, methods: Iterable[str]) -> list[str]:
        """Return the methods of a marked route that stay open only because the mark has no `methods`.

        HEAD, OPTIONS and TRACE are not named: frameworks add them.
        """
        return [] if self._rule.methods is not None else [each for each in methods if each == "GET"]

    def rule(self, methods: Iterable[str], path: str) -> Rule | None:
        """Return the rule of a route with this mark; None if the route takes no guarded method.

        `methods`: the route's, with "WEBSOCKET" for a websocket and "*" for all. `path`: in the framework's notation.
        """
        guarded = [each for each in methods if each in ("WEBSOCKET", "*") or self.guards(each)]
        if not guarded:
            return None
        if guarded == ["*"]:
            guarded = [] if self._rule.methods is None else _names(self._rule.methods)
        written = " ".join([*([",".join(guarded)] if guarded else []), path])
        try:
            parse(written)
        except ConfigError:  # a path that cannot be written as a pattern, such as /users(id)
            name = self._rule.name or written
            return replace(self._rule, pattern=_regular(path), methods=guarded or None, name=name)
        return replace(self._rule, pattern=written, methods=None)

    def decision(self, scope: Any) -> GeeTestResult:
        """Return the decision about this request; `skipped` if its method is not guarded. Raises LookupError if no
        guard has decided about a route with this mark.
        """
        if scope["type"] == "http" and not self.guards(scope["method"]):
            return NOT_GUARDED
        result = geetest_result(scope)
        if self not in scope.get(MARKS, ()):
            raise LookupError(
                f"{scope.get('path', '?')!r}: the rule {result.rule!r} decided about this request, and it is not that "
                "of the mark on this route"
            )
        return result


# With `Depends(Captcha)`, the class without a call, FastAPI reads this annotation before we can raise an error that
# explains it. It cannot read Unpack.
Mark.__init__.__annotations__["settings"] = Any


def _names(methods: str | Iterable[str]) -> list[str]:
    return [methods] if isinstance(methods, str) else list(methods)


def _regular(path: str) -> re.Pattern[str]:
    """Return Starlette's regular expression. Each placeholder except `{…:path}` matches any text within a segment."""
    compiled, _, _ = compile_path(re.sub(r":(?!path})\w+}", "}", path))
    return re.compile(compiled.pattern.removeprefix("^").removesuffix("$"))


def check_names(where: str, settings: Iterable[str]) -> None:
    """Check that these are settings of GeeTestMiddleware, which is built later. Raises ConfigError."""
    known = inspect.signature(GeeTestMiddleware).parameters.keys() - {"app"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
