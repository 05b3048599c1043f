"""What a route says of itself where its framework's users look for it: it wants a captcha, and on which terms."""

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
    """What is wrong with an app without a guarded route. `how` a route is marked in this framework."""
    if titles := ", ".join(left_open):
        return ConfigError(f"{where}: no guarded method in {titles}; write Captcha(methods=…) to guard safe methods")
    return ConfigError(f"{where}: no route is marked; write {how}")


class Mark:
    """The settings of `Rule`, all of them optional, for routes whose paths are not known yet.

    `methods` says which methods of a marked route are guarded. Default: those that a pattern without methods means, all
    but GET, HEAD, OPTIONS and TRACE; a websocket is guarded always. Raises ConfigError for a setting that `Rule` does
    not have.
    """

    def __init__(self, **settings: Unpack[MarkSettings]) -> None:
        try:
            self._rule = Rule("/", **settings)
        except TypeError as error:
            kind = type(self).__name__
            raise ConfigError(f"{kind}(): {error}; the settings are those of Rule, by name") from None
        self._methods = parse("/", self._rule.methods).methods

    def guards(self, method: str) -> bool:
        """Whether requests of this method to a marked route are guarded."""
        return method.upper() in self._methods

    def leaves_open(self, methods: Iterable[str]) -> list[str]:
        """The methods of a marked route that are not guarded, though nothing was said about them.

        HEAD, OPTIONS and TRACE are not named: frameworks add them.
        """
        return [] if self._rule.methods is not None else [each for each in methods if each == "GET"]

    def rule(self, methods: Iterable[str], path: str) -> Rule | None:
        """What protects a route that is marked with this; None where it takes no guarded method.

        `methods`: the route's, with "WEBSOCKET" for a websocket and "*" for all. `path` as the framework writes it.
        """
        guarded = [each for each in methods if each in ("WEBSOCKET", "*") or self.guards(each)]
        if not guarded:
            return None
        if guarded == ["*"]:
            guarded = [] if self._rule.methods is None else _names(self._rule.methods)
        written = " ".join([*([",".join(guarded)] if guarded else []), path])
        try:
            parse(written)
        except ConfigError:  # a path that no pattern can be, such as /users(id)
            name = self._rule.name or written
            return replace(self._rule, pattern=_regular(path), methods=guarded or None, name=name)
        return replace(self._rule, pattern=written, methods=None)

    def decision(self, scope: Any) -> GeeTestResult:
        """The decision about this request; `skipped` where its method is not guarded. Raises LookupError where no guard
        made one for a route with this mark.
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


# FastAPI reads this where `Depends(Captcha)` names the class, before we can say so, and it cannot read Unpack.
Mark.__init__.__annotations__["settings"] = Any


def _names(methods: str | Iterable[str]) -> list[str]:
    return [methods] if isinstance(methods, str) else list(methods)


def _regular(path: str) -> re.Pattern[str]:
    """Starlette's regular expression, each placeholder but `{…:path}` for anything within its segment."""
    compiled, _, _ = compile_path(re.sub(r":(?!path})\w+}", "}", path))
    return re.compile(compiled.pattern.removeprefix("^").removesuffix("$"))


def check_names(where: str, settings: Iterable[str]) -> None:
    """Are these settings of GeeTestMiddleware, which is built later? Raises ConfigError."""
    known = inspect.signature(GeeTestMiddleware).parameters.keys() - {"app"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
