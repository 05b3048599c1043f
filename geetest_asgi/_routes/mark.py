"""What a route says of itself where its framework's users look for it: it wants a captcha, and on which terms."""

import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from starlette.routing import compile_path

from .._core.errors import ConfigError
from .._core.paths.patterns import parse
from .._core.rules import Rule
from .._middleware import GeeTestMiddleware


class Mark:
    """The settings of `Rule`, all of them optional, for routes whose paths are not known yet.

    Raises ConfigError for a setting that `Rule` does not have.
    """

    def __init__(self, **settings: Any) -> None:
        try:
            self._rule = Rule("/", **settings)
        except TypeError as error:
            kind = type(self).__name__
            raise ConfigError(f"{kind}(): {error}; the settings are those of Rule, by name") from None

    def rule(self, methods: str, path: str) -> Rule:
        """What protects a route that is marked with this. `path` as the framework writes it, methods with commas."""
        written = f"{methods} {path}"
        try:
            parse(written)
        except ConfigError:  # a path that no pattern can be, such as /users(id)
            name = self._rule.name or written
            return replace(self._rule, pattern=_regular(path), methods=methods.split(","), name=name)
        return replace(self._rule, pattern=written)


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
